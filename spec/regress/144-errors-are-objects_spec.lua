-- SPDX-License-Identifier: MIT
--
-- Some errors arrived as bare strings, which nobody can tell from a result when errors
-- are collected: out of memory, which skips the message handler, and whatever failed on
-- the asker's side.  Others were lost: with a __tostring that raises, or a value that
-- cannot be sent, a future never got its error.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local errors = conrun.errors

-- A value whose rebuilding fails where it arrives.
local function unbuildable()
  return setmetatable({}, { __transfer = function() return error, "cannot rebuild" end })
end

local function mute()
  return setmetatable({}, { __tostring = function() error "no words" end })
end

local function eat()
  local t = {} -- luacheck: ignore
  while true do
    t[#t + 1] = { #t }
  end
end

-- What happens at item 2 of a map whose other items are their own results.
local function at_two(what)
  return function(x)
    if x == 2 then
      return what()
    end
    return x
  end
end

for _, kind in ipairs(kinds) do
  describe("an error object is what arrives (" .. kind .. ")", function()
    local pool
    setup(function()
      pool = kinds.pool(kind, 1, { memory_limit = 8 << 20 })
    end)
    teardown(function()
      pool:terminate()
      pool:join(kinds.LONG)
    end)

    local function failed(expected, message, f, ...)
      local e = kinds.raised_kind(expected, f, ...)
      assert.matches(message, tostring(e))
      return e
    end

    it("when a task has used up its memory, with the place of its function", function()
      local e = failed("task", "^not enough memory$", pool.apply, pool, eat)
      assert.matches("144%-errors%-are%-objects_spec%.lua:%d+: in function", e.traceback)
      assert.matches("pool%-", e.strand)
      failed("task", "^not enough memory$", pool.map, pool, eat, { 1, 2 })
      local worker = kinds.start(kind, { memory_limit = 8 << 20 }, eat)
      failed("task", "^not enough memory$", worker.result, worker)
      assert.are.equal(1, pool:apply(function() return 1 end))
    end)

    it("when what was raised has no text", function()
      for _, raise in ipairs { function() error(mute()) end, function() error() end,
        function() error(setmetatable({}, { __tostring = "none" })) end,
        function() error(setmetatable({}, { __name = {} })) end } do
        local e = kinds.raised_kind("task", pool.apply, pool, raise)
        assert.are.equal("string", type(e.message))
        assert.matches("stack traceback", e.traceback)
      end
      assert.matches("a table value", failed("task", "", pool.apply, pool, function() error(mute()) end).message)
    end)

    it("when a table was raised, with what is in it", function()
      local e = failed("task", "^{ code = 5 }$", pool.apply, pool, function() error { code = 5 } end)
      assert.are.equal(5, e.value.code)
      local named = function() error(setmetatable({}, { __tostring = function() return "its words" end })) end
      failed("task", "^its words$", pool.apply, pool, named)
    end)

    it("when a value cannot be rebuilt where it arrives", function()
      local e = failed("transfer", "cannot rebuild", pool.apply, pool, unbuildable)
      assert.matches("stack traceback", e.traceback)
      failed("transfer", "cannot rebuild", pool.map, pool, unbuildable, { 1 })
      failed("transfer", "cannot rebuild", pool.map, pool, unbuildable, { 1, 2 }, { chunksize = 2 })
      local listed = pool:map_async(unbuildable, { 1, 2 })
      failed("transfer", "cannot rebuild", listed.result, listed)
      failed("transfer", "cannot rebuild", function()
        for _ in pool:imap(unbuildable, { 1 }) do end
      end)
      failed("transfer", "cannot rebuild", pool.apply, pool, function() return 1 end, unbuildable())
      local q, a, b = conrun.queue.new(), conrun.pipe.new()
      q:put(unbuildable())
      failed("transfer", "cannot rebuild", q.get, q)
      a:send(unbuildable())
      failed("transfer", "cannot rebuild", b.recv, b)
      failed("task", "cannot rebuild", pool.apply, pool, function(from) return from:get() end, (function()
        q:put(unbuildable())
        return q
      end)())
    end)

    it("in the place of its result, when errors are collected", function()
      for _, size in ipairs { 1, 3 } do
        local options = { collect_errors = true, chunksize = size }
        local function collected(expected, message, what)
          for _, list in ipairs { pool:map(at_two(what), { 1, 2, 3 }, options),
            pool:map_async(at_two(what), { 1, 2, 3 }, options):result() } do
            assert.are.same({ 1, 3 }, { list[1], list[3] })
            assert.is_true(errors.is(list[2], expected))
            assert.matches(message, list[2].message)
          end
        end
        collected("task", "^not enough memory$", eat)
        collected("task", "a table value", function() error(mute()) end)
        collected("task", "thread", function() error { co = coroutine.create(print) } end)
        collected("task", "^nil$", error)
        collected("transfer", "cannot send a coroutine", function() return coroutine.create(print) end)
        collected("closed", "^the shop$", function() error(errors.new { kind = "closed", message = "the shop" }) end)
      end
      local list = pool:map(at_two(unbuildable), { 1, 2, 3 }, { collect_errors = true, chunksize = 1 })
      assert.are.same({ 1, 3 }, { list[1], list[3] })
      assert.is_true(errors.is(list[2], "transfer"))
      list = pool:starmap(at_two(error), { { 1 }, { 2 }, { 3 } }, { collect_errors = true })
      assert.is_true(errors.is(list[2], "task"))
      for i, value in pool:imap_unordered(at_two(unbuildable), { 1, 2, 3 }, { collect_errors = true }) do
        assert.is_true(i == 2 and errors.is(value, "transfer") or value == i)
      end
    end)
  end)
end

describe("a future that is settled by hand", function()
  it("fails with whatever it is given", function()
    for _, e in ipairs { coroutine.create(print), mute(), { co = coroutine.create(print) }, io.stdout, print } do
      local future = conrun.future.new()
      future:set_error(e)
      local got = future:error()
      assert.is_true(errors.is(got, "task"))
      assert.are.equal("string", type(got.message))
    end
    local future = conrun.future.new()
    local given = errors.new { kind = "closed", message = "m", value = coroutine.create(print) }
    future:set_error(given)
    assert.are.equal("closed", future:error().kind)
    assert.are.equal("thread", type(given.value))
  end)
end)
