-- SPDX-License-Identifier: MIT
--
-- measure: one row of the table, measured.
--
-- The sides take turns, run by run, because the machine changes under a long
-- measurement and must change for all alike.  The first turn warms up and is thrown
-- away.  Every answer's check is compared with what the row expects; a side that
-- failed once is out, and a ratio with a failed side is not formed.

local bench = require "conrun.bench"
local sides = require "sides"

local measure = {}

-- In this order they take their turns, and stand in the table.
local order = { "conrun", "python", "floor" }

local function count_of(row, kind, quick)
  local count = row.count
  if quick then
    return row.quick
  end
  return type(count) == "table" and (count[kind] or count[1]) or count
end

-- What to ask a side for, or nil where it has no part in the row.
local function request(row, kind, programs)
  if row.programs then
    local missing = not programs.floor
    local command = (row.programs[kind] or "{none}"):gsub("{(%l+)}", function(name)
      missing = missing or not programs[name]
      return programs[name]
    end)
    return not missing and { "floor", "spawn", command } or nil
  elseif kind == "conrun" then
    return { "conrun", row.name }
  end
  return row[kind] and programs[kind] and { kind, row[kind] } or nil
end

---@class bench.SideResult
---@field count integer items in a run
---@field values number[] of the runs, in the row's unit
---@field median number?
---@field spread number? half of the distance from lowest to highest, relative to the median
---@field failure string? why it is out

local function shown(row, value, count)
  if row.unit == "rate" then
    return count / value
  elseif row.unit == "each" or row.unit == "bytes" then
    return value / count
  end
  return value
end

-- One run of one side.
local function run(row, kind, state, programs, warm)
  local result, what = state.result, state.request
  state.side = state.side or sides.start(what[1], programs)
  local value, check = state.side:ask(what[2], result.count, what[3])
  local wanted = tostring(row.expect(result.count, kind))
  if value and row.read then
    check = row.read(check)
  end
  if not value then
    result.failure = check
  elseif tostring(check) ~= wanted then
    result.failure = ("wrong result: %s instead of %s"):format(check, wanted)
  elseif not warm then
    result.values[#result.values + 1] = shown(row, value, result.count)
  end
  if row.fresh or result.failure then
    state.side:close()
    state.side = nil
  end
end

local function summarise(result)
  if not result.failure then
    result.median = bench.median(result.values)
    local low, high = math.min(table.unpack(result.values)), math.max(table.unpack(result.values))
    result.spread = (high - low) / 2 / math.abs(result.median)
  end
end

-- Greater than 1 is good for the first side, whatever the unit.
local function ratio(row, ours, theirs)
  if not (ours and theirs and ours.median and theirs.median) then
    return nil
  end
  local better_high = row.unit == "rate" or row.unit == "factor"
  local one, other = ours.median, theirs.median
  return better_high and one / other or other / one
end

-- The figure to reach, which may depend on the floor; nil if that is unknown.
local function limit(target, floor)
  local figure = target.least or target.most
  if type(figure) == "function" then
    return floor and floor.median and figure(floor.median)
  end
  return figure
end

local function judge(row, results)
  local ours, figure = results.conrun, limit(row.target, results.floor)
  if not (ours and ours.median and figure) then
    return nil, figure
  end
  if row.target.least then
    return ours.median >= figure, figure
  end
  return ours.median <= figure, figure
end

---@class bench.Result
---@field row table
---@field sides table<string, bench.SideResult>
---@field ratio number? conrun against Python, above 1 conrun is better
---@field of_floor number? conrun against the floor, 1 is the floor itself
---@field limit number? the figure to reach
---@field reached boolean?

--- Measures a row.
---@param row table
---@param programs table<string, string>
---@param options { quick: boolean, runs: integer }
---@return bench.Result
function measure.row(row, programs, options)
  local states, results = {}, {}
  for _, kind in ipairs(order) do
    local what = request(row, kind, programs)
    if what then
      results[kind] = { count = count_of(row, kind, options.quick), values = {} }
      states[kind] = { request = what, result = results[kind] }
    end
  end
  for turn = 0, options.runs do
    for _, kind in ipairs(order) do
      if states[kind] and not results[kind].failure then
        run(row, kind, states[kind], programs, turn == 0)
      end
    end
  end
  for kind, state in pairs(states) do
    if state.side then
      state.side:close()
    end
    summarise(results[kind])
  end
  local reached, figure = judge(row, results)
  return {
    row = row,
    sides = results,
    ratio = ratio(row, results.conrun, results.python),
    of_floor = ratio(row, results.conrun, results.floor),
    limit = figure,
    reached = reached,
  }
end

return measure
