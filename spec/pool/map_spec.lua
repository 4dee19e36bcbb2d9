-- SPDX-License-Identifier: MIT
--
-- pool:map and its relatives: order, chunk sizes, laziness, and errors at their
-- place.

local conrun = require "conrun"
local errors = require "conrun.errors"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local shared = require "conrun.shared"

local LONG = kinds.LONG

local function square(x)
  return x * x
end

local function add(a, b)
  return a + b
end

local function fail_odd(x, ran)
  if ran then
    ran:add(1)
  end
  if x % 2 == 1 then
    error("odd " .. x, 0)
  end
  return x
end

local function wait_for(started, go)
  started:put(true)
  go:wait(30)
  return "released"
end

local function numbers(n)
  local list = {}
  for i = 1, n do
    list[i] = i
  end
  return list
end

local function squares(n)
  local list = {}
  for i = 1, n do
    list[i] = i * i
  end
  return list
end

for _, kind in ipairs(kinds) do
  describe("pool (" .. kind .. ")", function()
    local p
    before_each(function()
      p = kinds.pool(kind, 3)
    end)
    after_each(function()
      p:terminate()
      assert.is_true(p:join(LONG))
    end)

    it("maps in order", function()
      assert.are.same({ 1, 4, 9, 16, 25 }, p:map(square, { 1, 2, 3, 4, 5 }))
      assert.are.same(squares(1000), p:map(square, numbers(1000)))
    end)

    it("maps the same with every chunk size", function()
      for _, size in ipairs { 1, 3, 6, 20, 40, 50 } do
        assert.are.same(squares(40), p:map(square, numbers(40), { chunksize = size }))
        local got = {}
        for i, v in p:imap(square, numbers(40), { chunksize = size }) do
          got[i] = v
        end
        assert.are.same(squares(40), got)
      end
    end)

    it("maps a C function of a module", function()
      assert.are.same({ 1.0, 2.0, 3.0 }, p:map(math.sqrt, { 1, 4, 9 }))
      assert.are.same({ "A", "B" }, p:map(string.upper, { "a", "b" }))
    end)

    it("maps over a range and an iterator", function()
      assert.are.same(squares(100), p:map(square, conrun.range(1, 100)))
      local i = 0
      local function next_number()
        i = i + 1
        return i <= 50 and i or nil
      end
      assert.are.same(squares(50), p:map(square, next_number))
    end)

    it("keeps the place of nil results and false", function()
      local got = p:map(function(x)
        if x % 2 == 0 then
          return nil
        end
        return x % 3 ~= 0 and x
      end, { 1, 2, 3, 4, 5 })
      assert.are.equal(1, got[1])
      assert.is_nil(got[2])
      assert.is_false(got[3])
      assert.is_nil(got[4])
      assert.are.equal(5, got[5])
    end)

    it("gives an empty list for no input, in every form", function()
      assert.are.same({}, p:map(square, {}))
      assert.are.same({}, p:starmap(add, {}))
      assert.are.same({}, p:map_async(square, {}):result(LONG))
      assert.are.same({}, p:starmap_async(add, {}):result(LONG))
      assert.are.same({}, p:map(square, conrun.range(1, 0)))
      for _ in p:imap(square, {}) do
        error("nothing to iterate")
      end
      for _ in p:imap_unordered(square, {}) do
        error("nothing to iterate")
      end
    end)

    it("maps over argument lists", function()
      assert.are.same({ 3, 7, 11 }, p:starmap(add, { { 1, 2 }, { 3, 4 }, { 5, 6 } }))
      local f = p:starmap_async(add, { { 1, 2 }, { 3, 4 } })
      assert.are.same({ 3, 7 }, f:result(LONG))
    end)

    it("maps without waiting", function()
      local f = p:map_async(square, numbers(100))
      assert.are.same(squares(100), f:result(LONG))
      assert.is_true(f:done())
      local calls = 0
      f:on_done(function() calls = calls + 1 end)
      assert.is_true(kinds.eventually(function() return calls == 1 end))
      local failed = p:map_async(fail_odd, { 2, 4, 5 })
      assert.matches("odd 5", tostring(failed:error(LONG)))
    end)

    it("iterates in order", function()
      local n = 0
      for i, v in p:imap(square, numbers(200)) do
        n = n + 1
        assert.are.equal(n, i)
        assert.are.equal(n * n, v)
      end
      assert.are.equal(200, n)
    end)

    it("iterates over everything in order of completion", function()
      local seen, n = {}, 0
      for i, v in p:imap_unordered(square, numbers(200)) do
        assert.is_nil(seen[i])
        seen[i] = true
        assert.are.equal(i * i, v)
        n = n + 1
      end
      assert.are.equal(200, n)
    end)

    it("gives the quick one first when order does not matter", function()
      local started, go = queue.new(), event.new()
      local function slow_first(x, s, g)
        if x == 1 then
          s:put(true)
          g:wait(30)
        end
        return x
      end
      local order = {}
      for _, v in p:imap_unordered(function(x) return slow_first(x, started, go) end, { 1, 2 }) do
        order[#order + 1] = v
        go:set()
      end
      assert.are.same({ 2, 1 }, order)
    end)

    it("reads at most its buffer ahead", function()
      local read, given = 0, 0
      local function source()
        read = read + 1
        return read <= 100 and read or nil
      end
      for _ in p:imap(square, source, { buffersize = 5 }) do
        given = given + 1
        assert.is_true(read <= given + 5)
      end
      assert.are.equal(100, given)
    end)

    it("raises the first error in input order after all tasks ran", function()
      local ran = shared.value("i64")
      local e = kinds.raised(p.map, p, function(x) return fail_odd(x, ran) end,
        { 2, 4, 5, 6, 7, 8 }, { chunksize = 1 })
      assert.is_true(errors.is(e, "task"))
      assert.are.equal("odd 5", tostring(e))
      assert.are.equal(6, ran:get())
      ran:set(0)
      assert.has_error(function()
        p:map(function(x) return fail_odd(x, ran) end, numbers(10), { chunksize = 4 })
      end)
      assert.are.equal(10, ran:get())
    end)

    it("posts nothing twice and loses nothing when small tasks go several at a time", function()
      local ran = shared.value("i64")
      for _, n in ipairs { 1, 7, 8, 9, 255, 257, 5000 } do
        ran:set(0)
        local list = p:map(function(x) ran:add(1); return x * x end, numbers(n), { chunksize = 1 })
        assert.are.same(squares(n), list)
        assert.are.equal(n, ran:get())
      end
    end)

    it("maps small and large items in turn", function()
      local items, expected = {}, {}
      for i = 1, 100 do
        items[i] = i % 3 == 0 and ("x"):rep(i) or i
        expected[i] = tostring(items[i])
      end
      assert.are.same(expected, p:map(tostring, items, { chunksize = 1 }))
      assert.are.same(expected, p:starmap(tostring, (function()
        local lists = {}
        for i = 1, 100 do
          lists[i] = { items[i] }
        end
        return lists
      end)(), { chunksize = 1 }))
    end)

    it("runs nothing that was made for a map whose item cannot be sent", function()
      local ran = shared.value("i64")
      local items = { 1, 2, 3, coroutine.create(square), 5 }
      local e = kinds.raised(p.map, p, function() ran:add(1) end, items, { chunksize = 1 })
      assert.matches("cannot send a coroutine", tostring(e))
      assert.are.equal(0, ran:get())
      assert.are.same(squares(9), p:map(square, numbers(9), { chunksize = 1 }))
    end)

    it("refuses a map when it is closed, and an imap that goes on", function()
      local step = p:imap(square, numbers(20), { chunksize = 1, buffersize = 2 })
      p:close()
      local refused = kinds.raised(p.map, p, square, numbers(20), { chunksize = 1 })
      assert.is_true(errors.is(refused, "closed"))
      step()
      for _ = 1, 2 do
        assert.is_true(errors.is(kinds.raised(step), "closed"))
      end
    end)

    it("raises an error of imap at its place", function()
      local got = {}
      local e = kinds.raised(function()
        for i, v in p:imap(fail_odd, { 2, 4, 5, 6 }) do
          got[i] = v
        end
      end)
      assert.matches("odd 5", tostring(e))
      assert.are.same({ 2, 4 }, got)
    end)

    it("collects errors when asked to", function()
      local got = p:map(fail_odd, { 2, 3, 4 }, { collect_errors = true })
      assert.are.equal(2, got[1])
      assert.is_true(errors.is(got[2], "task"))
      assert.matches("odd 3", tostring(got[2]))
      assert.are.equal(4, got[3])
    end)

    it("raises timeout from imap and map while a task runs", function()
      local started, go = queue.new(), event.new()
      local function slow()
        return wait_for(started, go)
      end
      kinds.raised_kind("timeout", p.map, p, slow, { 1 }, { timeout = 0.02 })
      kinds.raised_kind("timeout", function()
        for _ in p:imap(slow, { 1 }, { timeout = 0.02 }) do
          error("nothing is ready")
        end
      end)
      go:set()
    end)
  end)
end
