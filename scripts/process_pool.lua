-- SPDX-License-Identifier: MIT
--
-- What is a pool, and what is it good for?
--
-- A pool keeps its workers: they are started once, take task after task, and
-- wait without using the processor.  Each property below is shown by looking
-- from outside: process ids, the kernel's accounting, the clock.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

args.read(arg, "What is a pool, and what is it good for?\n\nconrun scripts/process_pool.lua\n\nTakes no options.", {})

local workers = 4
local pool <close> = conrun.pool.new { workers = workers, kind = "process", name = "squares" }

local function square(n)
  return n * n
end

print(plot.list(pool:map(square, { 1, 2, 3, 4, 5 })))

local rows = {}
local function show(property, holds, figures, ...)
  rows[#rows + 1] = { property, figures:format(...), plot.verdict(holds) }
end

-- Four tasks that wait for each other must be in four processes, or the barrier
-- would never open.  Whatever runs later must be in one of these.
local barrier = conrun.barrier.new(workers)
local pids = pool:map(function()
  barrier:wait(20)
  return conrun.current().pid
end, conrun.range(1, workers), { chunksize = 1 })

local known, strangers = {}, 0
for _, pid in ipairs(pids) do
  known[pid] = true
end
for _, pid in ipairs(pool:map(function() return conrun.current().pid end, conrun.range(1, 400), { chunksize = 1 })) do
  strangers = strangers + (known[pid] and 0 or 1)
end
show("Workers are reused", strangers == 0, "400 tasks, %d processes, %d elsewhere", #pids, strangers)

-- Seconds on a processor, from the kernel; nil where it keeps no such figures.
local function cpu_time()
  local sum = 0
  for _, pid in ipairs(pids) do
    local file <close> = io.open(("/proc/%d/schedstat"):format(pid))
    local nanoseconds = file and file:read "n"
    sum = sum and nanoseconds and sum + nanoseconds / 1e9
  end
  return sum
end

-- A worker looks around for a moment after its last task, then parks.
conrun.sleep(0.05)
local before = cpu_time()
conrun.sleep(0.5)
local idle = before and cpu_time() - before
local spent = idle and plot.seconds(idle) or "an unknown amount"
show("Idle workers use no CPU", idle and idle < 0.005, "%s of CPU time, %d workers, 0.5 s", spent, workers)

-- One call, one argument each, several arguments each.
local function power(base, exponent)
  return base ^ exponent // 1 | 0
end

local applied = pool:apply(power, 2, 10)
local mapped = plot.list(pool:map(math.abs, { -1, 2, -3 }))
local starred = plot.list(pool:starmap(power, { { 2, 3 }, { 3, 2 } }))
show(
  "apply, map and starmap",
  applied == 1024 and mapped == "[1, 2, 3]" and starred == "[8, 9]",
  "%d, %s, %s",
  applied,
  mapped,
  starred
)

-- The gate holds the tasks until main has counted, so that nobody can say the
-- results were there by luck.
local gate = conrun.event.new()
local future = pool:map_async(function(n)
  gate:wait(20)
  return n * n
end, { 6, 7, 8 })

local counted = 0
for i = 1, 100000 do
  counted = i
end
local early = future:done()
gate:set()
local late = plot.list(future:result(20))
show(
  "Results are asked for later",
  not early and late == "[36, 49, 64]",
  "counted to %d, got %s",
  counted,
  late
)

-- Every task counts itself in and out; the highest count is what the pool allows.
local running, peak = conrun.shared.value("i64", 0), conrun.shared.value("i64", 0)
pool:map(function()
  local here, highest = running:add(1), peak:get()
  while here > highest and not peak:cas(highest, here) do
    highest = peak:get()
  end
  running:add(-1)
end, conrun.range(1, 1000), { chunksize = 1 })
local most = peak:get()
show("Workers are bounded", most >= 1 and most <= workers, "1000 tasks, at most %d ran at once", most)

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
show(
  "A pool beats a process per task",
  bench.decide(sides.process.times, sides.pool.times),
  "%d tasks: %s, one each %s",
  tasks,
  plot.seconds(sides.pool.median),
  plot.seconds(sides.process.median)
)

print()
print(plot.table({ "property", "measured", "verdict" }, rows, { width = 100 }))
