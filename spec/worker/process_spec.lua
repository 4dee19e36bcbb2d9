-- SPDX-License-Identifier: MIT
--
-- What only a process worker shows: pid, exit codes, signals, its own address
-- space, and that none is left.

local conrun = require "conrun"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local process = require "conrun.process"
local queue = require "conrun.queue"
local thread = require "conrun.thread"

local LONG = kinds.LONG

local function nothing() end

local function exit_with(...)
  os.exit(...)
end

local function wait_for_ever(started)
  started:set()
  require("conrun.event").new():wait()
end

local function spin(started)
  started:set()
  while true do local _ = {} end
end

local function own_pid()
  return require("conrun").current().pid
end

local function grandchild_pid(pids)
  local started = require("conrun.event").new()
  local w = require("conrun.process").start(function(s)
    s:set()
    require("conrun.event").new():wait()
  end, started)
  started:wait()
  pids:put(w.pid)
  w:join()
end

describe("a process", function()
  it("has a pid of its own and the exit code 0", function()
    local w = process.start(own_pid)
    assert.is_true(w:join(LONG))
    assert.are.equal(w.pid, w:result())
    assert.are_not.equal(conrun.current().pid, w.pid)
    assert.are.equal(0, w.exitcode)
  end)

  it("has no exit code while it lives", function()
    local e, started = event.new(), event.new()
    local w = process.start(function(s, ev)
      s:set()
      ev:wait(30)
    end, started, e)
    assert.is_true(started:wait(LONG))
    assert.is_nil(w.exitcode)
    assert.is_true(kinds.process_alive(w.pid))
    e:set()
    assert.is_true(w:join(LONG))
    assert.are.equal(0, w.exitcode)
    assert.is_true(kinds.eventually(function() return not kinds.process_alive(w.pid) end))
  end)

  it("has the exit code that os.exit gave", function()
    for _, case in ipairs { { 0, 0 }, { 8, 8 }, { 300, 44 }, { true, 0 }, { false, 1 } } do
      local w = process.start(exit_with, case[1])
      assert.is_true(w:join(LONG))
      assert.are.equal(case[2], w.exitcode)
    end
    local w = process.start(exit_with)
    assert.is_true(w:join(LONG))
    assert.are.equal(0, w.exitcode)
  end)

  it("has the exit code 1 after an uncaught error", function()
    local out = kinds.run [[
      local w = require("conrun.process").start(function() error("boom") end)
      w:join()
      print(w.exitcode)
    ]]
    assert.are.equal("1\n", out)
  end)

  it("fails its result when os.exit ended it", function()
    local w = process.start(exit_with, 3)
    assert.is_true(w:join(LONG))
    local e = kinds.raised_kind("worker_died", w.result, w, 0)
    assert.matches("3", tostring(e))
  end)

  for _, body in ipairs { wait_for_ever, spin } do
    local doing = body == spin and "computes" or "waits"

    it("is terminated while it " .. doing, function()
      local started = event.new()
      local w = process.start(body, started)
      assert.is_true(started:wait(LONG))
      w:terminate()
      assert.is_true(w:join(LONG))
      assert.are.equal(-15, w.exitcode)
      assert.is_false(w:alive())
      kinds.raised_kind("worker_died", w.result, w)
    end)

    it("is killed while it " .. doing, function()
      local started = event.new()
      local w = process.start(body, started)
      assert.is_true(started:wait(LONG))
      w:kill()
      assert.is_true(w:join(LONG))
      assert.are.equal(-9, w.exitcode)
      local e = kinds.raised_kind("worker_died", w.result, w)
      assert.matches(tostring(w.pid), tostring(e))
      assert.matches("9", tostring(e))
    end)
  end

  it("may be terminated and killed after its end", function()
    local w = process.start(nothing)
    assert.is_true(w:join(LONG))
    w:terminate()
    w:kill()
    assert.are.equal(0, w.exitcode)
  end)

  it("is named with its signal when it crashes", function()
    local out = kinds.run_crashing [[
      local w = require("conrun.process").start(function()
        os.execute("kill -SEGV " .. require("conrun").current().pid)
        require("conrun.event").new():wait(30)
      end)
      print(w:join(30), w.exitcode, select(2, pcall(w.result, w)).kind)
    ]]
    assert.are.equal("true\t-11\tworker_died\n", out)
  end)

  it("does not share variables with its starter", function()
    local t = { n = 1 }
    local w = process.start(function()
      t.n = t.n + 1
      return t.n
    end)
    assert.are.equal(2, w:result(LONG))
    assert.are.equal(1, t.n)
  end)

  it("flushes its output at its end", function()
    local out, err = kinds.run [[
      io.stdout:setvbuf("full")
      local w = require("conrun.process").start(function()
        io.stdout:setvbuf("full")
        io.write("from the process\n")
        io.stderr:write("to stderr\n")
      end)
      w:join()
    ]]
    assert.are.equal("from the process\n", out)
    assert.are.equal("to stderr\n", err)
  end)

  it("has the modules path and the random numbers of its own", function()
    local seen = queue.new()
    local function random(q)
      q:put { math.random(1 << 40), package.path }
    end
    kinds.finish_all(kinds.start_many("process", 2, random, seen))
    local a, b = seen:get(LONG), seen:get(LONG)
    assert.are_not.equal(a[1], b[1])
    assert.are.equal(package.path, a[2])
  end)

  it("is started from a thread while others run", function()
    local workers = {}
    for i = 1, 6 do
      workers[i] = thread.start(function(n)
        for _ = 1, 10 do
          if require("conrun.process").start(function(x) return x end, n):result(30) ~= n then
            error("wrong value")
          end
        end
        return n
      end, i)
    end
    for i, n in ipairs(kinds.finish_all(workers)) do
      assert.are.equal(i, n)
    end
  end)
end)

describe("a thread", function()
  it("has no pid to kill", function()
    local w = thread.start(nothing)
    assert.is_nil(w.exitcode)
    assert.is_false((pcall(function() w:kill() end)))
    assert.is_false((pcall(function() w:terminate() end)))
    kinds.finish(w)
  end)

  it("ends by os.exit like a plain return", function()
    local w = thread.start(exit_with, 3)
    assert.is_true(w:join(LONG))
    assert.are.equal(0, select("#", w:result(0)))
  end)
end)

describe("nothing is left", function()
  it("when a process with a child of its own is killed and the main script ends", function()
    local child = kinds.child([[
      local pids = require("conrun.queue").new()
      local w = require("conrun.process").start({ daemon = true }, function(q)
        local started = require("conrun.event").new()
        local inner = require("conrun.process").start({ daemon = true }, function(s)
          s:set()
          require("conrun.event").new():wait()
        end, started)
        started:wait()
        q:put(inner.pid)
        inner:join()
      end, pids)
      print(w.pid)
      print(pids:get())
      w:kill()
      w:join()
    ]])
    local a, b = tonumber(child:line()), tonumber(child:line())
    local _, err, status = child:finish()
    assert.are.equal("", err)
    assert.are.equal(0, status)
    for _, pid in ipairs { a, b } do
      assert.is_true(kinds.eventually(function() return not kinds.process_alive(pid) end))
    end
  end)

  it("of a process that is waited for from inside another", function()
    local pids = queue.new()
    local w = process.start(grandchild_pid, pids)
    local inner = pids:get(LONG)
    assert.is_true(kinds.process_alive(inner))
    kinds.signal("KILL", inner)
    assert.is_true(w:join(LONG))
    assert.are.equal(0, w.exitcode)
    assert.is_true(kinds.eventually(function() return not kinds.process_alive(inner) end))
  end)
end)
