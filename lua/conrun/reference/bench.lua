-- SPDX-License-Identifier: MIT
---@meta conrun.bench
-- luacheck: ignore

--- Times that can be compared: the sides of a comparison take turns, the first turns only warm up, and what counts is
--- the median of the rest.
---
--- Not a part of `conrun`: `local bench = require "conrun.bench"`.
---@class conrun.bench
local bench = {}

--- How long one call takes, and what it returns.
---
--- ```lua
--- local bench = require "conrun.bench"
--- local seconds, root = bench.time(math.sqrt, 16)
--- print(seconds < 1, root) --> true 4.0
--- ```
---@param fn function
---@param ... any
---@return number seconds
---@return any ... what the call returned
function bench.time(fn, ...) end

--- The middle of a list of numbers, which stays as it is; of an even count the mean of the middle two.
---@param numbers number[] at least one
---@return number median
function bench.median(numbers) end

---@class bench.Measurement
---@field median number seconds of the run in the middle
---@field low number seconds of the fastest run
---@field high number seconds of the slowest run
---@field times number[] all runs in order, without the warm-up

---@class bench.Options
---@field runs? integer that count, 5 unless given
---@field warmup? integer runs before them, 1 unless given

--- Measures several functions in alternating runs.
---@param sides table<string, fun()> by name
---@param options? bench.Options
---@return table<string, bench.Measurement> measurements by name
function bench.compare(sides, options) end

--- The median of several runs of one function.
---@param fn fun()
---@param options? bench.Options
---@return number seconds
function bench.measure(fn, options) end

--- A size at which `fn(size)` takes about so many seconds, found by doubling.
---@param fn fun(size: integer)
---@param seconds number
---@return integer size
function bench.calibrate(fn, seconds) end

return bench
