-- SPDX-License-Identifier: MIT
--
-- Every tool for sharing data, once with threads and once with processes.
--
-- The code below never asks which of the two it runs with: a tool is the same
-- object, with the same methods, for both.  Each tool is used in a way whose
-- result is right only if the tool works, and that result is what is shown.

local conrun = require "conrun"
local args = require "conrun.args"
local plot = require "conrun.plot"

local usage = [[
conrun scripts/sharing_data.lua [--kind=both|thread|process]
]]

local options = args.read(arg, usage, { kind = { "both", "thread", "process" } })

local workers, rounds = 4, 500

-- Starts `workers` strands with the same function; the last argument each gets
-- is its number.  Gives their results, or raises the first error of one.
local function each(kind, fn, ...)
  local started, results = {}, {}
  for i = 1, workers do
    local arguments = table.pack(...)
    arguments[arguments.n + 1] = i
    started[i] = conrun[kind].start(fn, table.unpack(arguments, 1, arguments.n + 1))
  end
  for i, worker in ipairs(started) do
    results[i] = worker:result(60)
  end
  return results
end

-- Reads and writes back in two steps: exact only if nobody comes in between.
local function increment(counter)
  counter:set(counter:get() + 1)
end

local function count_locked(lock, counter)
  for _ = 1, rounds do
    lock:with(increment, counter)
  end
end

