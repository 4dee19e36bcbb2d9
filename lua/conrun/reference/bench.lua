-- SPDX-License-Identifier: MIT
---@meta conrun.bench
-- luacheck: ignore

--- Times that can be compared: the sides of a comparison take turns, the first turns only warm up, and what counts is
--- the median of the rest.
---@class conrun.bench
local bench = {}

--- How long one call takes, and what it returns.
---
--- ```lua
--- local seconds, root = conrun.bench.time(math.sqrt, 16)
--- print(seconds < 1, root) --> true 4.0
--- ```
---@param fn function
---@param ... any
---@return number seconds
---@return any ... what the call returned
function bench.time(fn, ...) end

--- The middle of a list of numbers, which stays as it is; of an even count the mean of the middle two.
---
--- ```lua
--- print(conrun.bench.median { 3, 1, 10 }) --> 3
--- ```
---@param numbers number[] at least one
---@return number median
function bench.median(numbers) end

---@class bench.Measurement
---@field median number seconds of the run in the middle
---@field low number seconds of the fastest run
---@field high number seconds of the slowest run
---@field spread number the distance of the quartiles, as a share of the median
---@field times number[] all runs in order, without the warm-up
---@field outliers integer[] numbers of the runs that are far off, of at least five

---@class bench.Options
---@field runs? integer that count, 5 unless given
---@field warmup? integer runs before them, 1 unless given

--- Measures several functions in alternating runs.
---
--- ```lua
--- local times = conrun.bench.compare({ short = function() end, long = function() for _ = 1, 1e5 do end end }, { runs = 3 })
--- print(times.short.median < times.long.median) --> true
--- ```
---@param sides table<string, fun()> by name
---@param options? bench.Options
---@return table<string, bench.Measurement> measurements by name
function bench.compare(sides, options) end

--- The median of several runs of one function.
---
--- ```lua
--- print(conrun.bench.measure(function() end, { runs = 3 }) < 1) --> true
--- ```
---@param fn fun()
---@param options? bench.Options
---@return number seconds
function bench.measure(fn, options) end

--- Is one side at least `factor` times as slow as another? The times are those of alternating runs (`compare`, `run`),
--- pair by pair. It is decided if nearly all pairs agree and are clear, by a tenth; on a busy machine all must, by a
--- quarter. A single run decides only between twice and half.
---
--- ```lua
--- print(conrun.bench.decide({ 8, 9, 8 }, { 1, 1, 1 }, 2)) --> true
--- print(conrun.bench.decide({ 2, 1, 2 }, { 1, 2, 2 }))    --> nil
--- ```
---@param slow number[] seconds of each run of one side
---@param fast number[] and of the other
---@param factor? number 1 unless given
---@return boolean? decided nil: too close to call
function bench.decide(slow, fast, factor) end

--- A size at which `fn(size)` takes about so many seconds, found by doubling.
---
--- ```lua
--- local size = conrun.bench.calibrate(function(n) for _ = 1, n do end end, 0.001)
--- print(size >= 1) --> true
--- ```
---@param fn fun(size: integer)
---@param seconds number
---@return integer size
function bench.calibrate(fn, seconds) end

---@class bench.Side
---@field [1] string its name
---@field [2] fun(x: any) what is measured; it gets what `setup` returned
---@field workers? integer how many workers it uses, for its efficiency
---@field setup? fun(): any once, before all runs
---@field teardown? fun(x: any) once, after all runs, also after an error

---@class bench.Experiment
---@field [integer] bench.Side
---@field title? string
---@field runs? integer that count, 5 unless given
---@field warmup? integer runs before them, 1 unless given
---@field progress? boolean|string shows on stderr how far it is, with a label if it is a string
---@field baseline? string the side that others are compared with; the first unless given

--- An experiment: measures its sides against each other. They take turns; printing the report shows medians, spread,
--- speed-up over the baseline and efficiency, names runs that are far off, and warns if a difference may be chance, if
--- the machine is busy, or if there are more workers than processors.
---
--- ```lua
--- local report = conrun.bench.run {
---   runs = 3,
---   { "one", function() for _ = 1, 1000 do end end },
---   { "two", function() for _ = 1, 2000 do end end, workers = 2 },
--- }
--- print(#report.rows, report.rows[2].name, report.baseline) --> 2 two one
--- ```
---@param experiment bench.Experiment
---@return bench.Report report
function bench.run(experiment) end

---@class bench.Row: bench.Measurement
---@field name string
---@field workers integer?
---@field speedup number median of the baseline, divided by its own
---@field efficiency number? speed-up for each worker
---@field noise boolean may its difference to the baseline be chance?

--- What an experiment measured. `tostring` is its text; a row is also found by its side's name.
---@class bench.Report
---@field title string?
---@field cores integer processors that the program may use
---@field runs integer
---@field baseline string
---@field rows bench.Row[] in the order of the sides
---@field warnings string[]
local report = {}

--- The report for a terminal.
---
--- ```lua
--- local report = conrun.bench.run { runs = 3, { "nothing", function() end } }
--- print(report:text():find "nothing" ~= nil) --> true
--- ```
---@return string text without a newline at its end
function report:text() end

--- Everything that was measured, as JSON; times are in seconds.
---
--- ```lua
--- local report = conrun.bench.run { runs = 3, { "nothing", function() end } }
--- print((report:json():match "^{")) --> {
--- ```
---@return string json
function report:json() end

--- A line for each side, with a header; times are in seconds.
---
--- ```lua
--- local report = conrun.bench.run { runs = 3, { "nothing", function() end } }
--- print(report:csv():find "nothing" ~= nil) --> true
--- ```
---@return string csv
function report:csv() end

--- A table in Markdown, and what is to be noted.
---
--- ```lua
--- local report = conrun.bench.run { runs = 3, { "nothing", function() end } }
--- print(report:markdown():find "| nothing" ~= nil) --> true
--- ```
---@return string markdown
function report:markdown() end

--- A page that needs nothing beside it, with the table and a picture.
---
--- ```lua
--- local report = conrun.bench.run { runs = 3, { "nothing", function() end } }
--- print(report:html():find "<table" ~= nil) --> true
--- ```
---@return string html
function report:html() end

return bench
