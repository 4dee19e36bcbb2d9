-- SPDX-License-Identifier: MIT
--
-- scaling: the same work by 1, 2 ... N workers, N being the cores of the machine.
--
-- Two workloads need nothing from one another (one lives in the registers, one in
-- memory) and should go N times as fast; the contended ones cannot, but must not
-- fall off a cliff.  All values are work a second.

local bench = require "conrun.bench"
local conrun = require "conrun"

local function fib(n)
  return n < 2 and n or fib(n - 1) + fib(n - 2)
end

local function compute(_, n)
  return fib(n)
end

-- Strides through more than a core's own cache holds.
local function walk(_, n)
  local list, size = {}, 1 << 19
  for i = 1, size do
    list[i] = i
  end
  local sum, place = 0, 1
  for _ = 1, n do
    sum = sum + list[place]
    place = (place * 5 + 8191) % size + 1
  end
  return sum
end

local function lock_and_add(it, n)
  for _ = 1, n do
    it.lock:acquire()
    it.cell:set(it.cell:get() + 1)
    it.lock:release()
  end
  return n
end

local function add(it, n)
  for _ = 1, n do
    it.cell:add(1)
  end
  return n
end

-- Every worker puts and gets on the one queue.
local function put_and_get(it, n)
  local got = 0
  for i = 1, n do
    it.line:put(i)
    got = got + (it.line:get() and 1 or 0)
  end
  return got
end

local function ready_then(body, barrier, it, n)
  barrier:wait()
  return body(it, n)
end

-- Seconds in which `workers` workers each do the body with `n`.
local function together(kind, workers, body, n)
  local barrier = conrun.barrier.new(workers + 1)
  local it = { lock = conrun.lock.new(), cell = conrun.shared.value "i64", line = conrun.queue.new() }
  local all = {}
  for i = 1, workers do
    all[i] = conrun[kind].start(ready_then, body, barrier, it, n)
  end
  barrier:wait()
  local started = conrun.clock()
  local first
  for _, worker in ipairs(all) do
    local result = worker:result()
    first = first or result
    if result ~= first then
      error "the workers' results differ"
    end
  end
  return conrun.clock() - started
end

-- 1, 2, 4 ... and the cores themselves.
local function worker_counts()
  local cores, list = conrun.cpu_count(), {}
  local n = 1
  while n < cores do
    list[#list + 1] = n
    n = n * 2
  end
  list[#list + 1] = cores
  return list
end

local function measure(kind, body, n, unit_count, options)
  local counts, times, points = worker_counts(), {}, {}
  for turn = 0, options.runs do
    for i, workers in ipairs(counts) do
      times[i] = times[i] or {}
      times[i][turn] = together(kind, workers, body, n)
    end
  end
  for i, workers in ipairs(counts) do
    points[i] = { size = workers, value = workers * unit_count / bench.median(times[i]) }
  end
  return points
end

local list = {}
for _, kind in ipairs { "thread", "process" } do
  for _, row in ipairs {
    { "fib", "calls of fib(30)", compute, 30, 15, 1 },
    { "memory", "strides through 8 MB", walk, 5000000, 1000 },
    { "lock", "counts under one lock", lock_and_add, 200000, 1000 },
    { "queue", "put + get on one queue", put_and_get, 200000, 1000 },
    { "value", "shared.value:add on one value", add, 500000, 1000 },
  } do
    local name, title, body, full, quick, unit = table.unpack(row)
    list[#list + 1] = {
      name = ("scaling.%s.%s"):format(name, kind),
      title = ("%s a second, %s"):format(title, kind),
      unit = "scaling",
      run = function(options)
        local n = options.quick and quick or full
        return measure(kind, body, n, unit or n, options)
      end,
    }
  end
end

return list
