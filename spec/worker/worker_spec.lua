-- SPDX-License-Identifier: MIT
--
-- What every worker shows, be it a thread or a process: birth, name, values,
-- errors, join, interruption, and how it ends.

local conrun = require "conrun"
local errors = require "conrun.errors"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"

local LONG, BRIEF = kinds.LONG, kinds.BRIEF

local function values(...)
  return ...
end

local function wait_for(e)
  e:wait(30)
  return "released"
end

local function failing_helper(message)
  error(message) -- the line that tracebacks name
end

local function fail(message)
  failing_helper(message)
  return 1
end

local function fail_with(value)
  error(value)
end

local function describe_self()
  local self = require("conrun").current()
  return { name = self.name, id = self.id, kind = self.kind, pid = self.pid }
end

local function join_other(other)
  return other:join(30), (other:result(0))
end

local function join_self(inbox)
  local self = inbox:get(30)
  local ok, message = pcall(self.join, self)
  return ok, tostring(message)
end

local function wait_and_tell(started)
  local ok, message = pcall(function()
    started:set()
    require("conrun.event").new():wait()
  end)
  return ok, tostring(message)
end

local function spin_without_calls(started)
  started:set()
  while true do end
end

local function spin(started)
  started:set()
  while true do local _ = {} end
end

local function start_grandchild(kind, x)
  local w = require("conrun." .. kind).start(function(y) return y + 1 end, x)
  return (w:result(30))
end

local function exit_with(code)
  os.exit(code)
end

