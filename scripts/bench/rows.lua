-- SPDX-License-Identifier: MIT
--
-- rows: all rows of the table, in order, from one file per group of workloads.
--
-- A row says what is measured, by whom and what must come out:
--
--   name      for --only and for the sides
--   title     for people
--   unit      how the value of a run is shown: "rate" (items a second), "each" (seconds an item),
--             "total" (seconds), "bytes" (an item), "factor"
--   count     items in a run, by side, or one number for all; `quick` the same for --quick
--   expect    function(count): what a side's check must be; absent: the count
--   conrun    function(count, kept) -> value, check; runs in work.lua
--   python    name of the function in python.py; absent where Python has nothing of the kind
--   floor     name of the workload in floor.c
--   programs  instead of the three: command lines by side, each a whole program that floor.c times
--   fresh     every run has a new side: for memory, which a second run would find already taken
--   target    {least=} or {most=}, a number or a function of the floor, and `text`
--   note      what a reader must know to judge the row

local rows = { list = {}, by_name = {} }

local function name(row)
  row.expect = row.expect or function(count) return count end
  rows.by_name[row.name] = row
end

for _, group in ipairs { "births", "queues", "locks", "pools", "data", "programs" } do
  for _, row in ipairs(require("group_" .. group)) do
    rows.list[#rows.list + 1] = row
    name(row)
  end
end

-- For switches.lua alone.
for _, row in ipairs(require "group_parts") do
  name(row)
end

return rows
