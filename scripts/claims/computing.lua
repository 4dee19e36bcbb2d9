-- SPDX-License-Identifier: MIT
--
-- Computing: does it go faster with more workers, and with which?
--
-- Python's threads take turns, because one lock guards its interpreter; that is
-- why people say "processes for CPU-bound work".  Each conrun worker has a Lua
-- state of its own, so the claim is tested anew, beside Python where it is installed.

local bench = require "conrun.bench"
local conrun = require "conrun"
local outside = require "outside"
local plot = require "conrun.plot"
local tools = require "claims.tools"

local python = [[
import time, multiprocessing
from concurrent.futures import ThreadPoolExecutor, ProcessPoolExecutor
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def measure(run):
    started = time.perf_counter(); list(run(fib, [20] * 16)); return time.perf_counter() - started
alone = measure(map)
with ThreadPoolExecutor(%d) as pool: threads = measure(pool.map)
with ProcessPoolExecutor(%d, mp_context=multiprocessing.get_context("fork")) as pool:
    list(pool.map(fib, [1] * 8)); processes = measure(pool.map)
print(alone / threads, alone / processes)
]]

-- Speed-up of a job with a worker for each core, over one worker of that kind: in all,
-- and in each run.  All four pools take turns, so that they meet the same machine.
local function speedup(job, size)
  local cores, inputs = conrun.cpu_count(), {}
  for i = 1, 16 do
    inputs[i] = size
  end
  local pools, sides = {}, {}
  for i, kind in ipairs { "thread", "thread", "process", "process" } do
    local pool = tools.pool(kind, i % 2 == 1 and 1 or cores)
    pools[i] = pool
    sides[i] = function() pool:map(job, inputs, { chunksize = 1 }) end
  end
  local measured = bench.compare(sides, { runs = 5 })
  for _, pool in ipairs(pools) do
    pool:shutdown()
  end
  local function gain(one, all)
    local each = {}
    for i, seconds in ipairs(measured[one].times) do
      each[i] = seconds / measured[all].times[i]
    end
    return { all = measured[one].median / measured[all].median, each = each }
  end
  return gain(1, 2), gain(3, 4)
end

-- Where there is one core nobody can be faster by having more.
local function scales_better(a, b, factor)
  if conrun.cpu_count() == 1 then return nil end
  return tools.decide(a.each, b.each, factor)
end

local function cpu_bound(options)
  local cores = conrun.cpu_count()
  local thread, process = speedup(tools.fib, 22)
  local of_threads, of_processes = "", ""
  if not options.no_python then
    local text = outside.output("python3 - <<'END'\n" .. python:format(cores, cores) .. "END")
    of_threads, of_processes = text:match "([%d.]+) ([%d.]+)"
    of_threads = of_threads and ("; Python %.1f x"):format(of_threads) or ""
    of_processes = of_processes and ("; Python %.1f x"):format(of_processes) or ""
  end
  return ("speed-up of fib on %d cores"):format(cores),
    ("%.1f x%s"):format(thread.all, of_threads),
    ("%.1f x%s"):format(process.all, of_processes),
    scales_better(process, thread, 1.2)
end

local function batch()
  local inputs = {}
  for i = 1, 64 do
    inputs[i] = 14 + i % 4
  end
  local threads <close> = tools.pool("thread", conrun.cpu_count())
  local processes <close> = tools.pool("process", conrun.cpu_count())
  local pools = { thread = threads, process = processes }
  local thread, process = tools.compare(function(kind)
    pools[kind]:map(tools.fib, inputs, { chunksize = 1 })
  end)
  return "64 tasks of unequal length",
    ("%.0f tasks/s"):format(#inputs / thread.median),
    ("%.0f tasks/s"):format(#inputs / process.median),
    tools.decide(thread.times, process.times, 1.1)
end

-- Builds tables and strings: the workers meet in the allocator if they can.
local function allocate(rounds)
  local last
  for i = 1, rounds do
    last = { tostring(i), { i, i + 1, i + 2 } }
  end
  return #last
end

local function simultaneous()
  local thread, process = speedup(allocate, 20000)
  return "speed-up of work that allocates a lot",
    ("%.1f x"):format(thread.all),
    ("%.1f x"):format(process.all),
    scales_better(process, thread, 1.1)
end

-- Two programs that share nothing but a pipe of text each, as over ssh: beside each other
-- they should be faster than one after the other.
local function scaling_out()
  local program = "local function fib(n) return n < 2 and n or fib(n-1) + fib(n-2) end print(fib(27))"
  local command = ("%s -e %s"):format(outside.program, outside.quote(program))
  local right = true
  local function check(one, two)
    right = right and one:read "n" == two:read "n"
  end
  local measured = bench.compare({
    apart = function()
      local one <close> = io.popen(command)
      local two <close> = io.popen(command)
      check(one, two)
    end,
    alone = function()
      for _ = 1, 2 do
        local one <close> = io.popen(command)
        right = right and one:read "n" ~= nil
      end
    end,
  }, { runs = 3 })
  return "two programs joined by pipes, beside each other and one after the other",
    "not possible",
    ("%s, %s"):format(plot.seconds(measured.apart.median), plot.seconds(measured.alone.median)),
    right and tools.decide(measured.alone.times, measured.apart.times, 1.2)
end

return {
  { "processes", "CPU-bound work", cpu_bound },
  { "processes", "independent batch tasks", batch },
  { "processes", "simultaneous operations", simultaneous },
  { "processes", "scaling out over machines", scaling_out },
}
