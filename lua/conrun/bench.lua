-- SPDX-License-Identifier: MIT
--
-- bench: times that can be compared.
--
-- One run on a busy machine says little, and two programs measured one after
-- the other meet different machines.  So the sides of a comparison take turns,
-- the first turns only warm up and are thrown away, and what is told is the
-- median of the rest with its spread.  A report says by itself what spoils it: runs
-- that are far off, a difference that chance explains, a machine that others use,
-- more workers than processors.
--
-- Refused: averages (one slow run spoils them) and "best of" (it hides what
-- users get).  There is no sleep and no calibration against the clock here; a
-- caller that wants work of a certain length uses bench.calibrate.
--
-- What is told of the numbers is in conrun.bench_report, which no program needs that
-- only takes times.

local check = require "conrun.check"
local core = require("conrun.core").public

local bench = {}

--- Seconds that one call of `fn` takes, and the values it returns.
---@param fn fun(...): ...
---@return number seconds
---@return any ...
function bench.time(fn, ...)
  check.callable(fn, 1, "time")
  local started = core.clock()
  local values = table.pack(fn(...))
  return core.clock() - started, table.unpack(values, 1, values.n)
end

-- The value below which a share of the sorted numbers lies, between its neighbours.
local function quantile(sorted, share)
  local place = 1 + (#sorted - 1) * share
  local below = sorted[math.floor(place)]
  local above = sorted[math.ceil(place)]
  return below == above and below or below + (above - below) * (place % 1)
end

local function sort(numbers)
  local sorted = table.move(numbers, 1, #numbers, 1, {})
  table.sort(sorted)
  return sorted
end

--- The middle of a list of numbers; of an even count the mean of the middle two.
---@param numbers number[] stays as it is
---@return number
function bench.median(numbers)
  if type(numbers) ~= "table" or type(numbers[1]) ~= "number" then
    check.fail(1, "median", "list with at least one number", numbers)
  end
  return quantile(sort(numbers), 0.5)
end

---@class bench.Measurement
---@field median number seconds of the run in the middle
---@field low number seconds of the fastest run
---@field high number seconds of the slowest run
---@field spread number distance of the quartiles, as a share of the median
---@field times number[] all runs in order, without the warm-up
---@field outliers integer[] numbers of the runs that are far off

-- Runs that are farther from the quartiles than these are from each other, one and a
-- half times.  Of fewer than five runs nobody can say which is the odd one.
local function find_outliers(times, first, third)
  local outliers, reach = {}, 1.5 * (third - first)
  for run, seconds in ipairs(#times >= 5 and times or {}) do
    -- Tiny differences between equal runs are none.
    local far = math.max(seconds - third, first - seconds)
    if far > reach and far > 0.1 * third then
      outliers[#outliers + 1] = run
    end
  end
  return outliers
end

local function summarise(times)
  local sorted = sort(times)
  local first, median, third = quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)
  return {
    median = median,
    low = sorted[1],
    high = sorted[#sorted],
    spread = median > 0 and (third - first) / median or 0,
    times = times,
    outliers = find_outliers(times, first, third),
  }
end

local function check_runs(options)
  return check.integer(options, "runs", 1) or 5, check.integer(options, "warmup", 0) or 1
end

-- Lets the sides take turns; their times, by position.
local function alternate(sides, runs, warmup, bar)
  local times = {}
  for i = 1, #sides do
    times[i] = {}
  end
  for run = 1 - warmup, runs do
    for i, side in ipairs(sides) do
      local seconds = bench.time(side)
      if run > 0 then
        times[i][run] = seconds
      end
      if bar then
        bar:update()
      end
    end
  end
  return times
end

--- Measures several functions in alternating runs.
---@param sides table<string, fun()> by name
---@param options? { runs?: integer, warmup?: integer } 5 runs after 1 warm-up
---@return table<string, bench.Measurement>
function bench.compare(sides, options)
  if type(sides) ~= "table" then check.fail(1, "compare", "table of functions", sides) end
  options = check.options(options, { runs = true, warmup = true }, 2, "compare")
  local runs, warmup = check_runs(options)
  local names, list, results = {}, {}, {}
  for name, side in pairs(sides) do
    if type(name) ~= "string" and type(name) ~= "number" or not check.is_callable(side) then
      check.fail(1, "compare", "table of functions by name", sides)
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    list[i] = sides[name]
  end
  for i, times in ipairs(alternate(list, runs, warmup)) do
    results[names[i]] = summarise(times)
  end
  return results
end

--- The median of several runs of one function.
---@param fn fun()
---@param options? { runs?: integer, warmup?: integer }
---@return number seconds
function bench.measure(fn, options)
  check.callable(fn, 1, "measure")
  return bench.compare({ it = fn }, options).it.median
end

--- A size at which `fn(size)` takes about `seconds`, found by doubling; the
--- clock is read around whole calls only.
---@param fn fun(size: integer)
---@param seconds number
---@return integer size
function bench.calibrate(fn, seconds)
  check.callable(fn, 1, "calibrate")
  check.number(seconds, 2, "calibrate")
  local size = 1000
  local taken
  repeat
    size = size * 2
    taken = bench.time(fn, size)
  until taken > seconds / 8
  return math.max(1, math.floor(size * seconds / taken))
end

--------------------------------------------------------------------- experiments

-- May the difference of two sides be chance?  The runs are put into one order; were
-- the sides equal, each would have its share of the front places (the test of Mann and
-- Whitney, one in twenty).  Sides whose runs do not overlap differ, however few.
local function is_noise(a, b)
  local apart = a.high < b.low or b.high < a.low
  if apart and #a.times >= 3 then
    return false
  end
  local won = 0
  for _, x in ipairs(a.times) do
    for _, y in ipairs(b.times) do
      won = won + (x < y and 1 or x == y and 0.5 or 0)
    end
  end
  local n, m = #a.times, #b.times
  local sigma = math.sqrt(n * m * (n + m + 1) / 12)
  return (math.abs(won - n * m / 2) - 0.5) / sigma < 1.96
end

-- How far apart two sides must be for a verdict, and how many of the runs must agree.
local clear, clear_of_one, clear_on_busy = 1.1, 2, 1.25

local load_of_machine -- below

local function check_times(times, position)
  if type(times) ~= "table" then check.fail(position, "decide", "list of times", times) end
  for i, seconds in ipairs(times) do
    if type(seconds) ~= "number" then
      check.argument(position, "decide", "element [%d]: number expected, got %s", i, type(seconds))
    end
  end
end

-- Do others want the processors, or did they within the last minute?
local function is_busy()
  local minute, others = load_of_machine()
  return minute ~= nil and (others >= core.cpu_count() or minute > 1.5 * core.cpu_count())
end

-- Does each run of one side say the same beside each of the other?
local function is_apart(slow, fast, factor)
  local least, most = math.min(table.unpack(slow)), math.max(table.unpack(slow))
  return least > factor * math.max(table.unpack(fast)) or most < factor * math.min(table.unpack(fast))
end

--- Is one side at least `factor` times as slow as another?  Both were measured in
--- alternating runs, so each pair of runs met the same machine.  Yes or no if nearly all
--- pairs say so and the median of them is clear; on a busy machine, which favours now the
--- one and now the other, each run must say so beside every run of the other side, and
--- more clearly.  Else it is too close to call: nil.
---@param slow number[] seconds of each run
---@param fast number[] of the other side
---@param factor? number 1 unless given
---@return boolean?
function bench.decide(slow, fast, factor)
  check_times(slow, 1)
  check_times(fast, 2)
  if factor ~= nil then check.number(factor, 3, "decide") end
  local runs, above, ratios = math.min(#slow, #fast), 0, {}
  for i = 1, runs do
    ratios[i] = slow[i] / (fast[i] * (factor or 1))
    above = above + (ratios[i] > 1 and 1 or 0)
  end
  if runs == 0 then
    check.fail(1, "decide", "list of at least one time", slow)
  end
  local busy = is_busy()
  if busy and not is_apart(slow, fast, factor or 1) then return nil end
  local margin = runs < 3 and clear_of_one or busy and clear_on_busy or clear
  local odd = busy and 0 or runs // 5
  local middle = bench.median(ratios)
  if above >= runs - odd and middle >= margin then return true end
  if above <= odd and middle <= 1 / margin then return false end
  return nil
end

-- How many programs want a processor besides this one, and how many did in the last
-- minute; nil where the system does not tell.
function load_of_machine()
  local file <close> = io.open and io.open "/proc/loadavg" or nil -- a sandbox may be without it
  local minute, running = (file and file:read "l" or ""):match "^(%S+) %S+ %S+ (%d+)/"
  return minute and tonumber(minute), running and tonumber(running) - 1
end

local function machine_warnings(cores)
  local minute, others = load_of_machine()
  if minute and others >= 1 and minute > 0.5 * cores then
    return { ("the machine is busy: %d other tasks are running, load %.1f on %d processors"):format(
      others, minute, cores) }
  end
  return {}
end

---@class bench.Side
---@field [1] string its name
---@field [2] fun(x: any) what is measured, with what `setup` returned
---@field workers? integer for efficiency
---@field setup? fun(): any once, before all runs
---@field teardown? fun(x: any) once, after all runs, also after an error

local side_fields = { [1] = true, [2] = true, workers = true, setup = true, teardown = true }
local run_fields = { title = true, runs = true, warmup = true, baseline = true, progress = true }

local function bad(format, ...)
  check.raise("bad argument #1 to 'run' (" .. format .. ")", ...)
end

local function check_side(i, side, seen)
  if type(side) ~= "table" then
    bad("side %d: table expected, got %s", i, type(side))
  elseif type(side[1]) ~= "string" and type(side[1]) ~= "number" then
    bad("side %d: its name expected first, got %s", i, type(side[1]))
  elseif type(side[2]) ~= "function" then
    bad("side '%s': function expected after the name, got %s", side[1], type(side[2]))
  elseif seen[tostring(side[1])] then
    bad("two sides are called '%s'", side[1])
  end
  for field, value in pairs(side) do
    if not side_fields[field] then
      bad("side '%s': unknown field '%s'", side[1], tostring(field))
    elseif field == "workers" and (math.type(value) ~= "integer" or value < 1) then
      bad("side '%s': field 'workers' (integer of at least 1 expected)", side[1])
    elseif (field == "setup" or field == "teardown") and type(value) ~= "function" then
      bad("side '%s': field '%s' (function expected, got %s)", side[1], field, type(value))
    end
  end
  seen[tostring(side[1])] = true
end

local function check_experiment(experiment)
  if type(experiment) ~= "table" then
    check.fail(1, "run", "table", experiment)
  end
  local seen, options = {}, {}
  for key, value in pairs(experiment) do
    if math.type(key) ~= "integer" then
      options[key] = value
    end
  end
  for i, side in ipairs(experiment) do
    check_side(i, side, seen)
  end
  if #experiment == 0 then
    bad "at least one side { name, function } expected"
  end
  check.options(options, run_fields, 1, "run")
  if experiment.baseline ~= nil and not seen[tostring(experiment.baseline)] then
    bad("no side is called '%s', the baseline", tostring(experiment.baseline))
  end
  return check_runs(options)
end

-- Sets all sides up, measures them, and takes down what was set up, whatever happens.
local function measure(experiment, runs, warmup)
  local calls, up = {}, {}
  local _ <close> = setmetatable({}, {
    __close = function()
      for i = #up, 1, -1 do
        local teardown = experiment[i].teardown
        if teardown then teardown(up[i].value) end
      end
    end,
  })
  for i, side in ipairs(experiment) do
    local value = side.setup and side.setup()
    up[i] = { value = value }
    calls[i] = function() return side[2](value) end
  end
  if not experiment.progress then
    return alternate(calls, runs, warmup)
  end
  -- Drawn between the runs, never within one.
  local label = experiment.progress ~= true and experiment.progress or experiment.title
  local bar <close> = require("conrun.progress").new { total = #calls * (runs + warmup), label = label, unit = "run" }
  return alternate(calls, runs, warmup, bar)
end

-- Adds a warning that names all rows of which `tell` has something to say.
local function warn(report, format, tell)
  local parts = {}
  for _, row in ipairs(report.rows) do
    parts[#parts + 1] = tell(row)
  end
  if #parts > 0 then
    table.insert(report.warnings, (format:format(table.concat(parts, ", "))))
  end
end

local function warn_about_all(report)
  local cores = report.cores
  local processors = cores == 1 and "one processor" or cores .. " processors"
  warn(report, "more workers than the " .. processors .. ", so they take turns: %s", function(row)
    return row.workers and row.workers > cores and row.name or nil
  end)
  warn(report, "times vary much, more runs would help: %s", function(row)
    return row.spread > 0.2 and ("%s (%.0f %%)"):format(row.name, row.spread * 100) or nil
  end)
  warn(report, "the difference to '" .. report.baseline:gsub("%%", "%%%%") .. "' may be chance: %s", function(row)
    return row.noise and row.name or nil
  end)
end

--- Measures sides against each other: they take turns, and the report tells median,
--- spread, speed-up over the baseline and efficiency.
---@param experiment table sides as a list, and the fields title, runs, warmup, baseline, progress
---@return bench.Report
function bench.run(experiment)
  local runs, warmup = check_experiment(experiment)
  local cores = core.cpu_count()
  local report = { title = experiment.title, cores = cores, runs = runs, rows = {}, warnings = machine_warnings(cores) }
  local base
  for i, times in ipairs(measure(experiment, runs, warmup)) do
    local row, side = summarise(times), experiment[i]
    row.name, row.workers = tostring(side[1]), side.workers
    report.rows[i] = row
    base = row.name == tostring(experiment.baseline) and row or base
  end
  base = base or report.rows[1]
  report.baseline = base.name
  for _, row in ipairs(report.rows) do
    row.speedup = base.median / row.median
    row.efficiency = row.workers and row.speedup / row.workers
    row.noise = row ~= base and is_noise(base, row)
  end
  warn_about_all(report)
  return require("conrun.bench_report").new(report)
end

return bench
