-- SPDX-License-Identifier: MIT
--
-- growth: what one item costs when there are ten times as many, or when it is
-- ten times as large.  conrun alone; nothing may be worse than linear.
--
-- An experiment gives a list of points {size, value}; `flat` says that the value
-- of the points must not grow.  What is measured once is small against the noise
-- of the machine only where it takes long: small sizes are measured often, and
-- the median counts.

local bench = require "conrun.bench"
local conrun = require "conrun"

-- Runs of a point: many for what is over at once, one for what takes a second.
local function repeated(fn, size)
  local times, total = {}, 0
  repeat
    local taken = fn(size)
    times[#times + 1] = taken
    total = total + taken
  until #times >= 7 or total > 1
  return bench.median(times)
end

-- 10^from, 10^(from + 1) ... 10^to; `quick` stops early.
local function powers(from, to, options)
  local list = {}
  for power = from, options.quick and math.min(to, from + 2) or to do
    list[#list + 1] = math.tointeger(10 ^ power)
  end
  return list
end

local function series(sizes, fn)
  local points = {}
  for i, size in ipairs(sizes) do
    points[i] = { size = size, value = repeated(fn, size) / size }
  end
  return points
end

local function square(n)
  return n * n
end

local function rss()
  local sum = 0
  for line in io.lines "/proc/self/smaps_rollup" do
    sum = sum + 1024 * (line:match "^Rss: *(%d+)" or 0)
  end
  return sum
end

local function must(condition, what)
  if not condition then
    error("wrong result of " .. what)
  end
end

local function timed_map(pool, count, options)
  local items = conrun.range(1, count)
  local started = conrun.clock()
  local list = pool:map(square, items, options)
  local taken = conrun.clock() - started
  must(#list == count and list[count] == count * count, "map")
  return taken
end

local function map_growth(kind, options, sizes)
  local pool <close> = conrun.pool.new { workers = 4, kind = kind }
  timed_map(pool, 1000, options)
  return series(sizes, function(count) return timed_map(pool, count, options) end)
end

local function submit_growth(kind, sizes)
  local pool <close> = conrun.pool.new { workers = 4, kind = kind }
  return series(sizes, function(count)
    local futures, sum = {}, 0
    local started = conrun.clock()
    for i = 1, count do
      futures[i] = pool:submit(square, i)
    end
    for i = 1, count do
      sum = sum + futures[i]:result()
    end
    local taken = conrun.clock() - started
    must(sum == count * (count + 1) * (2 * count + 1) // 6, "submit")
    return taken
  end)
end

local function nap()
  conrun.sleep(1e-4)
end

-- Processor time of the caller for each future that as_completed gives.
local function completed_growth(sizes)
  local pool <close> = conrun.pool.processes(2)
  local points = {}
  for i, size in ipairs(sizes) do
    local futures, seen = {}, 0
    for k = 1, size do
      futures[k] = pool:submit(nap)
    end
    local started = os.clock()
    for _ in conrun.future.as_completed(futures) do
      seen = seen + 1
    end
    points[i] = { size = size, value = (os.clock() - started) / size }
    must(seen == size, "as_completed")
  end
  return points
end

local function wait_for(gate)
  gate:wait()
end

-- Starts and ends one more worker while others live.
local function start_growth(kind, options)
  local gate, workers, points = conrun.event.new(), {}, {}
  for _, size in ipairs(options.quick and { 1, 10 } or { 1, 10, 100, 300, 1000 }) do
    while #workers < size - 1 do
      workers[#workers + 1] = conrun[kind].start(wait_for, gate)
    end
    points[#points + 1] = {
      size = size,
      value = repeated(function()
        local started = conrun.clock()
        for _ = 1, 20 do
          must(conrun[kind].start(square, 2):join(), "join")
        end
        return (conrun.clock() - started) / 20
      end),
    }
  end
  gate:set()
  for _, worker in ipairs(workers) do
    worker:join()
  end
  return points
end

local function queued(count)
  local line, sum = conrun.queue.new(), 0
  local started = conrun.clock()
  for i = 1, count do
    line:put(i)
  end
  for _ = 1, count do
    sum = sum + line:get()
  end
  local taken = conrun.clock() - started
  must(sum == count * (count + 1) // 2, "queue")
  return taken
end

local function echo(pipe)
  while true do
    pipe:send(pipe:recv())
  end
end

local function payloads(kind, options)
  local ours, theirs = conrun.pipe.new()
  conrun[kind].start({ daemon = true }, echo, theirs)
  local points = {}
  local sizes = options.quick and { 8, 4096 }
    or { 8, 64, 512, 4096, 1 << 15, 1 << 18, 1 << 21, 1 << 24, 1 << 26 }
  for _, size in ipairs(sizes) do
    local text = ("x"):rep(size)
    local times = math.max(1, math.min(1000, (1 << 24) // size))
    points[#points + 1] = {
      size = size,
      value = repeated(function()
        local started = conrun.clock()
        for _ = 1, times do
          ours:send(text)
          must(#ours:recv() == size, "echo")
        end
        return (conrun.clock() - started) / times
      end),
    }
  end
  return points
end

-- Resident bytes before, with all items queued, and after all are taken.
local function memory_after_peak(options)
  local count = options.quick and 10000 or 1000000
  local points, line = {}, conrun.queue.new()
  local function note(moment)
    collectgarbage()
    points[#points + 1] = { size = moment, value = rss() }
  end
  note "before"
  for i = 1, count do
    line:put { i, "some text to keep" }
  end
  note "queued"
  for _ = 1, count do
    line:get()
  end
  note "taken"
  return points
end

local function memory_of_list(count)
  local before, list = rss(), {}
  for i = 1, count do
    list[i] = i
  end
  return rss() - before, #list
end

-- The most that this process ever had resident.
local function peak()
  for text in io.lines "/proc/self/status" do
    local kilobytes = text:match "^VmHWM:%s*(%d+)"
    if kilobytes then
      return kilobytes * 1024
    end
  end
end

-- What a map over many numbers needs at most, against its result alone.
local function memory_of_map(options)
  local count = options.quick and 100000 or 10000000
  -- In a worker of its own, so that nothing of it is left here.
  local alone = conrun.process.start(memory_of_list, count):result()
  local pool <close> = conrun.pool.new { workers = 4, kind = "process" }
  timed_map(pool, 1000)
  collectgarbage()
  local before = rss()
  timed_map(pool, count)
  return { { size = "result alone", value = alone }, { size = "peak of map", value = peak() - before } }
end

local list = {}

local function add(name, title, unit, run)
  list[#list + 1] = { name = name, title = title, unit = unit, run = run }
end

-- Memory first: what is kept for later rows would hide what these need.
add("growth.memory.queue", "resident memory around a long queue of tables", "bytes", memory_after_peak)
add("growth.memory.map", "memory of a map over many numbers, 4 processes", "bytes", memory_of_map)
for _, kind in ipairs { "thread", "process" } do
  add("growth.map." .. kind, "seconds a task of pool:map, 4 workers (" .. kind .. ")", "each", function(options)
    return map_growth(kind, nil, powers(3, 7, options))
  end)
  add("growth.single." .. kind, "the same, chunksize 1 (" .. kind .. ")", "each", function(options)
    return map_growth(kind, { chunksize = 1 }, powers(3, 7, options))
  end)
  add("growth.submit." .. kind, "seconds a submitted task, all collected (" .. kind .. ")", "each", function(options)
    return submit_growth(kind, powers(3, 6, options))
  end)
  add("growth.start." .. kind, "start + join with so many alive (" .. kind .. ")", "each", function(options)
    return start_growth(kind, options)
  end)
  add("growth.payload." .. kind, "a string of so many bytes there and back (" .. kind .. ")", "payload",
    function(options)
      return payloads(kind, options)
    end)
end
add("growth.completed", "processor time of the caller for each future of as_completed", "each", function(options)
  return completed_growth(options.quick and { 100, 400 } or { 500, 2000, 8000 })
end)
add("growth.queue", "seconds a queued item, put and got by one strand", "each", function(options)
  return series(powers(0, 7, options), queued)
end)

return list
