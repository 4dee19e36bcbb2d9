-- SPDX-License-Identifier: MIT
--
-- False sharing: can neighbours in an array be in the way?
--
-- Each worker adds to an element of its own, so nobody waits for anybody.  But
-- processors pass memory around in lines of 64 bytes, and a line can be written by
-- one core at a time: two counters in one line make their cores take turns, though
-- the program shares nothing.  The cure is distance.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
False sharing: can neighbours in an array be in the way?

conrun scripts/false_sharing.lua [--workers=2] [--adds=200000]
                                 [--kind=thread|process]

  --workers=2     each with a counter of its own
  --adds=200000   by each worker
]]

local options = args.read(arg, usage, {
  workers = { 2, most = 1000 },
  adds = { 200000, most = 1000000000 },
  kind = { "thread", "process" },
})
local workers, adds = options.workers, options.adds
local size = 8

local function count(numbers, index, start)
  start:wait(20)
  for _ = 1, adds do
    numbers:add(index, 1)
  end
end

local pool <close> = conrun.pool.new { workers = workers, kind = options.kind }

-- The barrier lets all begin together: a worker that starts late shares with nobody.
local function run(distance)
  local start, futures = conrun.barrier.new(workers), {}
  local numbers = conrun.shared.array("i64", workers * distance)
  for worker = 1, workers do
    futures[worker] = pool:submit(count, numbers, (worker - 1) * distance + 1, start)
  end
  conrun.future.all(futures)
  local sum = 0
  for _, counted in ipairs(numbers:totable()) do
    sum = sum + counted
  end
  return sum
end

local distances = { 1, 2, 4, 8, 16, 32 }
local experiment, wrong = {}, 0
for i, distance in ipairs(distances) do
  experiment[i] = { ("%d bytes"):format(distance * size), function()
    wrong = wrong + (run(distance) == workers * adds and 0 or 1)
  end, workers = workers }
end
local report = bench.run(experiment)

local rows, bars = {}, {}
for i, distance in ipairs(distances) do
  local bytes = report.rows[i].name
  local each = report.rows[i].median / adds
  local where = distance * size < 64 and "the same line, or next" or "lines of their own"
  rows[i] = { bytes, where, ("%.1f ns"):format(each * 1e9) }
  bars[i] = { bytes, each * 1e9, ("%.1f ns"):format(each * 1e9) }
end

print(("%d workers add 1 to counters of their own, %d times each:\n"):format(workers, adds))
print(plot.table({ "distance", "counters are in", "time per add" }, rows, { align = { "right", "left", "right" } }))
print "\ntime per add, by distance:\n"
print(plot.bars(bars))

local near, far = report.rows[1].median, report.rows[#distances].median
local apart
if workers <= conrun.cpu_count() then -- else they do not run at the same time
  apart = bench.decide(report.rows[1].times, report.rows[#distances].times, 1.2)
end
print(("\nAll counts are exact: %s (%d runs wrong)"):format(plot.verdict(wrong == 0), wrong))
print(("Neighbours slow each other down: %s (%.1f times the time of distant ones)"):format(
  plot.verdict(apart),
  near / far
))
-- Workers that do not run at the same time cannot be in each other's way.
for _, warning in ipairs(report.warnings) do
  print("note: " .. warning)
end
