-- SPDX-License-Identifier: MIT
--
-- Much of everything: large items, and many of them.

local kinds = require "spec.lib.kinds"
local pipe = require "conrun.pipe"
local queue = require "conrun.queue"

local LONG = kinds.LONG
local MEGABYTE = 1 << 20

local function text_of(megabytes, byte)
  return byte:rep(megabytes * MEGABYTE)
end

local function fill(q, from, count, size)
  for first = from, from + count - 1, size do
    local batch = {}
    for i = 1, size do
      batch[i] = first + i - 1
    end
    q:put_many(batch)
  end
end

for _, kind in ipairs(kinds) do
  describe("much (" .. kind .. ")", function()
    it("is an item of 100 MB in a queue", function()
      local q = queue.new()
      local w = kinds.start(kind, function(out, make)
        out:put(make(100, "x"))
        out:put("small")
      end, q, text_of)
      local item = q:get(LONG)
      assert.are.equal(100 * MEGABYTE, #item)
      assert.is_nil(item:find("[^x]"))
      assert.are.equal("small", q:get(LONG))
      kinds.finish(w)
    end)

    it("is a result and an argument of 32 MB", function()
      local result = kinds.start(kind, function(text) return text, #text end, text_of(32, "y")):result(LONG)
      assert.are.equal(32 * MEGABYTE, #result)
    end)

    it("is messages of 16 MB in both directions of a pipe", function()
      local a, b = pipe.new()
      local w = kinds.start(kind, function(other)
        for _ = 1, 3 do
          other:send(other:recv())
        end
      end, b)
      for i = 1, 3 do
        local message = text_of(16, tostring(i))
        a:send(message)
        assert.are.equal(message, a:recv(LONG))
      end
      kinds.finish(w)
    end)
  end)
end

describe("ten million items", function()
  it("go through a queue, in order, without loss", function()
    local q, total = queue.new(), 10000000
    kinds.finish(kinds.start("process", fill, q, 1, total, 10000))
    assert.are.equal(total, #q)
    local next_one, right = 1, true
    while next_one <= total do
      local items = q:get_many(10000, LONG)
      for i = 1, #items do
        right = right and items[i] == next_one + i - 1
      end
      next_one = next_one + #items
    end
    assert.is_true(right)
    assert.are.equal(total + 1, next_one)
    assert.are.equal(0, #q)
  end)
end)
