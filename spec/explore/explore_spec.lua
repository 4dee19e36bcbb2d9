-- SPDX-License-Identifier: MIT
--
-- `conrun --explore` and conrun.explore.run: what they say, and what they refuse.

local helpers = require "spec.helpers"

local script

setup(function() script = os.tmpname() end)
teardown(function() os.remove(script) end)

local function explore(options, program)
  local file <close> = assert(io.open(script, "w"))
  file:write('local conrun = require "conrun"\n', program)
  file:close()
  local out, err, code = helpers.run(("timeout 250 %s %s %s"):format(helpers.conrun, options, script))
  return { out = out, err = err, code = code }
end

local lost = [[
  local v = conrun.shared.value("i64", 0)
  local function bump() v:set(v:get() + 1) end
  local a, b = conrun.thread.start(bump), conrun.thread.start(bump)
  a:join() b:join()
  print(v:get(), ...)
]]

describe("--explore", function()
  it("says the same each time, with the steps of a failure as a table", function()
    local r = explore("--explore", lost .. "assert(v:get() == 2, 'lost')")
    assert.same({ 1, "" }, { r.code, r.err })
    assert.matches("with 1 preemption, reproduced 10 of 10", r.out)
    assert.matches("\n step  main +Thread%-1 +Thread%-2\n", r.out)
    assert.matches(":3  value %d+:set%(1%)", r.out)
    assert.equal(r.out, explore("--explore", lost .. "assert(v:get() == 2, 'lost')").out)
  end)

  it("says what a clean result means", function()
    local all = explore("--explore --preemptions=1", lost)
    assert.matches("^all %d+ schedules with at most 1 preemption: no failure\n$", all.out)
    assert.matches("^the 3 schedules with the fewest preemptions: no failure", explore("--explore=3", lost).out)
    assert.matches("^5 schedules by chance: no failure", explore("--explore=5 --strategy=random", lost).out)
    assert.matches("would be missed with probability", explore("--explore=5 --strategy=pct", lost).out)
  end)

  it("counts outcomes", function()
    local r = explore("--explore --outcomes", lost)
    assert.matches("^outcomes: %d+ × [12], %d+ × [12]\n", r.out)
    assert.equal(0, r.code)
  end)

  it("knows an endless program and an exit code", function()
    local r = explore("--explore=1", "while true do conrun.sleep(1) end")
    assert.matches("failure in schedule 1: no end, after 5000 steps", r.out)
    assert.matches("failure in schedule 1: exit code 3", explore("--explore", "os.exit(3)").out)
    local unheard = explore("--explore", "conrun.thread.start(error, 'x'):join()")
    assert.matches("uncaught error in thread 'Thread%-1'", unheard.out)
  end)

  it("refuses what it cannot do", function()
    local _, err, code = helpers.run(helpers.conrun .. " --explore")
    assert.matches("%-%-explore needs a script", err)
    assert.equal(1, code)
    assert.matches("bad value 'all' of option '%-%-strategy' %(random, pct or exhaustive expected%)",
      explore("--explore --strategy=all", "").err)
    assert.matches("bad value", explore("--explore=0", "").err)
  end)
end)

describe("conrun.explore.run", function()
  it("is a test of a function, with a line to paste", function()
    local r = explore("", [[
      local function test()
        local conrun = require "conrun"
        local d = conrun.shared.dict { n = 0 }
        local w = conrun.process.start(function() d.n = d.n + 1 end)
        d.n = d.n + 1
        w:join()
        assert(d.n == 2, "lost")
      end
      local ok, text, found = conrun.explore.run(test)
      local line = 'replay: conrun.explore.run%(fn, { schedule = "1%-%x+%-[^"]+" }%)'
      print(ok, text:match(line) ~= nil, found.schedules > 1)
      print(conrun.explore.run(test, { schedule = found.schedule }) == false)
      local again, why = conrun.explore.run(function() conrun.queue() end, { schedule = found.schedule })
      print(again, why)
      print(pcall(conrun.explore.run, test, { stratgy = "x" }))
      print(pcall(conrun.explore.run, test, { strategy = "x" }))
      local q = conrun.queue()
      print(pcall(conrun.explore.run, function() q:put(1) end))
    ]])
    assert.equal("", r.err)
    local lines = helpers.lines(r.out)
    assert.equal("false\ttrue\ttrue", lines[1])
    assert.equal("true", lines[2])
    assert.matches("^false\trecorded for another program: that had more operations than", lines[3])
    assert.matches("unknown option 'stratgy' %(did you mean 'strategy'%?%)", lines[4])
    assert.matches("bad option 'strategy'", lines[5])
    assert.matches("makes its shared objects itself", lines[6])
  end)
end)
