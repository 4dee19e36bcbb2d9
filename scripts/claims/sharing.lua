-- SPDX-License-Identifier: MIT
--
-- Sharing: large data, a counter, and the harm that sharing can do.
--
-- Threads share their memory, so sharing is said to be easy for them, and unsafe.
-- Here both kinds share what is shared on purpose, and nothing else.

local bench = require "conrun.bench"
local conrun = require "conrun"
local outside = require "outside"
local plot = require "conrun.plot"
local tools = require "claims.tools"

local function last_of(array)
  return array[#array]
end

-- The array is shared, so only its handle travels; the table is copied.
local function shared_state()
  local array, list = conrun.shared.array("f64", 200000), {}
  for i = 1, #array do
    list[i] = i + 0.5
  end
  local threads <close> = tools.pool("thread", 1)
  local processes <close> = tools.pool("process", 1)
  local pools = { thread = threads, process = processes }
  local thread, process = tools.compare(function(kind) pools[kind]:apply(last_of, array) end)
  local thread_copy, process_copy = tools.compare(function(kind) pools[kind]:apply(last_of, list) end)
  return "sending 200,000 numbers: a shared array, a table",
    ("%s, %s"):format(plot.seconds(thread.median), plot.seconds(thread_copy.median)),
    ("%s, %s"):format(plot.seconds(process.median), plot.seconds(process_copy.median)),
    tools.decide(process.times, thread.times, 1.5)
end

-- The same count two ways: under a mutex, and by messages to an owner.
local rounds = 2000

local function count_with_mutex(lock, counter)
  for _ = 1, rounds do
    lock:acquire()
    counter:set(counter:get() + 1)
    lock:release()
  end
end

local function count_with_messages(requests, replies)
  for _ = 1, rounds do
    requests:put(1)
    replies:get()
  end
  requests:put "end"
end

local function own_the_count(requests, replies)
  local count = 0
  local request = requests:get()
  while request ~= "end" do
    count = count + request
    replies:put(count)
    request = requests:get()
  end
  return count
end

local function lines_of(...)
  local lines = 0
  for _, fn in ipairs { ... } do
    local info = debug.getinfo(fn, "S")
    lines = lines + info.lastlinedefined - info.linedefined + 1
  end
  return lines
end

local function by_mutex(kind)
  local lock, counter = conrun.lock.new(), conrun.shared.value("i64", 0)
  conrun[kind].start(count_with_mutex, lock, counter):result()
end

local function by_messages()
  local requests, replies = conrun.queue.new(), conrun.queue.new()
  local worker = conrun.process.start(count_with_messages, requests, replies)
  own_the_count(requests, replies)
  worker:join()
end

local function simple_sharing()
  local measured = bench.compare({
    thread = function() by_mutex "thread" end,
    process = function() by_mutex "process" end,
    messages = by_messages,
  }, { runs = 5 })
  local few, many = lines_of(count_with_mutex), lines_of(count_with_messages, own_the_count)
  local slower = tools.decide(measured.messages.times, measured.thread.times)
  return "counting to 2,000: by a mutex, by messages to an owner",
    ("mutex: %d lines, %s"):format(few, plot.seconds(measured.thread.median)),
    ("messages: %d lines, %s (mutex: %s)"):format(many, plot.seconds(measured.messages.median),
      plot.seconds(measured.process.median)),
    slower == nil and nil or few < many and slower
end

-- Main has read the first of three lines; its C library has them all in its buffer.
local reading = [[
io.read()
require("conrun").%s.start(function() io.read() end):join()
print(io.read())]]

-- What the C library keeps for input belongs to the process, so a worker in it that reads
-- takes a line that main was to get.
local function safety()
  local thread, process = tools.both(function(kind)
    local program = outside.quote(reading:format(kind))
    return outside.output(("printf '1\\n2\\n3\\n' | %s -e %s"):format(outside.program, program)):match "%d"
  end)
  return "main's next line, the second, after a worker has read one",
    thread == "2" and "is there" or "is lost to the worker",
    process == "2" and "is there" or "is lost to the worker",
    process == "2" and thread ~= "2"
end

return {
  { "threads", "large or frequently shared state", shared_state },
  { "threads", "simple sharing", simple_sharing },
  { "processes", "safety", safety },
}
