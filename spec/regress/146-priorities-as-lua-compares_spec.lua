-- SPDX-License-Identifier: MIT
--
-- Priorities were floats inside, so integers beyond 2^53 that differ were equal, and
-- times in nanoseconds left the queue in the order in which they had come.

local conrun = require "conrun"

describe("a priority queue", function()
  it("compares integers and floats as Lua does", function()
    local big = 1 << 53
    local priorities = { math.mininteger, -math.huge, math.mininteger + 1, -2.0 ^ 63, -big - 1, -big, -1, -0.5, 0, 0.5,
      1, 1.5, big - 1, big, big + 1, big + 2.0, big + 3, 1764323900123456789, 1764323900123456790, math.maxinteger - 1,
      math.maxinteger, 2.0 ^ 63, math.huge }
    local ranked = table.move(priorities, 1, #priorities, 1, {})
    table.sort(ranked)
    for _, order in ipairs { priorities, ranked } do
      local q = conrun.queue.priority()
      for i = #order, 1, -1 do
        q:put(order[i], order[i])
      end
      local last = q:get()
      for _ = 2, #order do
        local next = q:get()
        assert.is_true(last <= next, ("%s before %s"):format(last, next))
        last = next
      end
    end
  end)

  it("keeps the order of what is equal, whatever its type", function()
    local q = conrun.queue.priority()
    q:put("first", 1 << 60)
    q:put("second", 2.0 ^ 60)
    q:put("third", 1 << 60)
    assert.are.same({ "first", "second", "third" }, { q:get(), q:get(), q:get() })
  end)
end)
