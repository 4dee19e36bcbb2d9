-- SPDX-License-Identifier: MIT
--
-- switches: what each part of conrun brings that only makes it faster (src/base/part.c).
--
-- The two sides of a row are the same program, with the part and without it
-- (CONRUN_OFF), and take turns run by run.

local bench = require "conrun.bench"
local report = require "report"
local rows = require "rows"
local sides = require "sides"

local switches = {}

---@type { name: string, part: string, row: string }[]
switches.list = {}
for _, pair in ipairs {
  { "image", "start.thread" },
  { "heap", "part.tables" },
  { "heap", "queue.table.thread" },
  { "words", "queue.table.thread" },
  { "words", "part.records" },
  { "prove", "part.lists" },
  { "near", "queue.thread" },
  { "near", "queue.process" },
  { "spare", "start.process" },
  { "crew", "start.thread" },
  { "first", "start.table" },
  { "spin", "pingpong.thread" },
  { "spin", "pingpong.process" },
  { "spin", "submit.thread" },
} do
  local part, row = table.unpack(pair)
  switches.list[#switches.list + 1] = { name = part .. "." .. row, part = part, row = row }
end

local function ask(side, row, count)
  local value, check = side:ask(row.name, count)
  assert(value and check == tostring(row.expect(count, "conrun")), check)
  return value
end

--- Measures one pair: the seconds of each run with the part and without it.
---@param switch { part: string, row: string }
---@param programs table<string, string>
---@param options { quick: boolean, runs: integer }
---@return { with: number, without: number }
function switches.measure(switch, programs, options)
  local row = rows.by_name[switch.row]
  local count = options.quick and row.quick or type(row.count) == "table" and row.count[1] or row.count
  local with <close> = sides.start("conrun", programs)
  local without <close> = sides.start("conrun", programs, "CONRUN_OFF=" .. switch.part)
  local times = { {}, {} }
  for turn = 0, options.runs do
    local one, other = ask(with, row, count), ask(without, row, count)
    if turn > 0 then -- the first warms up
      times[1][turn], times[2][turn] = one, other
    end
  end
  return { with = bench.median(times[1]), without = bench.median(times[2]), count = count }
end

local function shown(row, seconds, count)
  return report.value(row.unit, row.unit == "rate" and count / seconds or seconds / count)
end

--- One line for each pair.
---@param results table[] of switches.measure, in the order of the list
---@param chosen { part: string, row: string }[]
---@return string
function switches.text(results, chosen)
  local lines = { ("%-8s %-22s %12s %12s %9s"):format("part", "row", "with it", "without", "it brings") }
  for i, switch in ipairs(chosen) do
    local result, row = results[i], rows.by_name[switch.row]
    lines[#lines + 1] = ("%-8s %-22s %12s %12s %8.0f%%"):format(
      switch.part,
      switch.row,
      shown(row, result.with, result.count),
      shown(row, result.without, result.count),
      100 * (result.without / result.with - 1)
    )
  end
  return table.concat(lines, "\n")
end

return switches
