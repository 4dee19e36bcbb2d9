-- SPDX-License-Identifier: MIT
--
-- locks: a free one, and a number that two workers count up, under a lock or by
-- the number's own addition.

local conrun = require "conrun"

local function free(count)
  local lock = conrun.lock.new()
  local started = conrun.clock()
  for _ = 1, count do
    lock:acquire()
    lock:release()
  end
  local taken = conrun.clock() - started
  return taken, lock:acquire(0) and count or 0
end

local function add_under_lock(barrier, lock, cell, count)
  barrier:wait()
  for _ = 1, count do
    lock:acquire()
    cell:set(cell:get() + 1)
    lock:release()
  end
end

local function add(barrier, _, cell, count)
  barrier:wait()
  for _ = 1, count do
    cell:add(1)
  end
end

-- The three start together, and the clock runs until both workers have ended.
local function count_up(kind, body, count)
  local barrier, lock = conrun.barrier.new(3), conrun.lock.new()
  local cell = conrun.shared.value("i64", 0)
  local workers = {}
  for i = 1, 2 do
    workers[i] = conrun[kind].start(body, barrier, lock, cell, count // 2)
  end
  barrier:wait()
  local started = conrun.clock()
  for _, worker in ipairs(workers) do
    worker:join()
  end
  return conrun.clock() - started, cell:get()
end

local function free_row(kind, python)
  return {
    name = "lock.free" .. (kind == "process" and ".process" or ""),
    title = "lock: acquire + release, free" .. (kind == "process" and ", against mp.Lock" or ""),
    unit = "each",
    count = 1000000,
    quick = 2000,
    conrun = free,
    python = python,
    floor = "methods",
    target = {
      most = function(floor) return floor + 40e-9 end,
      text = "floor + 40 ns",
    },
    note = "one lock serves both kinds; floor: two empty methods of a userdata",
  }
end

local rows = { free_row("thread", "lock_free_thread"), free_row("process", "lock_free_process") }

for _, kind in ipairs { "thread", "process" } do
  rows[#rows + 1] = {
    name = "counter." .. kind,
    title = ("counter under a lock, 2 %s"):format(kind == "thread" and "threads" or "processes"),
    unit = "rate",
    count = 1000000,
    quick = 2000,
    conrun = function(count) return count_up(kind, add_under_lock, count) end,
    python = "counter_" .. kind,
    floor = "counter",
    target = { least = 4e6, text = "4 M/s" },
    note = "floor: two C threads and a mutex"
      .. (kind == "thread" and "; of Python's threads one runs at a time" or ""),
  }
  rows[#rows + 1] = {
    name = "value.add." .. kind,
    title = ("shared.value:add, 2 %s"):format(kind == "thread" and "threads" or "processes"),
    unit = "rate",
    count = { 1000000, floor = 5000000 },
    quick = 2000,
    conrun = function(count) return count_up(kind, add, count) end,
    python = "counter_" .. kind,
    floor = "adder",
    target = { least = 11e6, text = "11 M/s" },
    note = "Python has no atomic addition: the same counter under a lock",
  }
end
return rows
