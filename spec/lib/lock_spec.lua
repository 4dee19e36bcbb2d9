-- SPDX-License-Identifier: MIT
--
-- The lock and the recursive lock: exclusion, ownership, timeouts, the scoped
-- forms, and what the next holder is told when a holder has died.

local errors = require "conrun.errors"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local lock = require "conrun.lock"
local shared = require "conrun.shared"

local LONG, BRIEF = kinds.LONG, kinds.BRIEF

local function hold_until(l, held, go)
  l:acquire()
  held:set()
  go:wait()
  l:release()
  return "released"
end

local function try(l, timeout)
  return l:acquire(timeout)
end

local function try_release(l)
  local ok, message = pcall(l.release, l)
  return ok, tostring(message)
end

local function acquire_and_end(l)
  l:acquire()
end

local function acquire_and_fail(l)
  l:acquire()
  error("failed with the lock held")
end

local function add_many(l, counter, n)
  for _ = 1, n do
    l:acquire()
    counter:set(counter:get() + 1)
    l:release()
  end
end

local function add_scoped(l, counter, n)
  for _ = 1, n do
    local _ <close> = l:hold()
    counter:set(counter:get() + 1)
  end
end

-- What a lock and a recursive lock have in common.
for _, make in ipairs { "new", "recursive" } do
  describe("lock." .. make, function()
    it("is acquired at once when free, and is free after release", function()
      local l = lock[make]()
      assert.is_false(l:locked())
      assert.is_true(l:acquire())
      assert.is_true(l:locked())
      l:release()
      assert.is_false(l:locked())
      assert.is_true(l:acquire(0))
      l:release()
    end)

    it("may be dropped while it is held", function()
      lock[make]():acquire()
      collectgarbage()
    end)

    it("accepts no arguments", function()
      assert.is_true(pcall(lock[make]))
    end)

    it("refuses a wrong timeout by number and name", function()
      local l = lock[make]()
      for _, wrong in ipairs { -1, -0.001, 0 / 0, "soon", {} } do
        kinds.bad_method(1, l, "acquire", wrong)
        assert.is_false(l:locked())
      end
    end)

    it("takes math.huge for ever and a long timeout at once when free", function()
      local l = lock[make]()
      assert.is_true(l:acquire(math.huge))
      l:release()
      assert.is_true(l:acquire(5))
      l:release()
    end)

    it("refuses to be released when free", function()
      local l = lock[make]()
      assert.has_error(function() l:release() end)
      l:acquire()
      l:release()
      assert.has_error(function() l:release() end)
      assert.is_false(l:locked())
      assert.is_true(l:acquire(0))
    end)

    it("is released at the end of a scope", function()
      local l = lock[make]()
      do
        local _ <close> = l:hold()
        assert.is_true(l:locked())
      end
      assert.is_false(l:locked())
    end)

    it("is released when the scope is left by an error, which stays the same", function()
      local l = lock[make]()
      local thrown = { code = 7 }
      local raised = kinds.raised(function()
        local _ <close> = l:hold()
        error(thrown)
      end)
      assert.are.equal(thrown, raised)
      assert.is_false(l:locked())
    end)

    it("runs a function with the lock held and gives back its values", function()
      local l = lock[make]()
      local a, b, c = l:with(function(x, y) return l:locked(), x, y end, 1, nil)
      assert.is_true(a)
      assert.are.equal(1, b)
      assert.is_nil(c)
      assert.is_false(l:locked())
    end)

    it("releases after a function that failed and re-raises unchanged", function()
      local l = lock[make]()
      local thrown = {}
      assert.are.equal(thrown, kinds.raised(l.with, l, function() error(thrown) end))
      assert.is_false(l:locked())
    end)

    it("prints as what it is", function()
      assert.matches("lock", tostring(lock[make]()))
    end)
  end)

  for _, kind in ipairs(kinds) do
    describe(("lock.%s between strands (%s)"):format(make, kind), function()
      it("excludes others until it is released", function()
        local l, held, go = lock[make](), event.new(), event.new()
        local w = kinds.start(kind, hold_until, l, held, go)
        assert.is_true(held:wait(LONG))
        assert.is_true(l:locked())
        local ok, why = l:acquire(0)
        assert.is_false(ok)
        assert.are.equal("timeout", why)
        go:set()
        assert.is_true(l:acquire(LONG))
        l:release()
        assert.are.equal("released", kinds.finish(w))
      end)

      it("gives up after the timeout, not before", function()
        local l, held, go = lock[make](), event.new(), event.new()
        local w = kinds.start(kind, hold_until, l, held, go)
        assert.is_true(held:wait(LONG))
        local conrun = require "conrun"
        local start = conrun.clock()
        local ok, why = l:acquire(0.1)
        assert.is_true(conrun.clock() - start >= 0.1)
        assert.is_false(ok)
        assert.are.equal("timeout", why)
        local guard, reason = l:hold(0)
        assert.is_falsy(guard)
        assert.are.equal("timeout", reason)
        go:set()
        kinds.finish(w)
      end)

      it("is not released by another strand, and that changes nothing", function()
        local l = lock[make]()
        l:acquire()
        local ok, message = kinds.finish(kinds.start(kind, try_release, l))
        assert.is_false(ok)
        assert.matches("hold", message)
        assert.is_true(l:locked())
        l:release()
      end)

      it("makes a counter exact", function()
        local l, counter = lock[make](), shared.value("i64", 0)
        kinds.finish_all(kinds.start_many(kind, 4, add_many, l, counter, 500))
        assert.are.equal(2000, counter:get())
        kinds.finish_all(kinds.start_many(kind, 4, add_scoped, l, counter, 500))
        assert.are.equal(4000, counter:get())
        assert.is_false(l:locked())
      end)

      it("tells the next holder that the last one ended with it", function()
        for _, ending in ipairs { acquire_and_end, acquire_and_fail } do
          local l = lock[make]()
          local w = kinds.start(kind, ending, l)
          assert.is_true(w:join(LONG))
          local ok, why = l:acquire(LONG)
          assert.is_true(ok)
          assert.are.equal("abandoned", why)
          l:release()
          ok, why = l:acquire(LONG)
          assert.is_true(ok)
          assert.is_nil(why)
          l:release()
        end
      end)
    end)
  end
