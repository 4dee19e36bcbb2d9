-- SPDX-License-Identifier: MIT
--
-- The tools that carry data between strands.
--
-- None needs a lock beside it: every operation is whole, whoever else is at work.

local conrun = require "conrun"
local lesson = require "lesson"

local together, workers, rounds = lesson.together, lesson.workers, 500
local n = workers * rounds

local tools = {}
local function tool(name, show)
  tools[#tools + 1] = { name = name, show = show }
end

tool("Queue", function(kind)
  local queue, sum, count = conrun.queue.new(16), 0, 0
  local producers = conrun[kind].start(together, kind, function(me)
    for i = 1, rounds do
      queue:put((me - 1) * rounds + i)
    end
  end)
  for _ = 1, n do
    sum, count = sum + queue:get(60), count + 1
  end
  producers:result(60)
  return ("%d items, sum %d"):format(count, sum), queue:empty() and sum == n * (n + 1) // 2
end)

tool("Pipe", function(kind)
  local here, there = conrun.pipe.new()
  local other, right = conrun[kind].start(function()
    for _ = 1, rounds do
      local question = there:recv(60)
      there:send { square = question * question }
    end
  end), 0
  for i = 1, rounds do
    here:send(i)
    right = right + (here:recv(60).square == i * i and 1 or 0)
  end
  other:result(60)
  return ("%d of %d answers right"):format(right, rounds), right == rounds
end)

tool("Manager's list", function(kind)
  local list, sum = conrun.shared.list(), 0
  together(kind, function(me)
    for i = 1, 100 do
      list:append(me * 1000 + i)
    end
  end)
  for _, item in list:items() do
    sum = sum + item
  end
  return ("%d items, sum %d"):format(#list, sum), #list == 100 * workers and sum == 1020200
end)

-- update reads, computes and writes as one step, so no lock is needed.
tool("Manager's dict", function(kind)
  local dict = conrun.shared.dict()
  together(kind, function(me)
    dict["worker " .. me] = true
    for _ = 1, rounds do
      dict:update("count", function(old) return (old or 0) + 1 end)
    end
  end)
  return ("%d keys, count is %d"):format(#dict, dict.count), #dict == workers + 1 and dict.count == n
end)

tool("Shared memory", function(kind)
  local array, sum = conrun.shared.array("i64", 100), 0
  together(kind, function(me)
    for i = me, #array, workers do
      array[i] = i * i
    end
  end)
  for _, square in ipairs(array:totable()) do
    sum = sum + square
  end
  return ("100 squares, sum %d"):format(sum), sum == 338350
end)

-- No lock anywhere: the structures keep themselves whole.
tool("Thread-safe structures", function(kind)
  local value, list, queue = conrun.shared.value("i64", 0), conrun.shared.list(), conrun.queue.new()
  together(kind, function(me)
    for i = 1, rounds do
      value:add(1)
      list:append(me)
      queue:put(i)
    end
  end)
  return ("value %d list %d queue %d"):format(value:get(), #list, queue:size()),
    value:get() == n and #list == n and queue:size() == n
end)

return tools