local tools = {}
local function tool(name, run)
  tools[#tools + 1] = { name = name, run = run }
end

tool("Lock", function(kind)
  local counter = conrun.shared.value("i64", 0)
  each(kind, count_locked, conrun.lock.new(), counter)
  return ("counter is %d of %d"):format(counter:get(), workers * rounds), counter:get() == workers * rounds
end)

-- The inner acquire is by the holder itself: a plain lock would refuse it.
local function count_nested(lock, counter)
  for _ = 1, rounds do
    lock:acquire()
    lock:with(increment, counter)
    lock:release()
  end
end

tool("RLock", function(kind)
  local counter, lock = conrun.shared.value("i64", 0), conrun.lock.recursive()
  each(kind, count_nested, lock, counter)
  return ("nested, counter is %d"):format(counter:get()),
    counter:get() == workers * rounds and not lock:locked()
end)

-- A turn is taken only by the strand whose number it is, and passed on.
local function take_turns(condition, turn, log, me)
  for _ = 1, 3 do
    local guard <close> = condition:hold() -- luacheck: ignore guard
    condition:wait_for(function()
      return turn:get() == me
    end)
    log:append(me)
    turn:set(me % workers + 1)
    condition:notify_all()
  end
end

local function text_of(list)
  local items = {}
  for i = 1, #list do
    items[i] = list[i]
  end
  return table.concat(items)
end

tool("Condition", function(kind)
  local log = conrun.shared.list()
  each(kind, take_turns, conrun.condition.new(), conrun.shared.value("i64", 1), log)
  return "turns taken " .. text_of(log), text_of(log) == "123412341234"
end)

-- The two that are in meet, so the peak of two is certain and not a matter of luck.
local function enter(semaphore, pair, inside, peak)
  semaphore:acquire()
  inside:add(1)
  pair:wait(20)
  local here = inside:get()
  if here > peak:get() then
    peak:set(here)
  end
  pair:wait(20)
  inside:add(-1)
  semaphore:release()
end

tool("Semaphore", function(kind)
  local inside, peak = conrun.shared.value("i64", 0), conrun.shared.value("i64", 0)
  local semaphore = conrun.semaphore.bounded(2)
  each(kind, enter, semaphore, conrun.barrier.new(2), inside, peak)
  return ("2 permits, at most %d inside"):format(peak:get()), peak:get() == 2 and semaphore:value() == 2
end)

local function wait_for_start(event, ready)
  ready:release()
  event:wait()
  return event:is_set()
end

tool("Event", function(kind)
  local event, ready, waiting = conrun.event.new(), conrun.semaphore.new(0), {}
  for i = 1, workers do
    waiting[i] = conrun[kind].start(wait_for_start, event, ready)
  end
  for _ = 1, workers do
    ready:acquire()
  end
  local early = 0
  for _, worker in ipairs(waiting) do
    early = early + (worker:alive() and 0 or 1)
  end
  event:set()
  local woken = 0
  for _, worker in ipairs(waiting) do
    woken = woken + (worker:result(20) and 1 or 0)
  end
  return ("%d woke early, %d after set"):format(early, woken), early == 0 and woken == workers
end)

local function produce(queue, me)
  for i = 1, rounds do
    queue:put((me - 1) * rounds + i)
  end
end

local function consume(queue)
  local sum, count = 0, 0
  for item in queue:items() do
    sum, count = sum + item, count + 1
  end
  return sum, count
end

tool("Queue", function(kind)
  local queue = conrun.queue.new(16)
  local consumer = conrun[kind].start(consume, queue)
  each(kind, produce, queue)
  queue:close()
  local sum, count = consumer:result(20)
  local n = workers * rounds
  return ("%d items, sum %d"):format(count, sum), count == n and sum == n * (n + 1) // 2
end)

local function answer(pipe)
  local question = pipe:recv(20)
  while question do
    pipe:send { n = question.n, square = question.n * question.n }
    question = pipe:recv(20)
  end
end

tool("Pipe", function(kind)
  local here, there = conrun.pipe.new()
  local other, right = conrun[kind].start(answer, there), 0
  for n = 1, rounds do
    here:send { n = n }
    local reply = here:recv(20)
    right = right + (reply.square == n * n and 1 or 0)
  end
  here:close()
  other:result(20)
  return ("%d of %d answers right"):format(right, rounds), right == rounds
end)

local function append_all(list, me)
  for i = 1, 100 do
    list:append(me * 1000 + i)
  end
end

tool("Manager's list", function(kind)
  local list, sum = conrun.shared.list(), 0
  each(kind, append_all, list)
  for i = 1, #list do
    sum = sum + list[i]
  end
  return ("%d items, sum %d"):format(#list, sum), #list == 100 * workers and sum == 1020200
end)

local function add_one(old)
  return (old or 0) + 1
end

-- update reads, computes and writes as one step, so no lock is needed.
local function count_words(dict, me)
  dict["worker " .. me] = true
  for _ = 1, rounds do
    dict:update("count", add_one)
  end
end

tool("Manager's dict", function(kind)
  local dict = conrun.shared.dict()
  each(kind, count_words, dict)
  return ("%d keys, count is %d"):format(#dict, dict:get "count"),
    #dict == workers + 1 and dict:get "count" == workers * rounds
end)

local function fill(array, me)
  for i = me, #array, workers do
    array[i] = i * i
  end
end

tool("Shared memory", function(kind)
  local array, sum = conrun.shared.array("i64", 100), 0
  each(kind, fill, array)
  for i = 1, #array do
    sum = sum + array[i]
  end
  return ("100 squares, sum %d"):format(sum), sum == 338350
end)

-- No lock anywhere: the structures keep themselves whole.
local function use_all(counter, list, queue, me)
  for i = 1, rounds do
    counter:add(1)
    list:append(me)
    queue:put(i)
  end
end

tool("Thread-safe structures", function(kind)
  local counter, list = conrun.shared.value("i64", 0), conrun.shared.list()
  local queue, n = conrun.queue.new(), workers * rounds
  each(kind, use_all, counter, list, queue)
  return ("value %d list %d queue %d"):format(counter:get(), #list, queue:size()),
    counter:get() == n and #list == n and queue:size() == n
end)

local kinds = options.kind == "both" and { "thread", "process" } or { options.kind }
local header, rows, right = { "tool" }, {}, 0
for _, kind in ipairs(kinds) do
  header[#header + 1] = kind == "thread" and "threads" or "processes"
end
header[#header + 1] = "verdict"

for _, entry in ipairs(tools) do
  local row, all_right = { entry.name }, true
  for _, kind in ipairs(kinds) do
    local figures, as_expected = entry.run(kind)
    row[#row + 1] = figures
    all_right = all_right and as_expected
  end
  row[#row + 1] = plot.verdict(all_right)
  rows[#rows + 1] = row
  right = right + (all_right and 1 or 0)
end

print(plot.table(header, rows))
print(("\n%d of %d tools shared their data exactly."):format(right, #tools))
