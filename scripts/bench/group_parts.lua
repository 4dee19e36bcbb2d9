-- SPDX-License-Identifier: MIT
--
-- parts: work that one part of conrun is for, and that no other row measures.

local conrun = require "conrun"

-- The value, a list of that length, many times through a queue.
local function carry(count, value, length)
  local line, good = conrun.queue.new(), 0
  local started = conrun.clock()
  for _ = 1, count do
    line:put(value)
    good = good + #line:get() // length
  end
  return conrun.clock() - started, good
end

return {
  {
    name = "part.tables",
    title = "small tables, made and dropped",
    unit = "each",
    count = 2000000,
    quick = 1000,
    conrun = function(count)
      local started, made = conrun.clock(), 0
      for i = 1, count do
        local item = { id = i, name = "item" }
        made = made + #item.name // 4
      end
      return conrun.clock() - started, made
    end,
  },
  {
    name = "part.lists",
    title = "a list of 100,000 integers through a queue",
    unit = "each",
    count = 100,
    quick = 2,
    conrun = function(count, kept)
      local line = conrun.queue.new()
      kept.list = kept.list or conrun.range(1, 100000):totable()
      line:put(kept.list)
      return carry(count, line:get(), 100000) -- decoded, as most lists of a worker are
    end,
  },
  {
    name = "part.records",
    title = "20 records of the same keys through a queue",
    unit = "each",
    count = 20000,
    quick = 10,
    conrun = function(count, kept)
      if not kept.records then
        kept.records = {}
        for i = 1, 20 do
          kept.records[i] = { id = i, name = "item", value = i * 0.5, kind = "thing" }
        end
      end
      return carry(count, kept.records, 20)
    end,
  },
}
