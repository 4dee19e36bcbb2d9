-- SPDX-License-Identifier: MIT
--
-- Messages named what the user has not written: conrun.sleep(-1) under pcall was
-- 'conrun.core.sleep', log.info("%d", "x") was 'string.format', a condition's argument was
-- wrong at "[conrun.condition]:49".  So every public function is called here with arguments
-- of all kinds, written as a user writes it, and no message may name a part of conrun's own.

local conrun = require "conrun"
local reference = require "conrun.reference"
local helpers = require "spec.helpers"

local objects = {
  Lock = "C.lock.new()", Condition = "C.condition.new()", Semaphore = "C.semaphore.new(1)", Event = "C.event.new()",
  Barrier = "C.barrier.new(2)", Queue = "C.queue.new()", Pipe = "C.pipe.new()", Future = "C.future.new()",
  Pool = "pool", Worker = "worker", SharedValue = 'C.shared.value "i64"', SharedArray = 'C.shared.array("i64", 3)',
  SharedList = "C.shared.list()", SharedDict = "C.shared.dict()", SharedBuffer = "C.shared.buffer(8)",
  Range = "C.range(3)", Progress = "C.progress.new { total = 3 }", View = 'C.shared.array("i64", 3):slice(1, 2)',
  Guard = "C.lock.new():hold()", Report = "report",
}

-- Wrong for nearly everybody; the second list is for functions that would wait.
local arguments = { "", "false", "-1", '"x"', "{}", "1, -1", "{ foo = 1 }", "1, { foo = 1 }", "print, {}, -1", "0/0",
  '"i64", "x"', "{ {} }", "nil, nil, nil, 5", "io.stdout" }
local refused = { "-1", '"x"', "{ foo = 1 }, -1", "0/0", "print, -1" }

local waits = {}
for name in ("wait wait_for get get_many put put_many recv poll result error acquire join hold with"):gmatch "%S+" do
  waits[name] = true
end
-- What they do is not to be done here.
local left_out = { ["conrun.show"] = true, ["conrun.log.to"] = true, ["conrun.log.level"] = true,
  ["conrun.on_error"] = true, ["conrun.Pool:terminate"] = true, ["conrun.Pool:close"] = true,
  ["conrun.Pool:shutdown"] = true, ["conrun.thread.timer"] = true }

