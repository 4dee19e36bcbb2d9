-- SPDX-License-Identifier: MIT
--
-- tools: what the claims' experiments share.
--
-- An experiment is { side, claim, measure }: which of the two the claim is for,
-- its words, and a function that returns what was measured in words, a figure
-- for threads, one for processes, and whether the claim holds.  nil means that the
-- figures are too close to call; tools.unmeasured, that there are none, and why.

local bench = require "conrun.bench"
local conrun = require "conrun"

local tools = {}

---@param kind "thread"|"process"
---@param workers integer
---@return conrun.Pool
function tools.pool(kind, workers)
  return conrun.pool.new { workers = workers, kind = kind }
end

--- Runs fn(kind) once with either kind.
---@param fn fun(kind: string): any
---@return any thread
---@return any process
function tools.both(fn)
  return fn "thread", fn "process"
end

--- In place of a verdict.
tools.unmeasured = "not measured"

--- Is the first at least `factor` times the second?  See bench.decide.
tools.decide = bench.decide

--- What was wrong with the machine while the claims were measured, if anything.
---@type string?
tools.warning = nil

--- Alternating runs of fn(kind).
---@param fn fun(kind: string)
---@return bench.Measurement thread
---@return bench.Measurement process
function tools.compare(fn)
  local report = bench.run {
    runs = 7,
    { "thread", function() fn "thread" end },
    { "process", function() fn "process" end },
  }
  for _, warning in ipairs(report.warnings) do
    tools.warning = warning:find "machine is busy" and warning or tools.warning
  end
  return report.rows[1], report.rows[2]
end

--- Something to compute that needs no memory.
---@param n integer
---@return integer
function tools.fib(n)
  return n < 2 and n or tools.fib(n - 1) + tools.fib(n - 2)
end

return tools
