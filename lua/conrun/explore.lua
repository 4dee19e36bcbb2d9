-- SPDX-License-Identifier: MIT
--
-- explore: the schedules of a function, for people's own tests.
--
-- Each schedule is a fresh run of conrun, which gets the function as a worker would.

local check = require "conrun.check"
local core = require "conrun.core.explore"
local report = require "conrun.explore.report"
local search = require "conrun.explore.search"
local trial = require "conrun.explore.trial"

local explore = {}

local defaults = { schedules = 1000, strategy = "exhaustive", preemptions = 2, depth = 3, again = 10 }
local known = { schedules = true, strategy = true, preemptions = true, seed = true, schedule = true }

local function enter(path, cpath, fn)
  package.path, package.cpath = path, cpath
  fn()
end

local function options_of(options)
  local o = setmetatable({}, { __index = defaults })
  for name, value in pairs(check.options(options, known, 2, "run")) do
    o[name] = value
  end
  check.integer(o, "schedules", 1)
  check.integer(o, "preemptions", 0)
  check.integer(o, "seed", 0)
  if o.schedule and type(o.schedule) ~= "string" then
    check.raise("bad option 'schedule' (string expected, got %s)", type(o.schedule))
  end
  if not search.strategies[o.strategy] then
    check.raise("bad option 'strategy' (random, pct or exhaustive expected, got '%s')", tostring(o.strategy))
  end
  return o
end

-- One schedule, as it was recorded.
local function replay(subject, schedule)
  local run = trial.run(subject, schedule)
  local left = run.left and run.left ~= "" and run.left or nil
  local found = { tried = 1, run = run, word = schedule }
  found.failure = run.failure or left
  if not found.failure then
    return true, "the schedule does not fail", found
  end
  return false, found.failure .. (run.failure and "\n\n" .. report.table(run) or ""), found
end

---@param fn function makes its shared objects itself
---@param options? table
---@return boolean ok
---@return string text
---@return table found
function explore.run(fn, options)
  check.callable(fn, 1, "run")
  local o = options_of(options)
  local subject = {
    program = "conrun", words = { "-e", 'require("conrun.core.explore").call()' },
    input = core.bytes(enter, package.path, package.cpath, fn),
  }
  if o.schedule then
    return replay(subject, o.schedule)
  end
  local found = report.explore(subject, o)
  found.failure, found.schedule, found.schedules = found.run and found.run.failure, found.word, found.tried
  return not found.run, report.text(found, o, 'conrun.explore.run(fn, { schedule = "%s" })'), found
end

return explore