local function try(code, failures)
  local f = assert(load("local C, pool, worker, report = ... " .. code, "=user"))
  local pool = code:find "= pool" and conrun.pool.threads(1)
  local worker = code:find "= worker" and conrun.thread.start(math.abs, 1)
  local report = code:find "= report" and conrun.bench.run { title = "t", runs = 1, { "a", function() end } }
  local ok, e = pcall(f, conrun, pool, worker, report)
  if pool then pool:terminate() end
  if ok then return end
  local text = tostring(e)
  if text:find("conrun.core", 1, true) or text:find("[conrun", 1, true) or text:find("'string.", 1, true)
    or type(e) == "string" and not text:find "^user:1: " then
    failures[#failures + 1] = code .. "\n  " .. text
  end
end

local function calls(entry)
  local codes = {}
  local waiting = waits[entry.name] or entry.full == "conrun.sleep"
  for _, list in ipairs(waiting and refused or arguments) do
    if entry.method then
      local object = objects[entry.owner:match "[^.]*$"]
      codes[#codes + 1] = ("local o = %s local x = o:%s(%s)"):format(object, entry.name, list)
    else
      local name = entry.full:gsub("^conrun", "C"):gsub("^bench", "C.bench")
      codes[#codes + 1] = ("local x = %s(%s)"):format(name, list)
      codes[#codes + 1] = entry.name == "new" and ("local x = %s(%s)"):format(name:match "^(.*)%.new$", list) or nil
    end
  end
  return codes
end

describe("a message about a wrong argument", function()
  for module in reference.modules() do
    if module.name ~= "conrun.args" then -- its functions end the program
      it("names what the user has written: " .. module.name, function()
        local failures = {}
        for _, entry in ipairs(module.entries) do
          for _, code in ipairs(entry.kind == "function" and not left_out[entry.full] and calls(entry) or {}) do
            try(code, failures)
          end
        end
        assert.are.same({}, failures)
      end)
    end
  end

  local function message(...)
    local _, e = pcall(...)
    return tostring(e)
  end

  it("has the public name of a function that only pcall has called", function()
    assert.matches("to 'conrun%.sleep'", message(conrun.sleep, -1))
    assert.matches("to 'conrun%.shared%.value'", message(conrun.shared.value, "no type"))
    assert.matches("to 'conrun%.condition%.new'", message(conrun.condition.new, 5))
    assert.matches("to 'conrun%.thread%.start'", message(conrun.thread.start, 5))
    assert.matches("to 'conrun%.process%.start'", message(conrun.process.start, 5))
    assert.matches("to 'conrun%.pool%.new'", message(conrun.pool.new, "x"))
    assert.matches("to 'conrun%.on_error'", message(conrun.on_error, 5))
  end)

  it("has the name of the module that was called in place of its `new`", function()
    assert.matches("to 'conrun%.barrier%.new'", message(function() local b = conrun.barrier(0) return b end))
    assert.matches("to 'condition'", message(function() local c = conrun.condition(0) return c end))
    assert.matches("to 'pool'", message(function() local p = conrun.pool("x") return p end))
  end)

  it("has the name of the function of the log", function()
    local line = message(function() conrun.log.info("%d", "x") end)
    assert.matches("210%-.-bad argument #2 to 'info' %(number expected, got string%)", line)
    assert.matches("bad argument #1 to 'warn' %(invalid conversion '%%y'",
      message(function() conrun.log.warn("%y", 1) end))
  end)

  it("stands in a traceback with its public name", function()
    local program = 'local conrun = require "conrun" local v = conrun.shared.value("i64", {}) print(v)'
    for seed = 1, 3 do -- the order of tables differs from run to run
      local _, complaints = helpers.run(("%s --seed=%d -e %s"):format(helpers.quote(helpers.conrun), seed,
        helpers.quote(program)))
      assert.matches("in function 'conrun%.shared%.value'", complaints)
    end
  end)
end)

describe("an argument that nobody takes", function()
  it("is refused by what makes an object", function()
    local p, C = pcall, conrun
    for _, case in ipairs {
      { 1, C.event.new, true }, { 1, C.future.new, 5 }, { 2, C.semaphore.new, 1, 2 }, { 1, C.lock.new, "x" },
      { 1, C.lock.recursive, 1 }, { 2, C.condition.new, nil, 5 }, { 2, C.queue.new, 1, 5 }, { 2, C.pipe.new, {}, 5 },
      { 2, C.semaphore.bounded, 1, 2 }, { 2, C.queue.lifo, 1, 5 }, { 2, C.queue.priority, 1, 5 },
      { 3, C.shared.value, "i64", 1, 5 }, { 3, C.shared.array, "i64", 1, 5 }, { 2, C.shared.list, {}, 5 },
      { 2, C.shared.dict, {}, 5 }, { 3, C.shared.buffer, 8, {}, 5 },
    } do
      local ok, e = p(table.unpack(case, 2, 5))
      assert.is_false(ok)
      assert.matches(("bad argument #%d to 'conrun%%.[%%w.]+' %%(no value expected, got %%a+%%)"):format(case[1]), e)
    end
    assert.matches("bad argument #1 to 'event' %(no value expected, got boolean%)",
      select(2, p(function() local e = conrun.event(true) return e end)))
  end)

  it("is none if it is nil", function()
    conrun.event.new(nil)
    conrun.queue.new(nil, nil)
  end)
end)

describe("a loop over a pipe", function()
  it("gives what comes until the other end is closed", function()
    local here, there = conrun.pipe.new { duplex = false }
    local worker = conrun.thread.start(function(out)
      for i = 1, 3 do out:send(i * i) end
      out:close()
    end, there)
    there:close()
    local sum = 0
    for v in here do sum = sum + v end
    assert.are.equal(14, sum)
    worker:join()
  end)

  it("does not end at a nil as if nothing were left", function()
    local here, there = conrun.pipe.new()
    there:send(nil)
    assert.matches("a nil in the pipe", select(2, pcall(function() for v in here do error(v) end end)))
  end)
end)
