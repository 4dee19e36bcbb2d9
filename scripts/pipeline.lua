-- SPDX-License-Identifier: MIT
--
-- A pipeline: how do stages of workers pass work on?
--
-- Each stage takes from the queue before it and puts into the queue behind it, and
-- knows nothing else.  The end travels the same way: the source closes its queue,
-- the workers of a stage run out of items, and the last of them to leave closes
-- the next queue.  Bounded queues keep a fast stage from running far ahead.
--
-- The work: for each number, the steps of its Collatz path (halve the even, triple
-- the odd and add one, until 1), then whether the number of steps is prime.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
A pipeline: how do stages of workers pass work on?

conrun scripts/pipeline.lua [--limit=10000] [--workers=1,2,4]
                            [--kind=thread|process]

  --limit=10000    numbers from 1 to this go through
  --workers=1,2,4  how many work in each stage
]]

local options = args.read(arg, usage, {
  limit = { 10000, most = 10000000 },
  workers = "1,2,4",
  kind = { "thread", "process" },
})
local crews, limit = args.integers("--workers", options.workers, 1, 1000), options.limit

local function collatz(n)
  local value, steps = n, 0
  while value ~= 1 do
    value = value % 2 == 0 and value // 2 or 3 * value + 1
    steps = steps + 1
  end
  return { n = n, steps = steps }
end

local function judge(path)
  path.prime = path.steps > 1
  for divisor = 2, math.floor(math.sqrt(path.steps)) do
    path.prime = path.prime and path.steps % divisor ~= 0
  end
  return path
end

-- One worker of a stage.  `left` counts who has not left yet; add is one step for
-- all, so exactly one of them sees 0.
local function work(fn, from, to, left)
  for item in from:items() do
    to:put(fn(item))
  end
  if left:add(-1) == 0 then
    to:close()
  end
end

-- Starts the workers of a stage and gives the queue behind it.
local function stage(name, fn, from, crew, workers)
  local to, left = conrun.queue.new(64), conrun.shared.value("i64", crew)
  for i = 1, crew do
    local label = ("%s-%d"):format(name, i)
    workers[#workers + 1] = conrun[options.kind].start({ name = label }, work, fn, from, to, left)
  end
  return to
end

local function through_pipeline(crew)
  local numbers, workers = conrun.queue.new(64), {}
  workers[1] = conrun[options.kind].start({ name = "source" }, function()
    for n = 1, limit do
      numbers:put(n)
    end
    numbers:close()
  end)
  local paths = stage("collatz", collatz, numbers, crew, workers)
  local judged = stage("judge", judge, paths, crew, workers)
  local seen, primes, longest = 0, 0, { n = 0, steps = -1 }
  for path in judged:items() do
    seen, primes = seen + 1, primes + (path.prime and 1 or 0)
    -- Items overtake each other where a stage has several workers.
    if path.steps > longest.steps or path.steps == longest.steps and path.n < longest.n then
      longest = path
    end
  end
  for _, worker in ipairs(workers) do
    worker:result()
  end
  return ("%d numbers, the longest path from %d: %d steps; %d of prime length"):format(
    seen,
    longest.n,
    longest.steps,
    primes
  )
end

local function alone()
  local primes, longest = 0, { n = 0, steps = -1 }
  for n = 1, limit do
    local path = judge(collatz(n))
    primes = primes + (path.prime and 1 or 0)
    longest = path.steps > longest.steps and path or longest
  end
  return ("%d numbers, the longest path from %d: %d steps; %d of prime length"):format(
    limit,
    longest.n,
    longest.steps,
    primes
  )
end

local seconds, expected = bench.time(alone)
local rows, same = { { "a plain loop", plot.seconds(seconds), ("%.0f/s"):format(limit / seconds) } }, 0
for i, crew in ipairs(crews) do
  local taken, found = bench.time(through_pipeline, crew)
  same = same + (found == expected and 1 or 0)
  rows[i + 1] = { ("%d a stage"):format(crew), plot.seconds(taken), ("%.0f/s"):format(limit / taken) }
end
print(expected)
print(("\nsource -> collatz -> judge -> main, by %s:\n"):format(options.kind == "thread" and "threads" or "processes"))
print(plot.table({ "workers", "time", "numbers" }, rows, { align = { "left", "right", "right" } }))
print(("\nEvery pipeline finds the same: %s (%d of %d)"):format(plot.verdict(same == #crews), same, #crews))