for _, kind in ipairs(kinds) do
  local start = require("conrun." .. kind).start

  describe("worker (" .. kind .. ")", function()
    it("returns the values of its function", function()
      local w = start(values, 1, nil, "three", nil)
      assert.are.equal(4, select("#", w:result(LONG)))
      local a, b, c = w:result()
      assert.are.equal(1, a)
      assert.is_nil(b)
      assert.are.equal("three", c)
      assert.are.equal(0, select("#", start(values):result(LONG)))
    end)

    it("is alive from its start to its end", function()
      local e = event.new()
      local w = start(wait_for, e)
      assert.is_true(w:alive())
      local ok, why = w:join(0)
      assert.is_false(ok)
      assert.are.equal("timeout", why)
      assert.is_false((w:join(BRIEF)))
      kinds.raised_kind("timeout", w.result, w, 0)
      e:set()
      assert.is_true(w:join(LONG))
      assert.is_false(w:alive())
      assert.are.equal("released", w:result())
    end)

    it("is joined again after its end, and by several", function()
      local e = event.new()
      local w = start(wait_for, e)
      local others = kinds.start_many(kind, 3, join_other, w)
      e:set()
      for _, other in ipairs(others) do
        local joined, value = kinds.finish(other)
        assert.is_true(joined)
        assert.are.equal("released", value)
      end
      assert.is_true(w:join())
      assert.is_true(w:join(0))
    end)

    it("refuses to join itself", function()
      local inbox = queue.new()
      local w = start(join_self, inbox)
      inbox:put(w)
      local ok, message = kinds.finish(w)
      assert.is_false(ok)
      assert.matches("itself", message)
    end)

    it("has a name, an id and a kind, which it sees itself", function()
      local a, b = start({ name = "miller" }, describe_self), start(describe_self)
      assert.are.equal("miller", a.name)
      assert.are.equal(kind, a.kind)
      assert.are_not.equal(a.id, b.id)
      assert.is_string(b.name)
      assert.are_not.equal("", b.name)
      local inside = kinds.finish(a)
      assert.are.equal("miller", inside.name)
      assert.are.equal(a.id, inside.id)
      assert.are.equal(kind, inside.kind)
      assert.matches("miller", tostring(a))
      kinds.finish(b)
      local main = conrun.current()
      assert.are.equal(kind == "thread", inside.pid == main.pid)
    end)

    it("raises the error of its function with kind, message and traceback", function()
      local w = start({ name = "unlucky" }, fail, "out of flour")
      local e = kinds.raised_kind("task", w.result, w, LONG)
      assert.matches("out of flour", e.message)
      assert.matches("worker_spec%.lua:%d+", e.message)
      assert.matches("failing_helper", e.traceback)
      assert.matches("worker_spec%.lua:%d+", e.traceback)
      assert.are.equal("unlucky", e.strand)
      assert.are.equal(e.message, tostring(e))
      assert.is_true(w:join(LONG))
      assert.is_false(w:alive())
    end)

    it("raises errors of any value", function()
      local e = kinds.raised_kind("task", function()
        start(fail_with, { code = 7, nested = { "x" } }):result(LONG)
      end)
      assert.are.same({ code = 7, nested = { "x" } }, e.value)
      for _, value in ipairs { 42, true, 1.5, "text" } do
        e = kinds.raised_kind("task", function() start(fail_with, value):result(LONG) end)
        assert.are.equal(value, type(value) == "string" and "text" or e.value)
        assert.matches(type(value) == "string" and "text" or "", e.message)
      end
      e = kinds.raised_kind("task", function() start(fail_with, nil):result(LONG) end)
      assert.is_nil(e.value)
      assert.is_string(tostring(e))
    end)

    it("says so when its error cannot be sent", function()
      local e = kinds.raised(function()
        start(function() error(coroutine.create(print)) end):result(LONG)
      end)
      assert.is_true(errors.is(e, "task") or errors.is(e, "transfer"))
      assert.is_string(tostring(e))
    end)

    it("says so when its result cannot be sent", function()
      local e = kinds.raised(function()
        start(function() return { co = coroutine.create(print) } end):result(LONG)
      end)
      assert.matches("cannot send a coroutine", tostring(e))
      assert.matches("field 'co'", tostring(e))
    end)

    it("refuses at once what cannot be sent to it", function()
      local message = tostring(kinds.raised(start, values, 1, coroutine.create(print)))
      assert.matches("cannot send a coroutine %(argument 2%)", message)
    end)

    it("refuses wrong arguments and unknown options", function()
      kinds.bad_argument(1, start)
      kinds.bad_argument(1, start, 5)
      assert.has_error(function() start({ name = "x" }) end)
      assert.matches("nam'", tostring(kinds.raised(start, { nam = "x" }, values)))
      assert.matches("name", tostring(kinds.raised(start, { name = {} }, values)))
      assert.matches("daemon", tostring(kinds.raised(start, { daemon = 1 }, values)))
      assert.matches("memory_limit", tostring(kinds.raised(start, { memory_limit = -1 }, values)))
      local w = start(values)
      kinds.bad_method(1, w, "join", -1)
      kinds.bad_method(1, w, "join", 0 / 0)
      kinds.bad_method(1, w, "result", -1)
      kinds.finish(w)
    end)

    it("may start workers of both kinds", function()
      for _, other in ipairs(kinds) do
        assert.are.equal(42, kinds.finish(start(start_grandchild, other, 41)))
      end
    end)

    it("is interrupted while it waits and goes on if it catches that", function()
      local started = event.new()
      local w = start(wait_and_tell, started)
      assert.is_true(started:wait(LONG))
      w:interrupt()
      local ok, message = kinds.finish(w)
      assert.is_false(ok)
      assert.matches("interrupted!", message)
    end)

    it("is interrupted while it computes", function()
      local started = event.new()
      local w = start(spin, started)
      assert.is_true(started:wait(LONG))
      w:interrupt()
      assert.is_true(w:join(LONG))
      assert.matches("interrupted!", tostring(kinds.raised(w.result, w)))
    end)

    -- ThreadSanitizer delivers signals only where its program calls something.
    local it_or_pending = kinds.tsan and pending or it
    it_or_pending("is interrupted in a loop that calls nothing", function()
      local started = event.new()
      local w = start(spin_without_calls, started)
      assert.is_true(started:wait(LONG))
      w:interrupt()
      assert.is_true(w:join(LONG))
      assert.matches("interrupted!", tostring(kinds.raised(w.result, w)))
    end)

    it("ends by os.exit, which ends nothing else", function()
      local w = start(exit_with, true)
      assert.is_true(w:join(LONG))
      assert.is_false(w:alive())
      assert.are.equal(1, kinds.finish(start(values, 1)))
    end)

    it("gets 'not enough memory' beyond its memory limit", function()
      local w = start({ memory_limit = 8 << 20 }, function()
        local t = {}
        for i = 1, 1000 do
          t[i] = ("x"):rep(1 << 20) .. i
        end
        return #t
      end)
      assert.matches("not enough memory", tostring(kinds.raised(w.result, w, LONG)))
      assert.is_true(w:join(LONG))
    end)

    it("is started a hundred times without loss", function()
      for i = 1, 100 do
        assert.are.equal(i, kinds.finish(start(values, i)))
      end
    end)

    it("is dropped without harm while it runs", function()
      local e, q = event.new(), queue.new()
      start(function(ev, out)
        ev:wait(30)
        out:put("still here")
      end, e, q)
      collectgarbage()
      collectgarbage()
      e:set()
      assert.are.equal("still here", q:get(LONG))
    end)
  end)
