-- SPDX-License-Identifier: MIT
--
-- births: what a worker costs to start and end, and in memory while it idles.

local conrun = require "conrun"

local function nothing() end
local function table_of_one() return { 1 } end

-- As another party in the same machine sees it.
local function memory(pid, field)
  local sum = 0
  for line in io.lines(("/proc/%s/smaps_rollup"):format(pid)) do
    local kilobytes = line:match("^" .. field .. "[^:]*: *(%d+)")
    sum = sum + (kilobytes or 0) * 1024
  end
  return sum
end

local function wait_for(ready, gate)
  ready:release()
  gate:wait()
end

local function start_many(kind, count)
  local start, good = conrun[kind].start, 0
  local started = conrun.clock()
  for _ = 1, count do
    good = good + (start(nothing):join() and 1 or 0)
  end
  return conrun.clock() - started, good
end

-- Workers that give a table each.
local function give_many(kind, count)
  local start, good = conrun[kind].start, 0
  local started = conrun.clock()
  for _ = 1, count do
    good = good + start(table_of_one):result()[1]
  end
  return conrun.clock() - started, good
end

-- Workers that wait, all of them there; what `measure` finds meanwhile.
local function idle(kind, count, measure)
  local ready, gate = conrun.semaphore.new(0), conrun.event.new()
  local workers = {}
  for i = 1, count do
    workers[i] = conrun[kind].start(wait_for, ready, gate)
  end
  for _ = 1, count do
    ready:acquire()
  end
  local size = measure(workers)
  gate:set()
  for _, worker in ipairs(workers) do
    worker:join()
  end
  return size
end

return {
  {
    name = "start.thread",
    title = "start + join a thread with its own state",
    unit = "each",
    count = 500,
    quick = 20,
    conrun = function(count) return start_many("thread", count) end,
    python = "start_thread",
    floor = "thread_state",
    target = {
      most = function(floor) return 0.8 * floor end,
      text = "0.8 x floor",
    },
    note = "Python's threads have no state of their own; floor: pthread and a Lua state with libraries",
  },
  {
    name = "start.table",
    title = "start + result of a thread that gives a table",
    unit = "each",
    count = 500,
    quick = 20,
    conrun = function(count) return give_many("thread", count) end,
    python = "start_table",
    floor = "thread_state",
    target = {
      most = function(floor) return 1.0 * floor end,
      text = "1 x floor",
    },
    note = "as above; the table crosses, and Python's does not",
  },
  {
    name = "start.process",
    title = "start + join a process",
    unit = "each",
    count = { 200, python = 50 },
    quick = 10,
    conrun = function(count) return start_many("process", count) end,
    python = "start_process",
    floor = "fork",
    target = {
      most = function(floor) return 1.5 * floor end,
      text = "1.5 x floor",
    },
    note = "Python: fork; floor: fork and wait of a tiny program",
  },
  {
    name = "start.process.big",
    title = "the same, the parent has 1 GiB of heap",
    unit = "each",
    count = { 200, python = 20 },
    quick = 5,
    conrun = function(count, kept)
      kept.heap = kept.heap or ("x"):rep(1 << 30)
      return start_many("process", count)
    end,
    python = "start_process_big",
    floor = "fork",
    target = {
      most = function(floor) return 1.5 * floor end,
      text = "1.5 x floor",
    },
  },
  {
    name = "memory.thread",
    title = "memory per idle thread worker",
    unit = "bytes",
    count = 200,
    quick = 20,
    fresh = true,
    conrun = function(count)
      idle("thread", 1, nothing)
      local before = memory("self", "Rss")
      return idle("thread", count, function() return memory("self", "Rss") - before end), count
    end,
    python = "memory_thread",
    floor = "state_memory",
    target = { most = 40e3, text = "40 kB" },
    note = "floor: a Lua state with libraries, without a thread",
  },
  {
    name = "memory.process",
    title = "private memory per idle process worker",
    unit = "bytes",
    count = 20,
    quick = 3,
    fresh = true,
    conrun = function(count)
      return idle("process", count, function(workers)
        local size = 0
        for _, worker in ipairs(workers) do
          size = size + memory(worker.pid, "Private")
        end
        return size
      end), count
    end,
    python = "memory_process",
    floor = "fork_memory",
    target = { most = 200e3, text = "200 kB" },
    note = "floor: a tiny program, forked",
  },
}
