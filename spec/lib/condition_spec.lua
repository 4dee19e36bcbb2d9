-- SPDX-License-Identifier: MIT
--
-- The condition: who is woken, what is not remembered, and that the lock is held
-- again after every wait.

local condition = require "conrun.condition"
local conrun = require "conrun"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local lock = require "conrun.lock"
local queue = require "conrun.queue"
local shared = require "conrun.shared"

local LONG, BRIEF = kinds.LONG, kinds.BRIEF

-- `ready` is put with the lock held, which only wait() gives up: whoever has
-- read it and then acquires the lock knows that this strand waits.
local function wait_once(c, ready, woken, timeout)
  c:acquire()
  ready:put(true)
  local ok, why = c:wait(timeout)
  c:release()
  woken:put(ok)
  return ok, why
end

local function wait_for_flag(c, ready, flag)
  local _ <close> = c:hold()
  ready:put(true)
  return c:wait_for(function() return flag:get() == 1 and "seen" end, 30)
end

local function notify_when_waiting(c, n)
  c:acquire()
  c:notify(n)
  c:release()
end

local function release_foreign(c)
  return pcall(c.release, c)
end

local function start_waiters(kind, n, c, woken)
  local ready = queue.new()
  local workers = kinds.start_many(kind, n, wait_once, c, ready, woken, LONG)
  for _ = 1, n do
    assert.is_true(ready:get(LONG))
  end
  return workers
end

describe("condition", function()
  it("makes its own recursive lock", function()
    local c = condition.new()
    assert.is_true(c:acquire())
    assert.is_true(c:acquire(0))
    c:release()
    c:release()
    assert.has_error(function() c:release() end)
  end)

  it("uses the lock that it is given", function()
    for _, make in ipairs { "new", "recursive" } do
      local l = lock[make]()
      local c = condition.new(l)
      c:acquire()
      assert.is_true(l:locked())
      l:release()
      l:acquire()
      assert.is_false(c:wait(0))
      assert.is_true(l:locked())
      c:release()
      assert.is_false(l:locked())
    end
  end)

  it("refuses something else than a lock", function()
    kinds.bad_argument(1, condition.new, {})
    kinds.bad_argument(1, condition.new, event.new())
  end)

  it("is not waited for or notified without its lock", function()
    local c = condition.new()
    assert.has_error(function() c:wait(0) end)
    assert.has_error(function() c:wait_for(function() return true end, 0) end)
    assert.has_error(function() c:notify() end)
    assert.has_error(function() c:notify_all() end)
  end)

  it("refuses wrong numbers and times", function()
    local c = condition.new()
    local _ <close> = c:hold()
    kinds.bad_method(1, c, "notify", -1)
    kinds.bad_method(1, c, "notify", 1.5)
    kinds.bad_method(1, c, "notify", "many")
    kinds.bad_method(1, c, "wait", -1)
    kinds.bad_method(1, c, "wait", 0 / 0)
    kinds.bad_method(1, c, "wait_for", 42)
    local bad_self = "condition_spec.lua:%d+: calling 'wait_for' on bad self %(condition expected, got userdata%)"
    assert.matches(bad_self, kinds.raised(function() c.wait_for(conrun.queue(), function() return true end) end))
    kinds.bad_method(2, c, "wait_for", function() return false end, -1)
  end)

  it("does not remember a notification that nobody waited for", function()
    local c = condition.new()
    local _ <close> = c:hold()
    c:notify()
    c:notify(0)
    c:notify(3)
    c:notify_all()
    local ok, why = c:wait(0)
    assert.is_false(ok)
    assert.are.equal("timeout", why)
  end)

  it("holds the lock again after a timeout, and not before the time", function()
    local l = lock.new()
    local c = condition.new(l)
    c:acquire()
    local start = conrun.clock()
    local ok, why = c:wait(0.1)
    assert.is_true(conrun.clock() - start >= 0.1)
    assert.is_false(ok)
    assert.are.equal("timeout", why)
    assert.is_true(l:locked())
    c:release()
  end)

  it("gives back the value of the predicate without waiting", function()
    local c = condition.new()
    local _ <close> = c:hold()
    assert.are.equal(7, c:wait_for(function() return 7 end, 0))
    assert.are.equal("x", (c:wait_for(function() return "x" end)))
    assert.is_falsy(c:wait_for(function() return false end, 0))
    assert.is_falsy(c:wait_for(function() return nil end, BRIEF))
  end)

  it("lets a failing predicate raise with the lock held", function()
    local l = lock.new()
    local c = condition.new(l)
    c:acquire()
    assert.matches("odd", kinds.raised(c.wait_for, c, function() error("odd") end))
    assert.is_true(l:locked())
    c:release()
  end)
end)

for _, kind in ipairs(kinds) do
  describe("a condition between strands (" .. kind .. ")", function()
    it("wakes exactly as many as asked for", function()
      local c, woken = condition.new(), queue.new()
      local workers = start_waiters(kind, 5, c, woken)
      c:acquire()
      c:notify(0)
      c:release()
      assert.is_nil(woken:get(BRIEF))
      c:acquire()
      c:notify(2)
      c:release()
      assert.is_true(woken:get(LONG))
      assert.is_true(woken:get(LONG))
      local none, why = woken:get(BRIEF)
      assert.is_nil(none)
      assert.are.equal("timeout", why)
      c:acquire()
      c:notify()
      c:release()
      assert.is_true(woken:get(LONG))
      assert.is_nil(woken:get(BRIEF))
      c:acquire()
      c:notify_all()
      c:notify(3)
      c:release()
      for _, w in ipairs(workers) do
        assert.is_true((kinds.finish(w)))
      end
      assert.are.equal(2, woken:size())
    end)

    it("gives up all levels of its lock while it waits", function()
      local c = condition.new()
      c:acquire()
      c:acquire()
      local w = kinds.start(kind, notify_when_waiting, c, 1)
      assert.is_true(c:wait(LONG))
      c:release()
      assert.is_false((kinds.finish(kinds.start(kind, release_foreign, c))))
      c:release()
      assert.has_error(function() c:release() end)
      kinds.finish(w)
    end)

    it("waits for a predicate that another strand makes true", function()
      local c, ready, flag = condition.new(), queue.new(), shared.value("i64", 0)
      local w = kinds.start(kind, wait_for_flag, c, ready, flag)
      assert.is_true(ready:get(LONG))
      c:acquire()
      c:notify_all() -- a wake-up for nothing: the predicate is still false
      c:release()
      assert.is_false((w:join(BRIEF)))
      c:acquire()
      flag:set(1)
      c:notify_all()
      c:release()
      assert.are.equal("seen", kinds.finish(w))
    end)
  end)
end

describe("a condition shared by threads and processes at once", function()
  it("wakes both", function()
    local c, woken = condition.new(), queue.new()
    local threads = start_waiters("thread", 2, c, woken)
    local processes = start_waiters("process", 2, c, woken)
    c:acquire()
    c:notify_all()
    c:release()
    kinds.finish_all(threads)
    kinds.finish_all(processes)
    assert.are.equal(4, woken:size())
  end)
end)

describe("a wait on a condition", function()
  it("ends by Ctrl-C", function()
    local child = kinds.child [[
      local c = require("conrun.condition").new()
      c:acquire()
      print(pid)
      c:wait(60)
      print("not reached")
    ]]
    local pid = tonumber(child:line())
    kinds.signal("INT", pid)
    local out, err, status = child:finish()
    assert.are.equal("", out)
    assert.matches("interrupted!", err)
    assert.are_not.equal(0, status)
  end)
end)
