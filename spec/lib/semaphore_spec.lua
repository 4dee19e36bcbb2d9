-- SPDX-License-Identifier: MIT
--
-- The semaphore, unbounded and bounded: counting, the bound, and that no more
-- strands than permits are inside.

local conrun = require "conrun"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local semaphore = require "conrun.semaphore"
local shared = require "conrun.shared"

local LONG, BRIEF = kinds.LONG, kinds.BRIEF

local function take(s, got)
  s:acquire()
  got:put(true)
end

local function take_and_keep(s, got, go)
  s:acquire()
  got:put(true)
  go:wait()
  s:release()
end

local function enter_many(s, inside, greatest, n)
  for _ = 1, n do
    local _ <close> = s:hold()
    inside:add(1)
    local now = inside:get()
    local most = greatest:get()
    while now > most and not greatest:cas(most, now) do
      most = greatest:get()
    end
    inside:add(-1)
  end
end

for _, make in ipairs { "new", "bounded" } do
  describe("semaphore." .. make, function()
    it("starts with 1", function()
      assert.are.equal(1, semaphore[make]():value())
      assert.are.equal(0, semaphore[make](0):value())
      assert.are.equal(7, semaphore[make](7):value())
    end)

    it("refuses a wrong number", function()
      for _, wrong in ipairs { -1, 0.5, "x", {} } do
        kinds.bad_argument(1, semaphore[make], wrong)
      end
    end)

    it("counts down and up", function()
      local s = semaphore[make](2)
      assert.is_true(s:acquire())
      assert.is_true(s:acquire(0))
      assert.are.equal(0, s:value())
      local ok, why = s:acquire(0)
      assert.is_false(ok)
      assert.are.equal("timeout", why)
      s:release()
      assert.are.equal(1, s:value())
      s:acquire()
      s:release(2)
      assert.are.equal(2, s:value())
    end)

    it("gives up after the timeout, not before", function()
      local s = semaphore[make](0)
      local start = conrun.clock()
      local ok, why = s:acquire(0.1)
      assert.is_true(conrun.clock() - start >= 0.1)
      assert.is_false(ok)
      assert.are.equal("timeout", why)
    end)

    it("refuses wrong arguments", function()
      local s = semaphore[make](1)
      kinds.bad_method(1, s, "acquire", -1)
      kinds.bad_method(1, s, "acquire", 0 / 0)
      s:acquire()
      for _, wrong in ipairs { 0, -1, 1.5, "x" } do
        kinds.bad_method(1, s, "release", wrong)
        assert.are.equal(0, s:value())
      end
    end)

    it("is released at the end of a scope, also by an error", function()
      local s = semaphore[make](1)
      do
        local _ <close> = s:hold()
        assert.are.equal(0, s:value())
      end
      assert.are.equal(1, s:value())
      local thrown = {}
      assert.are.equal(thrown, kinds.raised(function()
        local _ <close> = s:hold()
        error(thrown)
      end))
      assert.are.equal(1, s:value())
    end)
  end)

  for _, kind in ipairs(kinds) do
    describe(("semaphore.%s between strands (%s)"):format(make, kind), function()
      it("wakes as many as are released", function()
        local s, got, go = semaphore[make](4), queue.new(), event.new()
        for _ = 1, 4 do
          s:acquire()
        end
        local workers = kinds.start_many(kind, 4, take_and_keep, s, got, go)
        assert.is_nil((got:get(BRIEF)))
        s:release(2)
        assert.is_true(got:get(LONG))
        assert.is_true(got:get(LONG))
        assert.is_nil((got:get(BRIEF)))
        s:release(2)
        assert.is_true(got:get(LONG))
        assert.is_true(got:get(LONG))
        go:set()
        kinds.finish_all(workers)
        assert.are.equal(4, s:value())
      end)

      it("never lets in more than its permits", function()
        local s = semaphore[make](2)
        local inside, greatest = shared.value("i64", 0), shared.value("i64", 0)
        kinds.finish_all(kinds.start_many(kind, 4, enter_many, s, inside, greatest, 300))
        assert.is_true(greatest:get() <= 2)
        assert.is_true(greatest:get() >= 1)
        assert.are.equal(0, inside:get())
        assert.are.equal(2, s:value())
      end)
    end)
  end
end

describe("an unbounded semaphore", function()
  it("may be released beyond its first value", function()
    local s = semaphore.new(1)
    s:release()
    s:release(3)
    assert.are.equal(5, s:value())
  end)

  for _, kind in ipairs(kinds) do
    it("hands permits from one strand to another (" .. kind .. ")", function()
      local s, got = semaphore.new(0), queue.new()
      local w = kinds.start(kind, take, s, got)
      assert.is_nil((got:get(BRIEF)))
      s:release()
      assert.is_true(got:get(LONG))
      kinds.finish(w)
    end)
  end
end)

describe("a bounded semaphore", function()
  it("refuses to go beyond its bound and stays as it was", function()
    local s = semaphore.bounded(2)
    assert.has_error(function() s:release() end)
    assert.are.equal(2, s:value())
    s:acquire()
    assert.has_error(function() s:release(2) end)
    assert.are.equal(1, s:value())
    s:release()
    assert.are.equal(2, s:value())
  end)
end)
