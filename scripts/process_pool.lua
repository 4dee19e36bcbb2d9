-- SPDX-License-Identifier: MIT
--
-- A pool of four processes, and what is special about a pool.
--
-- A pool keeps its workers: they are started once, take task after task, and
-- wait without using the processor.  Each property below is shown by looking
-- from outside: process ids, the kernel's accounting, the clock.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

args.read(arg, "conrun scripts/process_pool.lua\n\nTakes no options.", {})

local workers = 4
local pool <close> = conrun.pool.new { workers = workers, kind = "process", name = "squares" }

local function square(n)
  return n * n
end

print(plot.list(pool:map(square, { 1, 2, 3, 4, 5 })))

local rows = {}
local function show(property, figures, holds)
  rows[#rows + 1] = { property, figures, plot.verdict(holds) }
end

-- All workers run from here on: the tasks of one meeting must be in a process
-- of their own each, or the barrier would never open.
local barrier = conrun.barrier.new(workers)

local function meet()
  barrier:wait(20)
  return conrun.current().pid
end

local function distinct(list)
  local seen, count = {}, 0
  for _, value in ipairs(list) do
    count = count + (seen[value] and 0 or 1)
    seen[value] = true
  end
  return count, seen
end

local pids = pool:map(meet, conrun.range(1, workers), { chunksize = 1 })

local function whoami()
  return conrun.current().pid
end

local served = pool:map(whoami, conrun.range(1, 400), { chunksize = 1 })
local different, seen = distinct(served)
local strangers = 0
local _, known = distinct(pids)
for pid in pairs(seen) do
  strangers = strangers + (known[pid] and 0 or 1)
end
show(
  "Workers are reused",
  ("400 tasks, %d process ids, %d of them new"):format(different, strangers),
  different <= workers and strangers == 0
)

-- Nanoseconds on a processor, from the kernel; in clock ticks where it keeps no
-- such figures.
local function cpu_time(pid)
  local file = io.open(("/proc/%d/schedstat"):format(pid))
  if not file then
    return nil
  end
  local spent = file:read "n"
  file:close()
  return spent
end

local function all_cpu_time()
  local sum = 0
  for _, pid in ipairs(pids) do
    sum = sum + (cpu_time(pid) or 0)
  end
  return sum / 1e9
end

-- A worker looks around for a moment after its last task, then parks.
conrun.sleep(0.05)
local before = all_cpu_time()
conrun.sleep(0.5)
local idle = all_cpu_time() - before
show(
  "Idle workers use no CPU",
  ("%s of CPU time, %d workers, 0.5 s"):format(plot.seconds(idle), workers),
  cpu_time(pids[1]) ~= nil and idle < 0.005
)

local function power(base, exponent)
  return base ^ exponent // 1 | 0
end

local applied = pool:apply(power, 2, 10)
local mapped = pool:map(math.abs, { -1, 2, -3 })
local starred = pool:starmap(power, { { 2, 3 }, { 3, 2 } })
show(
  "apply, map and starmap",
  ("%d, %s, %s"):format(applied, plot.list(mapped), plot.list(starred)),
  applied == 1024 and plot.list(mapped) == "[1, 2, 3]" and plot.list(starred) == "[8, 9]"
)

-- The gate holds the tasks until main has counted, so that nobody can say the
-- results were there by luck.
local gate = conrun.event.new()

local function square_later(n)
  gate:wait(20)
  return n * n
end

local future = pool:map_async(square_later, { 6, 7, 8 })
local counted = 0
for i = 1, 100000 do
  counted = i
end
local early = future:done()
gate:set()
local late = future:result(20)
show(
  "Results are asked for later",
  ("main counted to %d first, then got %s"):format(counted, plot.list(late)),
  not early and plot.list(late) == "[36, 49, 64]"
)

-- Every task says how many run with it; the peak is what the pool allows.
local running, peak = conrun.shared.value("i64", 0), conrun.shared.value("i64", 0)

local function count_in()
  running:add(1)
  local here, highest = running:get(), peak:get()
  while here > highest and not peak:cas(highest, here) do
    highest = peak:get()
  end
  running:add(-1)
end

pool:map(count_in, conrun.range(1, 1000), { chunksize = 1 })
show(
  "Workers are bounded",
  ("1000 tasks queued, at most %d ran at once"):format(peak:get()),
  peak:get() >= 1 and peak:get() <= workers
)

local tasks = 32

local function through_pool()
  pool:map(square, conrun.range(1, tasks), { chunksize = 1 })
end

local function process_each()
  local started = {}
  for i = 1, tasks do
    started[i] = conrun.process.start(square, i)
  end
  for _, worker in ipairs(started) do
    worker:join()
  end
end

local sides = bench.compare { pool = through_pool, process = process_each }
local gain = sides.process.median / sides.pool.median
show(
  "A pool beats a process per task",
  ("%d tasks: pool %s, processes %s, %.0f times"):format(
    tasks,
    plot.seconds(sides.pool.median),
    plot.seconds(sides.process.median),
    gain
  ),
  gain > 1
)

print()
print(plot.table({ "property", "measured", "verdict" }, rows))
