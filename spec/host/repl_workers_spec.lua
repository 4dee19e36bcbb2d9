-- SPDX-License-Identifier: MIT
--
-- What workers print while a person types: it appears above the prompt, and what is
-- typed stays as it is.

local terminal = require "spec.host.terminal"

local function open(options)
  local t = terminal.open(options)
  t:ends ">"
  return t
end

-- A worker that prints when it is told; what it runs is Lua code over `conrun`.
local function worker(t, kind, code)
  t:type("go = conrun.event.new()"):ends "go = conrun.event.new()\n>"
  t:type(("w = conrun.%s.start(function() go:wait() %s end)"):format(kind, code)):ends "\n>"
end

-- Types half a line, lets the worker go, and expects its lines above the half line.
local function above(kind, code, lines)
  local t <close> = open { width = 120 }
  worker(t, kind, code)
  -- The worker goes while the person types: a timer of another strand tells it.
  t:type "typing = conrun.event.new()"
  t:type "conrun.thread.start(function() typing:wait() go:set() end); typing:set() -- now":shows "-- now"
  t:type("half = 'a li", false)
  for _, line in ipairs(lines) do
    t:shows(line)
  end
  t:ends "\n> half = 'a li"
  t:type("ne'"):ends "\n> half = 'a line'\n>"
  t:type("half"):ends '\n"a line"\n>'
end

describe("output of workers", function()
  for _, kind in ipairs { "thread", "process" } do
    it("appears above what is typed: print in a " .. kind, function()
      above(kind, "for i = 1, 3 do print('from " .. "worker', i) conrun.sleep(0.02) end",
        { "\nfrom worker\t1\n", "\nfrom worker\t2\n", "\nfrom worker\t3\n" })
    end)

    it("appears above what is typed: an uncaught error of a " .. kind, function()
      above(kind, "error('it ' .. 'broke')", { "\nconrun: uncaught error in " .. kind, "it broke", "stack traceback:" })
    end)
  end

  it("appears above what is typed: conrun.log", function()
    above("process", "require('conrun.log').warn('so' .. 'so')", { "] soso\n" })
  end)

  it("appears above what is typed: a program that a worker runs", function()
    above("process", "os.execute [[echo an''other]]", { "\nanother\n" })
  end)

  it("waits for the end of its line", function()
    above("thread", "io.write('begin' .. 'ning') io.stdout:flush() conrun.sleep(0.1) io.write(' and end\\n')",
      { "\nbeginning and end\n" })
  end)

  it("leaves a block of several wide lines as it is", function()
    local t <close> = open { width = 30 }
    t:type "go = conrun.event.new()"
    t:type "w = conrun.thread.start(function() go:wait() print 'it' print 'comes' end)"
    local block = "for i = 1, 10 do -- 日本語日本語日本語\n  tostring(i)\n  second"
    t:type("conrun.timer_like = conrun.thread.timer(0.3, function() go:set() end)")
    t:paste(block):shows "second"
    t:shows "\nit\ncomes\n> for i = 1, 10 do -- 日本語"
    t:ends "\n  tostring(i) …\n  second"
    t:type(" = i", false):press "Enter"
    t:type("end"):type("second"):ends "\n10\n>"
  end)

  it("does not stop the program however much it is", function()
    local t <close> = open()
    t:type "w = conrun.process.start(function() for i = 1, 5000 do print('line', i) end end)"
    t:shows "line\t5000\n"
    t:type("w:join()"):ends "\ntrue\n>"
  end)

  it("comes before a result that was computed after it", function()
    local t <close> = open()
    t:type "p = conrun.pool.processes(2)"
    t:type("p:apply(function() print 'first' return 'then' end)"):ends '\nfirst\n"then"\n>'
  end)

  it("is that of callbacks too", function()
    local t <close> = open()
    t:type "f = conrun.future.new()"
    t:type "f:on_done(function(f) print('done with', f:result()) end)"
    t:type "w = conrun.thread.timer(0.1, function() f:set_result(12) end)"
    t:type("half", false):shows "\ndone with\t12\n> half"
  end)
end)
