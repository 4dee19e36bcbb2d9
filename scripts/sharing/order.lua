-- SPDX-License-Identifier: MIT
--
-- The tools that make strands wait for each other.
--
-- They carry no data themselves; each keeps order among those who use the same
-- counter or list, and the counter is right only if they did.

local conrun = require "conrun"
local lesson = require "lesson"

local together, workers, rounds = lesson.together, lesson.workers, 500
local n = workers * rounds

-- Reads and writes back in two steps: exact only if nobody comes in between.
local function increment(counter)
  counter:set(counter:get() + 1)
end

local tools = {}
local function tool(name, show)
  tools[#tools + 1] = { name = name, show = show }
end

tool("Lock", function(kind)
  local counter, lock = conrun.shared.value("i64", 0), conrun.lock.new()
  together(kind, function()
    for _ = 1, rounds do
      lock:with(increment, counter)
    end
  end)
  return ("counter is %d of %d"):format(counter:get(), n), counter:get() == n
end)

-- The inner acquire is by the holder itself: a plain lock would refuse it.
tool("RLock", function(kind)
  local counter, lock = conrun.shared.value("i64", 0), conrun.lock.recursive()
  together(kind, function()
    for _ = 1, rounds do
      lock:acquire()
      lock:with(increment, counter)
      lock:release()
    end
  end)
  return ("nested, counter is %d"):format(counter:get()), counter:get() == n and not lock:locked()
end)

-- A turn is taken only by the strand whose number it is, and passed on.
tool("Condition", function(kind)
  local changed, turn, log = conrun.condition.new(), conrun.shared.value("i64", 1), conrun.shared.list()
  together(kind, function(me)
    for _ = 1, 3 do
      local guard <close> = changed:hold() -- luacheck: ignore guard
      changed:wait_for(function() return turn:get() == me end)
      log:append(me)
      turn:set(me % workers + 1)
      changed:notify_all()
    end
  end)
  local turns = table.concat(log:totable())
  return "turns taken " .. turns, turns == "123412341234"
end)

-- The two that are in meet, so the peak of two is certain and not a matter of luck.
tool("Semaphore", function(kind)
  local inside, peak = conrun.shared.value("i64", 0), conrun.shared.value("i64", 0)
  local permits, pair = conrun.semaphore.bounded(2), conrun.barrier.new(2)
  together(kind, function()
    permits:acquire()
    inside:add(1)
    pair:wait(20)
    peak:set(math.max(peak:get(), inside:get()))
    pair:wait(20)
    inside:add(-1)
    permits:release()
  end)
  return ("2 permits, at most %d inside"):format(peak:get()), peak:get() == 2 and permits:value() == 2
end)

-- The last to arrive opens it; nobody can have passed before.
tool("Event", function(kind)
  local event, arrived = conrun.event.new(), conrun.shared.value("i64", 0)
  local early, after = conrun.shared.value("i64", 0), conrun.shared.value("i64", 0)
  together(kind, function()
    if arrived:add(1) == workers then
      early:set(after:get())
      event:set()
    end
    event:wait()
    after:add(1)
  end)
  local figures = ("%d woke early, %d after set"):format(early:get(), after:get())
  return figures, early:get() == 0 and after:get() == workers
end)

return tools
