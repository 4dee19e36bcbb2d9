-- SPDX-License-Identifier: MIT
--
-- Amdahl's law: what does the serial part of a job cost?
--
-- If a fifth of a job has to be done by one worker alone, no number of workers
-- makes it more than five times as fast: with n of them the time is at best
-- s + (1 - s) / n of what it was.  Here the job is real, the serial part is done
-- by main while the pool has nothing to do, and the law is put beside the clock.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
Amdahl's law: what does the serial part of a job cost?

conrun scripts/amdahl.lua [--serial=20] [--work=150] [--sizes=1,2,4,8]
                          [--kind=thread|process]

  --serial=20     per cent of the work that one strand has to do alone
  --work=150      milliseconds that all of it takes alone
  --sizes=1,2,4,8 pool sizes to try
]]

local options = args.read(arg, usage, {
  serial = 20.0,
  work = { 150, most = 60000 },
  sizes = "1,2,4,8",
  kind = { "thread", "process" },
})
local sizes = args.integers("--sizes", options.sizes, 1, 1000)
if options.serial > 100 then
  args.fail("--serial is a percentage, at most 100, got %g", options.serial)
end

local function spin(rounds)
  local sum = 0
  for i = 1, rounds do
    sum = sum + i % 7
  end
  return sum
end

-- The same rounds are cut differently for every share, never made more or less.
local serial, cores = options.serial / 100, conrun.cpu_count()
local rounds = bench.calibrate(spin, options.work / 1000)
local alone = math.floor(rounds * serial)
local pieces = 48
local shared = {}
for i = 1, pieces do
  shared[i] = (rounds - alone) // pieces
end

local experiment = {
  runs = 3,
  { "alone", function()
    spin(alone)
    for _, piece in ipairs(shared) do
      spin(piece)
    end
  end },
}
for i, size in ipairs(sizes) do
  table.insert(experiment, {
    i,
    function(pool)
      spin(alone)
      pool:map(spin, shared, { chunksize = 1 })
    end,
    workers = size,
    setup = function() return conrun.pool.new { workers = size, kind = options.kind } end,
    teardown = function(pool) pool:shutdown() end,
  })
end
local report = bench.run(experiment)

local function law(workers)
  return 1 / (serial + (1 - serial) / workers)
end

-- More workers than cores are no more hands, so the law is asked about the cores.
local rows, obeyed = {}, true
local promise, clock = { label = "law" }, { label = "measured" }
for i, size in ipairs(sizes) do
  local expected, speedup = law(math.min(size, cores)), report.rows[i + 1].speedup
  local beaten = bench.decide(report.rows[1].times, report.rows[i + 1].times, expected)
  if beaten then obeyed = false elseif beaten == nil and speedup > 1.1 * expected and obeyed then obeyed = nil end
  rows[i] = { size, ("%.2f"):format(law(size)), ("%.2f"):format(expected), ("%.2f"):format(speedup) }
  promise[i], clock[i] = { size, law(size) }, { size, speedup }
end

local limit = serial > 0 and ("more than %.4g times"):format(1 / serial) or "more than its workers times"
print(("%g %% of the work is serial, so no pool is %s as fast.\n"):format(options.serial, limit))
print(plot.table({ "workers", "law", ("law, %d cores"):format(cores), "measured" }, rows))
print()
print(plot.lines({ promise, clock }, { title = "speed-up", xlabel = "workers", height = 12 }))
print(("\nNo pool beats the law: %s (within a tenth)"):format(plot.verdict(obeyed)))
