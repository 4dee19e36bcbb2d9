-- SPDX-License-Identifier: MIT
--
-- A nil among values was where lists ended: starmap dropped the arguments behind it,
-- {1, nil, 3} arrived with length 1, and a list of results did not say how many it has.

-- luacheck: globals spec_arguments

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local function echo(...)
  return ...
end

local function count(...)
  return select("#", ...)
end

local function only_odd(x)
  return x % 2 == 1 and x or nil
end

describe("a table with holes", function()
  local items = conrun.queue.new()
  local function copy(t)
    items:put(t)
    return items:get()
  end

  it("has the length that it had", function()
    for _, t in ipairs { { 1, nil, 3 }, { nil, nil, 3 }, { nil, 2 }, { 1, nil, nil, 4, nil, 6 },
      { {}, nil, {} }, { nil, print }, table.pack(1, nil, nil), { 1, 2, nil, x = 4 } } do
      assert.are.equal(#t, #copy(t))
      assert.are.same(t, copy(t))
    end
    for size = 1, 70 do
      local t = {}
      for i = 1, size do
        t[i] = i
      end
      t[size // 2 + 1] = nil
      assert.are.equal(#t, #copy(t))
      assert.are.same(t, copy(t))
    end
  end)

  it("keeps what is far apart", function()
    local t = { [1] = 1, [2] = 2, [1 << 40] = 3, [-1] = 4 }
    assert.are.same(t, copy(t))
    t = { 1, 2, 3, [1000] = 4 }
    assert.are.same(t, copy(t))
  end)
end)

for _, kind in ipairs(kinds) do
  describe("a nil (" .. kind .. ")", function()
    local pool
    setup(function()
      pool = kinds.pool(kind, 1)
    end)
    teardown(function()
      pool:terminate()
      pool:join(kinds.LONG)
    end)

    it("is an argument of starmap like any other", function()
      local lists = { { 1, nil, 3 }, table.pack(nil, 2), table.pack(nil, 2, nil), {} }
      assert.are.same({ 3, 2, 3, 0 }, pool:starmap(count, lists))
      assert.are.same({ 3 }, pool:starmap_async(count, { table.pack(1, nil, nil) }):result())
      assert.are.same({ 2 }, pool:starmap(count, { table.pack(nil, nil) }, { chunksize = 1 }))
    end)

    it("is an item of a map whose list says how many it has", function()
      local list = pool:map(tostring, table.pack(1, nil, nil))
      assert.are.same({ "1", "nil", "nil" }, list)
      local seen = {}
      for i, text in pool:imap(tostring, table.pack(nil, 2, nil)) do
        seen[i] = text
      end
      assert.are.same({ "nil", "2", "nil" }, seen)
    end)

    it("is a result, and then the list says how many there are", function()
      assert.are.same({ 1, nil, 3, n = 3 }, pool:map(only_odd, { 1, 2, 3 }))
      assert.are.same({ 1, nil, n = 2 }, pool:map(only_odd, { 1, 2 }, { chunksize = 1 }))
      assert.are.same({ nil, nil, n = 2 }, pool:map_async(only_odd, { 2, 4 }):result())
      assert.are.same({ 1, 3 }, pool:map(only_odd, { 1, 3 }))
      local a, b = pool:submit(only_odd, 2), pool:submit(only_odd, 4)
      assert.are.same({ n = 2 }, conrun.future.all { a, b })
      assert.are.equal(3, count(pool:apply(echo, nil, nil, nil)))
      assert.are.equal(2, count(kinds.finish(kinds.start(kind, echo, nil, nil))))
    end)

    it("is an argument of the initializer", function()
      local other = kinds.pool(kind, 1, {
        initializer = function(...) spec_arguments = select("#", ...) end,
        initargs = table.pack(1, nil, nil),
      })
      assert.are.equal(3, other:apply(function() return spec_arguments end))
      other:shutdown()
    end)

    it("is an item of a queue", function()
      local q = conrun.queue.new()
      q:put_many(table.pack(nil, 2, nil))
      assert.are.same({ nil, 2, nil, n = 3 }, pool:apply(function(from) return from:get_many(5) end, q))
    end)
  end)
end
