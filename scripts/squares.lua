-- SPDX-License-Identifier: MIT
--
-- Does a larger pool go faster?
--
-- A pool is made once, takes as many calls as you like, and closes at the end
-- of its scope (`<close>`).  Squaring ten numbers is far too light to gain by
-- more workers: those times show what a pool itself costs.  The second part
-- gives every worker enough to do, and there the size of the pool matters.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
Does a larger pool go faster?

conrun scripts/squares.lua [--sizes=2,4,8] [--count=10] [--kind=process|thread]
                           [--work=300] [--light]

  --sizes=2,4,8   pool sizes to try, in this order
  --count=10      squares the numbers 1 to 10
  --kind=process  what the workers are
  --work=300      milliseconds of heavy work to share out in the second part
  --light         the squares only, without the second part
]]

local options = args.read(arg, usage, {
  sizes = "2,4,8",
  count = { 10, most = 100000 },
  kind = { "process", "thread" },
  work = { 300, most = 60000 },
  light = false,
})

local sizes = args.integers("--sizes", options.sizes, 1, 1000)

local function square(n)
  return n * n
end

-- The first pool of a program brings up what starts all others.  That is paid once, and not
-- by whichever size happens to be the first in the list.
local first = bench.time(function()
  local pool <close> = conrun.pool.new { workers = 1, kind = options.kind }
  pool:map(square, { 1 })
end)

for _, size in ipairs(sizes) do
  local started = conrun.clock()
  local pool <close> = conrun.pool.new { workers = size, kind = options.kind }
  local results = pool:map(square, conrun.range(1, options.count))
  print(("Pool Size: %d, Results: %s, Time Taken: %.4f seconds"):format(
    size,
    plot.list(results),
    conrun.clock() - started
  ))
end

if options.light then
  return
end
print(("In each time: making the pool, starting workers, %d tiny tasks.  Before: a first pool, %s."):format(
  options.count, plot.seconds(first)))

-- The same square, made heavy: n * n is the sum of the first n odd numbers.
local function slow_square(n)
  local sum = 0
  for odd = 1, 2 * n - 1, 2 do
    sum = sum + odd
  end
  return sum
end

-- As many tasks as divide evenly among most pools, and together about as long
-- as --work asks on one core.
local tasks = 48
local n = bench.calibrate(slow_square, options.work / 1000 / tasks)
local inputs = {}
for i = 1, tasks do
  inputs[i] = n
end

local function heavy(pool)
  pool:map(slow_square, inputs, { chunksize = 1 })
end

-- All pools are there at once and take turns, so that each meets the same
-- machine; the ones that wait do not use it.
local experiment = {
  title = ("%d heavy squares, each the sum of %d odd numbers"):format(tasks, n),
  runs = 3,
  { "plain loop", function()
    for _, input in ipairs(inputs) do
      slow_square(input)
    end
  end },
}
local known = {}
for _, size in ipairs(sizes) do
  experiment[#experiment + 1] = not known[size] and {
    "pool of " .. size,
    heavy,
    workers = size,
    setup = function() return conrun.pool.new { workers = size, kind = options.kind } end,
    teardown = function(pool) pool:shutdown() end,
  } or nil
  known[size] = true
end
local report = bench.run(experiment)

local bars, best = {}, report.rows[2]
for i, row in ipairs(report.rows) do
  bars[i] = { row.name, row.median, plot.seconds(row.median) }
  best = row.workers and row.speedup > best.speedup and row or best
end
print()
print(report)
print("\ntime:\n\n" .. plot.bars(bars))

-- A pool cannot beat the cores; nine tenths of those that it can use are clearly good, and
-- seven tenths clearly not.
local usable = math.min(conrun.cpu_count(), math.max(table.unpack(sizes)))
print(("\nA pool of %s uses the cores it has: %s (%.2f x on %d usable cores)"):format(
  options.kind == "thread" and "threads" or "processes",
  plot.verdict(bench.decide(report.rows[1].times, best.times, 0.8 * usable)),
  best.speedup,
  usable
))