end

describe("a lock that is not recursive", function()
  it("is not acquired twice by its holder", function()
    local l = lock.new()
    l:acquire()
    local ok, why = l:acquire(0)
    assert.is_false(ok)
    assert.are.equal("timeout", why)
    ok, why = l:acquire(BRIEF)
    assert.is_false(ok)
    assert.are.equal("timeout", why)
    l:release()
  end)

  it("reports the certain deadlock at once and names where it was taken", function()
    local l = lock.new()
    l:acquire() -- this line is named
    local e = kinds.raised_kind("deadlock", l.acquire, l)
    assert.matches("lock_spec%.lua:%d+", tostring(e))
    assert.is_true(errors.is(e, "deadlock"))
    assert.is_true(l:locked())
    l:release()
    assert.is_false(l:locked())
  end)
end)

describe("a lock shared by threads and processes at once", function()
  it("makes a counter exact", function()
    local l, counter, workers = lock.new(), shared.value("i64", 0), {}
    for i = 1, 4 do
      workers[i] = kinds.start(kinds[1 + i % 2], add_many, l, counter, 500)
    end
    kinds.finish_all(workers)
    assert.are.equal(2000, counter:get())
  end)
end)

describe("a recursive lock", function()
  it("is released as often as it was acquired", function()
    local l = lock.recursive()
    assert.is_true(l:acquire())
    assert.is_true(l:acquire())
    assert.is_true(l:acquire(0))
    l:release()
    l:release()
    assert.is_true(l:locked())
    l:release()
    assert.is_false(l:locked())
    assert.has_error(function() l:release() end)
  end)

  for _, kind in ipairs(kinds) do
    it("lets others in only after the last release (" .. kind .. ")", function()
      local l = lock.recursive()
      l:acquire()
      l:acquire()
      assert.is_false((kinds.finish(kinds.start(kind, try, l, 0))))
      l:release()
      assert.is_false((kinds.finish(kinds.start(kind, try, l, 0))))
      l:release()
      assert.is_true((kinds.finish(kinds.start(kind, try, l, 0))))
    end)
  end
end)
