-- SPDX-License-Identifier: MIT
--
-- The barrier: lockstep, one action a round, and every way of breaking it.

local barrier = require "conrun.barrier"
local conrun = require "conrun"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local shared = require "conrun.shared"

local LONG = kinds.LONG

local function wait_once(b, timeout)
  return b:wait(timeout)
end

-- Each counts itself in before the barrier; after it everybody must be in.
local function lockstep(b, arrived, parties, rounds)
  for round = 1, rounds do
    arrived:add(1)
    local index, why = b:wait(30)
    if not index then
      error(why)
    end
    if arrived:get() < parties * round then
      error("passed round " .. round .. " before all had arrived")
    end
    index, why = b:wait(30)
    if not index then
      error(why)
    end
  end
end

local function collect_indexes(b, indexes, rounds)
  for round = 1, rounds do
    indexes:put { round, (b:wait(30)) }
  end
end

local function check_action(b, count, rounds)
  for round = 1, rounds do
    b:wait(30)
    local seen = count:get()
    if seen < round then
      error(("left round %d with %d actions run"):format(round, seen))
    end
    b:wait(30)
  end
end

local function start_waiting(kind, n, b, timeout)
  local workers = kinds.start_many(kind, n, wait_once, b, timeout)
  assert.is_true(kinds.eventually(function() return b.waiting == n end))
  return workers
end

local function assert_broken(workers, reason)
  for _, w in ipairs(workers) do
    assert.is_true(w:join(LONG))
    local index, why = w:result()
    assert.is_nil(index)
    assert.are.equal(reason or "broken", why)
  end
end

describe("barrier", function()
  it("refuses a wrong number of parties", function()
    for _, wrong in ipairs { 0, -1, 1.5, "two", {} } do
      kinds.bad_argument(1, barrier.new, wrong)
    end
    kinds.bad_argument(1, barrier.new)
  end)

  it("refuses an unknown option by name", function()
    assert.matches("acton", tostring(kinds.raised(barrier.new, 2, { acton = print })))
  end)

  it("refuses wrong options", function()
    assert.matches("action", tostring(kinds.raised(barrier.new, 2, { action = 1 })))
    assert.matches("timeout", tostring(kinds.raised(barrier.new, 2, { timeout = -1 })))
  end)

  it("refuses a wrong timeout", function()
    local b = barrier.new(1)
    kinds.bad_method(1, b, "wait", -1)
    kinds.bad_method(1, b, "wait", 0 / 0)
    assert.is_false(b.broken)
  end)

  it("never blocks a single party", function()
    local b = barrier.new(1)
    for _ = 1, 3 do
      assert.are.equal(0, b:wait())
      assert.are.equal(0, b:wait(0))
    end
    assert.are.equal(1, b.parties)
    assert.are.equal(0, b.waiting)
    assert.is_false(b.broken)
  end)

  it("breaks when its only waiter gives up", function()
    local b = barrier.new(2)
    local start = conrun.clock()
    local index, why = b:wait(0.1)
    assert.is_true(conrun.clock() - start >= 0.1)
    assert.is_nil(index)
    assert.are.equal("timeout", why)
    assert.is_true(b.broken)
    index, why = b:wait()
    assert.is_nil(index)
    assert.are.equal("broken", why)
  end)

  it("breaks at once with a timeout of 0", function()
    local b = barrier.new(2)
    assert.is_nil((b:wait(0)))
    assert.is_true(b.broken)
    b:reset()
    assert.is_false(b.broken)
  end)

  it("uses the timeout of its options when wait has none", function()
    local b = barrier.new(2, { timeout = 0.02 })
    local index, why = b:wait()
    assert.is_nil(index)
    assert.are.equal("timeout", why)
    assert.is_true(b.broken)
  end)

  it("is usable after abort and reset", function()
    local b = barrier.new(1)
    b:abort()
    assert.is_true(b.broken)
    local index, why = b:wait()
    assert.is_nil(index)
    assert.are.equal("broken", why)
    b:reset()
    assert.is_false(b.broken)
    assert.are.equal(0, b:wait())
  end)
end)

for _, kind in ipairs(kinds) do
  describe("a barrier between strands (" .. kind .. ")", function()
    it("passes 5 workers in lockstep", function()
      local b, arrived = barrier.new(5), shared.value("i64", 0)
      kinds.finish_all(kinds.start_many(kind, 5, lockstep, b, arrived, 5, 10))
      assert.are.equal(50, arrived:get())
      assert.are.equal(0, b.waiting)
      assert.is_false(b.broken)
    end)

    it("passes 3 workers a thousand times", function()
      local b, arrived = barrier.new(3), shared.value("i64", 0)
      kinds.finish_all(kinds.start_many(kind, 3, lockstep, b, arrived, 3, 1000))
      assert.are.equal(3000, arrived:get())
      assert.is_false(b.broken)
    end)

    it("gives each index once a round", function()
      local b, indexes = barrier.new(3), queue.new()
      kinds.finish_all(kinds.start_many(kind, 3, collect_indexes, b, indexes, 5))
      local seen = {}
      for _ = 1, 15 do
        local round, index = table.unpack(indexes:get(LONG))
        assert.is_true(index >= 0 and index <= 2)
        local key = round .. "/" .. index
        assert.is_nil(seen[key])
        seen[key] = true
      end
    end)

    it("runs the action once a round, before any is released", function()
      local count = shared.value("i64", 0)
      local b = barrier.new(3, { action = function() count:add(1) end })
      kinds.finish_all(kinds.start_many(kind, 3, check_action, b, count, 5))
      assert.are.equal(10, count:get())
      local called = setmetatable({ count = count }, { __call = function(self) self.count:add(1) end })
      assert.are.equal(0, barrier.new(1, { action = called }):wait())
      assert.are.equal(11, count:get())
    end)

    it("breaks for all when its action fails", function()
      local b = barrier.new(2, { action = function() error("no action") end })
      local w = start_waiting(kind, 1, b)[1]
      assert.matches("no action", tostring(kinds.raised(b.wait, b, LONG)))
      assert_broken { w }
      assert.is_true(b.broken)
    end)

    it("lets all who wait go by abort", function()
      local b = barrier.new(4)
      local workers = start_waiting(kind, 3, b)
      b:abort()
      assert_broken(workers)
      assert.is_true(b.broken)
      assert.is_nil((b:wait()))
    end)

    it("lets all who wait go by reset and is usable at once", function()
      local b = barrier.new(3)
      local workers = start_waiting(kind, 2, b)
      b:reset()
      assert.is_false(b.broken)
      local later = start_waiting(kind, 2, b)
      assert_broken(workers)
      assert.is_number(b:wait(LONG))
      for _, index in ipairs(kinds.finish_all(later)) do
        assert.is_number(index)
      end
    end)

    it("breaks for all when one gives up", function()
      local b = barrier.new(4)
      local workers = start_waiting(kind, 2, b)
      local index, why = b:wait(0.02)
      assert.is_nil(index)
      assert.are.equal("timeout", why)
      assert_broken(workers)
      assert.is_true(b.broken)
    end)

    it("tells a worker its own timeout", function()
      local b = barrier.new(2)
      assert_broken({ kinds.start(kind, wait_once, b, 0.02) }, "timeout")
      assert.is_true(b.broken)
    end)
  end)
end
