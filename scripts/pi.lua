-- SPDX-License-Identifier: MIT
--
-- What is pi, as far as random points can tell?
--
-- Monte Carlo: of points thrown at random on a square, the part that lands within
-- the quarter circle is pi / 4.  Random numbers are where parallel programs stop
-- being repeatable, unless each task has a generator of its own, seeded by the
-- task's number and not by the worker that happens to run it.  Then the same seed
-- gives the same digits with one worker, with eight, with threads and processes.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
What is pi, as far as random points can tell?

conrun scripts/pi.lua [--points=2000000] [--seed=1] [--workers=N]
                      [--kind=thread|process]

  --points=2000000  how many to throw
  --seed=1          another seed throws other points
  --workers=N       as many as there are cores, unless given
]]

local options = args.read(arg, usage, {
  points = { 2000000, most = 100000000000 },
  seed = 1,
  workers = conrun.cpu_count(),
  kind = { "thread", "process" },
})
local seed, points = options.seed, options.points

-- The points of one task; how many fell within the circle.
local function throw(task, count)
  math.randomseed(seed, task)
  local random, hits = math.random, 0
  for _ = 1, count do
    local x, y = random(), random()
    if x * x + y * y < 1 then
      hits = hits + 1
    end
  end
  return hits
end

-- The cut into tasks is part of the result, so it must not depend on the workers.
local shares, tasks = {}, math.min(64, points)
for task = 1, tasks do
  shares[task] = { task, points * task // tasks - points * (task - 1) // tasks }
end

local function sum(numbers)
  local total = 0
  for _, number in ipairs(numbers) do
    total = total + number
  end
  return total
end

local pool <close> = conrun.pool.new { workers = options.workers, kind = options.kind }

local hits, alone_hits
local report = bench.run {
  title = "time",
  runs = 3,
  { "plain loop", function()
    alone_hits = 0
    for _, share in ipairs(shares) do
      alone_hits = alone_hits + throw(table.unpack(share))
    end
  end },
  { "pool", function() hits = sum(pool:starmap(throw, shares, { chunksize = 1 })) end, workers = options.workers },
}

-- The spread of such an estimate is known; one in 370 misses three times of it.
local estimate = 4 * hits / points
local deviation = math.sqrt(math.pi * (4 - math.pi) / points)
local off = math.abs(estimate - math.pi)

print(("%d points, %d in the circle: pi is about %.6f"):format(points, hits, estimate))
print(("The estimate is within three standard deviations: %s (off by %.6f, allowed %.6f)"):format(
  plot.verdict(off <= 3 * deviation),
  off,
  3 * deviation
))
print(("The same seed gives the same points to a plain loop: %s (%d in the circle)"):format(
  plot.verdict(alone_hits == hits),
  alone_hits
))
print()
print(report)
