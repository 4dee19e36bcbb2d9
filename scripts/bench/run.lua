-- SPDX-License-Identifier: MIT
--
-- The benchmark: conrun, Python and the machine itself, side by side.
--
-- Absolute times drift with the machine; so all sides of a row are measured in one
-- run, by turns, and what counts is the ratio.  The road: rows.lua lists what is
-- measured, measure.lua lets the sides (sides.lua) take turns, report.lua shows it.

local folder = arg[0]:match "^(.*/)" or "./"
package.path = folder .. "?.lua;" .. package.path

local args = require "conrun.args"
local conrun = require "conrun"

local usage = [[
conrun scripts/bench/run.lua [--only=NAME,...] [--quick] [--runs=5] [--json]
                             [--svg=FILE] [--growth] [--scaling] [--switches] [--list]

  --only=NAME     only this row, or all that begin so: --only=queue,seed
  --quick         tiny counts: shows that all works, says nothing about speed
  --runs=5        runs that count, after one that warms up
  --json          JSON instead of the table
  --svg=FILE      also draw the ratios
  --growth        cost of an item against the number and size of items instead
  --scaling       speed with 1, 2 ... N workers instead
  --switches      what each part brings that can be turned off (CONRUN_OFF) instead
  --list          the names of the rows
]]

local options = args.read(arg, usage, {
  only = "",
  quick = false,
  runs = { 5, most = 1000 },
  json = false,
  svg = "",
  growth = false,
  scaling = false,
  switches = false,
  list = false,
})
options.runs = options.quick and 1 or options.runs

local function wanted(name)
  if options.only == "" then
    return true
  end
  for prefix in options.only:gmatch "[^,]+" do
    if name:sub(1, #prefix) == prefix then
      return true
    end
  end
  return false
end

-- The rows or experiments of a list that --only names; none is a mistake.
local function choose(list)
  local chosen = {}
  for _, row in ipairs(list) do
    chosen[#chosen + 1] = wanted(row.name) and row or nil
  end
  if #chosen == 0 then
    args.fail("--only: nothing is called '%s'; --list has the names", options.only)
  end
  return chosen
end

local function write_file(path, text)
  local file, why = io.open(path, "w")
  if not file or not file:write(text) or not file:close() then
    args.fail("cannot write the picture: %s", why or path)
  end
end

-- What runs at the moment goes to a person's terminal only.
local function say(...)
  io.stderr:write(("%s\n"):format(string.format(...)))
end

-- Programs that ran in the last minute, as the kernel averages them.
local function load_average()
  local file <close> = assert(io.open "/proc/loadavg")
  return file:read "n"
end

local function about(programs, load)
  return {
    cores = conrun.cpu_count(),
    load_before = load,
    runs = options.runs,
    quick = options.quick,
    conrun = conrun.version,
    python = programs.python and programs.python ~= "" or false,
    lua = programs.lua and true or false,
  }
end

local function compare()
  local measure, report, sides = require "measure", require "report", require "sides"
  local chosen = choose(require("rows").list)
  local programs, load, results = sides.programs(folder), load_average(), {}
  for _, name in ipairs { "floor", "python", "lua" } do
    if not programs[name] then
      say("%s is not there and is left out%s", name, name == "floor" and "; 'make bench' builds it" or "")
    end
  end
  for i, row in ipairs(chosen) do
    say("%d of %d: %s", i, #chosen, row.name)
    results[i] = measure.row(row, programs, options)
  end
  if options.svg ~= "" then
    write_file(options.svg, report.svg(results))
  end
  if options.json then
    print(report.json { about = about(programs, load), rows = report.plain(results) })
    return
  end
  print(report.table(results))
  print(("\n%d cores, load average %.1f before, medians of %d runs"):format(
    conrun.cpu_count(),
    load,
    options.runs
  ))
  if load > conrun.cpu_count() / 2 then
    print "other programs are running: figures in seconds are too high, and ratios are noisy"
  end
  if options.quick then
    print "quick: the counts are too small to say anything about speed"
  end
end

-- Runs in a process of its own: what one experiment leaves in memory would be
-- found by the next.
local function experiment_of(path, name, which, given)
  package.path = path
  for _, experiment in ipairs(require(name)) do
    if experiment.name == which then
      return experiment.run(given)
    end
  end
end

-- The two other questions: series of conrun alone.
local function series(name)
  local report, results = require "report", {}
  local experiments = choose(require(name))
  for i, experiment in ipairs(experiments) do
    say("%d of %d: %s", i, #experiments, experiment.name)
    local worker = conrun.process.start(experiment_of, package.path, name, experiment.name, options)
    results[i] = { name = experiment.name, title = experiment.title, points = worker:result() }
  end
  if options.json then
    print(report.json { cores = conrun.cpu_count(), quick = options.quick, series = results })
  else
    print(require("series").text(results, experiments))
  end
end

-- With a part of conrun and without it.
local function switch_off()
  local switches, programs = require "switches", require("sides").programs(folder)
  local chosen, results = choose(switches.list), {}
  for i, switch in ipairs(chosen) do
    say("%d of %d: %s", i, #chosen, switch.name)
    results[i] = switches.measure(switch, programs, options)
  end
  print(switches.text(results, chosen))
end

if options.list then
  for _, row in ipairs(require("rows").list) do
    print(("%-20s %s"):format(row.name, row.title))
  end
elseif options.growth then
  series "growth"
elseif options.scaling then
  series "scaling"
elseif options.switches then
  switch_off()
else
  compare()
end
