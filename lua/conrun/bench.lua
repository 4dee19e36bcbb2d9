-- SPDX-License-Identifier: MIT
--
-- bench: times that can be compared.
--
-- One run on a busy machine says little, and two programs measured one after
-- the other meet different machines.  So the sides of a comparison take turns,
-- the first turns only warm up and are thrown away, and what is told is the
-- median of the rest with its spread.
--
-- Refused: averages (one slow run spoils them) and "best of" (it hides what
-- users get).  There is no sleep and no calibration against the clock here; a
-- caller that wants work of a certain length uses bench.calibrate.

local conrun = require "conrun"

local bench = {}

--- Seconds that one call of `fn` takes, and the values it returns.
---@param fn fun(...): ...
---@return number seconds
---@return any ...
function bench.time(fn, ...)
  local started = conrun.clock()
  local values = table.pack(fn(...))
  return conrun.clock() - started, table.unpack(values, 1, values.n)
end

--- The middle of a list of numbers; of an even count the mean of the middle two.
---@param numbers number[] stays as it is
---@return number
function bench.median(numbers)
  if #numbers == 0 then
    error("bad argument #1 to 'median' (a list with at least one number expected)", 2)
  end
  local sorted = table.move(numbers, 1, #numbers, 1, {})
  table.sort(sorted)
  local half = #sorted // 2
  return #sorted % 2 == 1 and sorted[half + 1] or (sorted[half] + sorted[half + 1]) / 2
end

---@class bench.Measurement
---@field median number seconds of the run in the middle
---@field low number seconds of the fastest run
---@field high number seconds of the slowest run
---@field times number[] all runs in order, without the warm-up

local function summarise(times)
  return {
    median = bench.median(times),
    low = math.min(table.unpack(times)),
    high = math.max(table.unpack(times)),
    times = times,
  }
end

--- Measures several functions in alternating runs.
---@param sides table<string, fun()> by name
---@param options? { runs?: integer, warmup?: integer } 5 runs after 1 warm-up
---@return table<string, bench.Measurement>
function bench.compare(sides, options)
  local runs = options and options.runs or 5
  local warmup = options and options.warmup or 1
  local names, times = {}, {}
  for name in pairs(sides) do
    names[#names + 1] = name
    times[name] = {}
  end
  table.sort(names)
  for run = 1 - warmup, runs do
    for _, name in ipairs(names) do
      local seconds = bench.time(sides[name])
      if run > 0 then
        times[name][run] = seconds
      end
    end
  end
  local results = {}
  for _, name in ipairs(names) do
    results[name] = summarise(times[name])
  end
  return results
end

--- The median of several runs of one function.
---@param fn fun()
---@param options? { runs?: integer, warmup?: integer }
---@return number seconds
function bench.measure(fn, options)
  return bench.compare({ it = fn }, options).it.median
end

--- A size at which `fn(size)` takes about `seconds`, found by doubling; the
--- clock is read around whole calls only.
---@param fn fun(size: integer)
---@param seconds number
---@return integer size
function bench.calibrate(fn, seconds)
  local size = 1000
  local taken
  repeat
    size = size * 2
    taken = bench.time(fn, size)
  until taken > seconds / 8
  return math.max(1, math.floor(size * seconds / taken))
end

return bench
