-- SPDX-License-Identifier: MIT
--
-- Pools of several sizes square the same numbers.
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
conrun scripts/squares.lua [--sizes=2,4,8] [--count=10] [--kind=process|thread]
                           [--work=400] [--light]

  --sizes=2,4,8   pool sizes to try, in this order
  --count=10      squares the numbers 1 to 10
  --kind=process  what the workers are
  --work=400      milliseconds of heavy work to share out in the second part
  --light         the squares only, without the second part
]]

local options = args.read(arg, usage, {
  sizes = "2,4,8",
  count = 10,
  kind = { "process", "thread" },
  work = 400,
  light = false,
})

local sizes = {}
for text in (options.sizes .. ","):gmatch "(.-)," do
  sizes[#sizes + 1] = args.integer("--sizes", text)
end

local function square(n)
  return n * n
end

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

local pools, sides = {}, {}

function sides.none()
  for _, input in ipairs(inputs) do
    slow_square(input)
  end
end

-- All pools are there at once and take turns, so that each meets the same
-- machine; the ones that wait do not use it.
for _, size in ipairs(sizes) do
  pools[size] = pools[size] or conrun.pool.new { workers = size, kind = options.kind }
  sides[tostring(size)] = function()
    pools[size]:map(slow_square, inputs, { chunksize = 1 })
  end
end

local measured = bench.compare(sides, { runs = 3 })

for _, pool in pairs(pools) do
  pool:close()
  pool:join()
end

local base = measured.none.median
local rows = { { "none", plot.seconds(base), "1.00" } }
local bars = { { "none", 1, "1.00 x" } }
local best = 0
for _, size in ipairs(sizes) do
  local seconds = measured[tostring(size)].median
  local speedup = base / seconds
  best = math.max(best, speedup)
  rows[#rows + 1] = { size, plot.seconds(seconds), ("%.2f"):format(speedup) }
  bars[#bars + 1] = { tostring(size), speedup, ("%.2f x"):format(speedup) }
end

print(("\n%d heavy squares, each the sum of %d odd numbers, on %d cores:\n"):format(
  tasks,
  n,
  conrun.cpu_count()
))
print(plot.table({ "pool size", "time", "speed-up" }, rows, { align = { "right", "right", "right" } }))
print("\nspeed-up over a plain loop, by pool size:\n")
print(plot.bars(bars))

-- A pool cannot beat the cores; nine tenths of them, of those it can use, is good.
local usable = math.min(conrun.cpu_count(), math.max(table.unpack(sizes)))
print(("\nA pool of %s uses the cores it has: %s (%.2f x on %d usable cores)"):format(
  options.kind == "thread" and "threads" or "processes",
  plot.verdict(best >= 0.9 * usable),
  best,
  usable
))
