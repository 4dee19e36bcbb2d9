-- SPDX-License-Identifier: MIT
--
-- The pool's line: its bound, its lanes, workers that leave when idle, and tasks that wait
-- for others.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local function double(n)
  return 2 * n
end

-- A pool whose one worker is at work until the event is set.
local function busy_pool(kind, options)
  options.workers, options.kind = 1, kind
  local pool = conrun.pool.new(options)
  return pool, (kinds.occupy(pool))
end

for _, kind in ipairs(kinds) do
  describe("a line with a bound (" .. kind .. ")", function()
    it("refuses in time, and takes again when there is room", function()
      local pool <close>, go = busy_pool(kind, { max_queued = 2 })
      local first = pool:submit(double, 1)
      pool:submit(double, 2)
      assert.are.same({ nil, "timeout" }, { pool:submit({ timeout = 0 }, double, 3) })
      assert.are.same({ nil, "timeout" }, { pool:submit({ timeout = 0.01 }, double, 3) })
      local poster = conrun.thread.start(function() return pool:submit(double, 4):result() end)
      kinds.until_it_waits(poster)
      go:set()
      assert.are.equal(8, poster:result(kinds.LONG))
      assert.are.equal(2, first:result())
    end)

    it("holds up map and its like, and never holds more than that", function()
      local pool <close> = conrun.pool.new { workers = 2, kind = kind, max_queued = 3 }
      local function checked(n) return pool:stats().queued <= 3 and n end
      local list = pool:map(checked, conrun.range(60), { chunksize = 1 })
      for i = 1, 60 do
        assert.are.equal(i, list[i])
      end
      local last = 0
      for i, n in pool:imap(checked, conrun.range(40)) do
        assert.are.equal(i, n)
        last = i
      end
      assert.are.equal(40, last)
      list = pool:map_async(checked, conrun.range(40), { chunksize = 1 }):result(kinds.LONG)
      for i = 1, 40 do
        assert.are.equal(i, list[i])
      end
    end)

    it("keeps the timeout of a map", function()
      local pool, go = busy_pool(kind, { max_queued = 1 })
      local ok, e = pcall(pool.map, pool, double, conrun.range(9), { chunksize = 1, timeout = 0.01 })
      assert.is_false(ok)
      assert.are.equal("timeout", e.kind)
      go:set()
      pool:close()
      assert.is_true(pool:join(kinds.LONG))
    end)

    it("lets the pool's own tasks in", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind, max_queued = 1 }
      local function fan(n)
        local sum = 0
        for _, v in ipairs(pool:map(double, conrun.range(n), { chunksize = 1 })) do sum = sum + v end
        return sum
      end
      assert.are.equal(30, pool:submit(fan, 5):result(kinds.LONG))
    end)

    it("is left by who waits when the pool is closed", function()
      local pool, go = busy_pool(kind, { max_queued = 1 })
      pool:submit(double, 1)
      local poster = conrun.thread.start(function()
        local ok, e = pcall(pool.submit, pool, double, 2)
        return ok, e.kind
      end)
      kinds.until_it_waits(poster)
      pool:close()
      assert.are.same({ false, "closed" }, { poster:result(kinds.LONG) })
      go:set()
      assert.is_true(pool:join(kinds.LONG))
    end)
  end)

  describe("priorities (" .. kind .. ")", function()
    it("order what waits, and equal ones stay in order", function()
      local pool, go = busy_pool(kind, {})
      local order = conrun.queue.new()
      local function note(n) order:put(n) end
      for _, priority in ipairs { 3, 0, -3, 1, 0, -1 } do
        pool:submit({ priority = priority }, note, ("%d"):format(priority))
      end
      pool:submit(note, "0 without")
      pool:map_async(note, { "2 of a map" }, { priority = 2 })
      go:set()
      pool:close()
      assert.is_true(pool:join(kinds.LONG))
      local seen = order:get_many(100)
      assert.are.same({ "-3", "-1", "0", "0", "0 without", "1", "2 of a map", "3" }, seen)
    end)
  end)

  describe("an idle worker (" .. kind .. ")", function()
    it("leaves, and another comes when there is work", function()
      local pool <close> = conrun.pool.new { workers = 2, kind = kind, idle_timeout = 0.01 }
      for round = 1, 3 do
        assert.are.same({ 2, 4, 6 }, pool:map(double, { 1, 2, 3 }, { chunksize = 1 }), "round " .. round)
        assert.is_true(kinds.eventually(function() return pool:stats().started == 0 end))
      end
    end)
  end)

  describe("a task that waits for others (" .. kind .. ")", function()
    it("gets their results in place of them", function()
      local pool <close> = conrun.pool.new { workers = 2, kind = kind }
      local a, b = pool:submit(double, 1), pool:submit(double, 2)
      local all = pool:submit({ await = true }, function(...) return select("#", ...), ... end, a, nil, b, "x", nil)
      assert.are.same({ 5, 2, nil, 4, "x", nil }, { all:result(kinds.LONG) })
    end)

    it("computes them if nobody else will", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      local last = pool:submit(double, 1)
      for _ = 1, 20 do
        last = last:next(double)
      end
      local first = pool:submit({ await = true, priority = -3 }, double, last)
      assert.are.equal(2 ^ 22, first:result(kinds.LONG))
    end)

    it("fails with the error of one, and is not called", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      local called = conrun.event.new()
      local bad = pool:submit(error, "no luck", 0)
      local e = bad:next(function() called:set() end):error(kinds.LONG)
      assert.are.equal("no luck", tostring(e))
      e = pool:submit({ await = true }, function() called:set() end, bad):error(kinds.LONG)
      assert.are.equal("no luck", tostring(e))
      assert.is_false(called:is_set())
    end)
  end)
end

describe("the line's options", function()
  it("are checked", function()
    local pool <close> = conrun.pool.threads(1)
    for _, bad in ipairs { { priority = 4 }, { priority = -4 }, { priority = 0.5 }, { timeout = -1 },
      { timeout = "1" }, { await = 1 }, { prority = 1 } } do
      assert.has_error(function() pool:submit(bad, double, 1) end)
    end
    assert.has_error(function() pool:map(double, { 1 }, { priority = 9 }) end)
    assert.has_error(function() conrun.pool.new { max_queued = 0 } end)
    assert.has_error(function() conrun.pool.new { idle_timeout = 0 } end)
    assert.has_error(function() pool:submit({ priority = 1 }) end)
  end)
end)

describe("future:next", function()
  it("takes the pool that it is given, and needs one", function()
    local pool <close> = conrun.pool.threads(1)
    local f = conrun.future.new()
    assert.has_error(function() f:next(double) end)
    assert.has_error(function() f:next(7) end)
    assert.has_error(function() f:next(double, 7) end)
    local g = f:next(double, pool)
    f:set_result(21)
    assert.are.equal(42, g:result(kinds.LONG))
  end)
end)
