-- SPDX-License-Identifier: MIT
--
-- What a worker costs: its start, its memory, a hand-over, its share of one core.
--
-- People say that threads are cheap and processes dear.  How much of that is left
-- when both have a Lua state of their own, and processes are forked from a small
-- zygote and wake each other through the same shared memory as threads do?

local bench = require "conrun.bench"
local conrun = require "conrun"
local outside = require "outside"
local plot = require "conrun.plot"
local tools = require "claims.tools"

local function light_tasks()
  local thread, process = tools.compare(function(kind)
    for _ = 1, 20 do
      conrun[kind].start(type, nil):join()
    end
  end)
  return "start and join of an idle worker",
    plot.seconds(thread.median / 20),
    plot.seconds(process.median / 20),
    tools.decide(process.times, thread.times)
end

-- All are there at once, idle, while the kernel is asked what is theirs alone.
local function memory_of_workers(kind)
  local count, here = 16, conrun.current().pid
  local ready, done, workers = conrun.barrier.new(count + 1), conrun.event.new(), {}
  local before, sum = outside.private_memory(here), 0
  for i = 1, count do
    workers[i] = conrun[kind].start(function()
      ready:wait(20)
      done:wait(20)
    end)
  end
  ready:wait(20)
  for _, worker in ipairs(workers) do
    sum = sum + (kind == "process" and outside.private_memory(worker.pid) or 0)
  end
  sum = sum + math.max(0, outside.private_memory(here) - before)
  done:set()
  for _, worker in ipairs(workers) do
    worker:join()
  end
  return sum / count
end

local function low_memory()
  local thread, process = tools.both(memory_of_workers)
  return "memory of its own, idle, one of 16",
    ("%.0f kB"):format(thread),
    ("%.0f kB"):format(process),
    tools.decide({ process, process, process }, { thread, thread, thread })
end

local function round_trip(kind)
  local rounds, there, back = 1000, conrun.queue.new(), conrun.queue.new()
  local worker = conrun[kind].start(function()
    for _ = 0, rounds do
      back:put(there:get())
    end
  end)
  local function trip()
    there:put(0)
    return back:get()
  end
  trip()
  local taken = bench.time(function()
    for _ = 1, rounds do
      trip()
    end
  end)
  worker:join()
  return taken / rounds
end

local function hand_over()
  local times = { thread = {}, process = {} }
  for run = 1, 7 do
    times.thread[run], times.process[run] = tools.both(round_trip)
  end
  local thread, process = bench.median(times.thread), bench.median(times.process)
  return "through two queues and back", plot.seconds(thread), plot.seconds(process),
    tools.decide(times.process, times.thread, 1.2)
end

-- A conrun of its own, pinned to one core, which prints its two times.
local pinned = [[
package.path = %q
local tools = require "claims.tools"
local thread, process = tools.compare(function(kind)
  local pool <close> = tools.pool(kind, 2)
  pool:map(type, require("conrun").range(1, 2000), { chunksize = 1 })
end)
print(thread.median, process.median, tools.decide(process.times, thread.times))]]

local function single_core()
  local core = outside.read("/proc/self/status"):match "Cpus_allowed_list:%s*(%d+)" or "0"
  local source = pinned:format(package.path)
  local text = outside.output(("taskset -c %s %s -e %s"):format(core, outside.program, outside.quote(source)))
  local thread, process, decided = text:match "^([%d.e+-]+)%s+([%d.e+-]+)%s+(%a+)"
  if not thread then
    return "pinned to one core", "needs the command taskset", "needs the command taskset", tools.unmeasured
  end
  return "2,000 light tasks, pinned to one core",
    plot.seconds(tonumber(thread)),
    plot.seconds(tonumber(process)),
    ({ ["true"] = true, ["false"] = false })[decided]
end

return {
  { "threads", "light tasks", light_tasks },
  { "threads", "low memory", low_memory },
  { "threads", "low-latency hand-over", hand_over },
  { "threads", "a single core", single_core },
}