end

describe("the end of the main script", function()
  for _, kind in ipairs(kinds) do
    it("waits for workers that are no daemons (" .. kind .. ")", function()
      local out, err, status = kinds.run(([[
        local e = require("conrun.event").new()
        require("conrun.%s").start(function(ev) ev:wait() print("worker ends") end, e)
        print("main ends")
        e:set()
      ]]):format(kind))
      assert.are.equal("", err)
      assert.are.equal(0, status)
      assert.matches("main ends", out)
      assert.matches("worker ends", out)
    end)

    it("does not wait for daemons (" .. kind .. ")", function()
      local out, err, status = kinds.run(([[
        local e, started = require("conrun.event").new(), require("conrun.event").new()
        local w = require("conrun.%s").start({ daemon = true }, function(ev, s)
          s:set() ev:wait() print("not reached")
        end, e, started)
        started:wait()
        print(w.daemon, w.pid or pid)
      ]]):format(kind))
      assert.are.equal("", err)
      assert.are.equal(0, status)
      local pid = tonumber(out:match("^true%s+(%d+)\n$"))
      assert.is_number(pid)
      assert.is_true(kinds.eventually(function() return not kinds.process_alive(pid) end))
    end)

    it("ends workers when it fails (" .. kind .. ")", function()
      local _, err, status = kinds.run(([[
        require("conrun.%s").start({ daemon = true }, function() while true do local _ = {} end end)
        error("main failed")
      ]]):format(kind))
      assert.are.equal(1, status)
      assert.matches("main failed", err)
    end)

    it("reports an uncaught error of a worker and goes on (" .. kind .. ")", function()
      local out, err, status = kinds.run(([[
        local w = require("conrun.%s").start({ name = "unlucky" }, function() error("boom") end)
        w:join()
        print("goes on")
      ]]):format(kind))
      assert.are.equal(0, status)
      assert.are.equal("goes on\n", out)
      assert.matches("unlucky", err)
      assert.matches("boom", err)
      assert.matches("traceback", err)
    end)

    it("is silent for os.exit in a worker (" .. kind .. ")", function()
      local out, err, status = kinds.run(([[
        require("conrun.%s").start(function() os.exit(3) end):join()
        print("goes on")
      ]]):format(kind))
      assert.are.equal("", err)
      assert.are.equal("goes on\n", out)
      assert.are.equal(0, status)
    end)

    it("comes by os.exit too, with its code (" .. kind .. ")", function()
      local _, err, status = kinds.run(([[
        require("conrun.%s").start({ daemon = true }, function() while true do local _ = {} end end)
        os.exit(7)
      ]]):format(kind))
      assert.are.equal("", err)
      assert.are.equal(7, status)
    end)
  end
end)
