-- SPDX-License-Identifier: MIT
--
-- What does a lock protect?
--
-- Each operation of a shared list is atomic.  Two operations in a row are not:
-- between "is there an item?" and "take it" another strand may come in.  The
-- lock makes the pair one step, and the printed lines too.

local conrun = require "conrun"
local args = require "conrun.args"
local plot = require "conrun.plot"

local usage = [[
What does a lock protect?

conrun scripts/shared_list.lua [--fast] [--no-lock] [--items=20000]

  --fast         sleeps a hundredth of the time
  --no-lock      shows what goes wrong without the lock, and not with it
  --items=20000  items of that experiment
]]

local options = args.read(arg, usage, { fast = false, no_lock = false, items = { 20000, most = 1000000 } })

local lock = conrun.lock.new()

-- Under the lock: the list does not change between its length and its items.
local function text_of(list)
  local items = {}
  for i = 1, #list do
    items[i] = list[i]
  end
  return plot.list(items)
end

-- 0.1 to 0.5 seconds, so that the two get in each other's way differently each time.
local function dawdle(scale)
  conrun.sleep((0.1 + 0.4 * math.random()) * scale)
end

local function add_items(list, scale)
  for item = 0, 9 do
    dawdle(scale)
    local guard <close> = lock:hold() -- luacheck: ignore guard
    list:append(item)
    print(("Added: %d, List: %s"):format(item, text_of(list)))
  end
end

local function remove_items(list, scale)
  local removed = 0
  for _ = 1, 10 do
    dawdle(scale)
    local guard <close> = lock:hold() -- luacheck: ignore guard
    if #list > 0 then
      local item = list:pop(1)
      removed = removed + 1
      print(("Removed: %d, List: %s"):format(item, text_of(list)))
    else
      print "List is empty, nothing to remove."
    end
  end
  return removed
end

local function add_and_remove()
  local list, scale = conrun.shared.list(), options.fast and 0.01 or 1
  local adder = conrun.thread.start({ name = "adder" }, add_items, list, scale)
  local remover = conrun.thread.start({ name = "remover" }, remove_items, list, scale)
  adder:result()
  local removed = remover:result()
  print(("With the lock no item is lost or doubled: %s (10 added, %d removed, %d left)"):format(
    plot.verdict(removed + #list == 10), removed, #list))
  print("Final List: " .. text_of(list))
end

-- Looks at the front, notes the item as taken, and removes the front.  Without
-- a lock another thread may have looked at the same item (taken twice), and
-- what is removed may be an item that nobody looked at (lost).
local function take_front(list, taken)
  local item = list[1]
  if item then
    taken:add(item, 1)
    pcall(list.pop, list, 1)
  end
  return item ~= nil
end

local function take_all(list, taken, guarded, start)
  start:wait()
  local more
  repeat
    if guarded then
      more = lock:with(take_front, list, taken)
    else
      more = take_front(list, taken)
    end
  until not more
end

local function race(guarded)
  local items, numbers = options.items, {}
  for i = 1, items do
    numbers[i] = i
  end
  local list, taken = conrun.shared.list(numbers), conrun.shared.array("i64", items)
  local start, workers = conrun.event.new(), {}
  for i = 1, 4 do
    workers[i] = conrun.thread.start(take_all, list, taken, guarded, start)
  end
  start:set()
  for _, worker in ipairs(workers) do
    worker:result()
  end
  local lost, doubled = 0, 0
  for _, times in ipairs(taken:totable()) do
    lost = lost + (times == 0 and 1 or 0)
    doubled = doubled + (times > 1 and 1 or 0)
  end
  return lost, doubled
end

local function compare()
  local lost, doubled = race(false)
  local kept_lost, kept_doubled = race(true)
  print(("Four threads look at the front of a list of %d items, then remove it:\n"):format(options.items))
  print(plot.table({ "", "lost items", "doubled items" }, {
    { "without a lock", lost, doubled },
    { "with the lock", kept_lost, kept_doubled },
  }, { align = { "left", "right", "right" } }))
  print(("\nWithout the lock items are lost or doubled: %s (%d lost, %d doubled)"):format(
    plot.verdict(lost + doubled > 0),
    lost,
    doubled
  ))
  print(("With the lock every item is taken once: %s (%d lost, %d doubled)"):format(
    plot.verdict(kept_lost + kept_doubled == 0),
    kept_lost,
    kept_doubled
  ))
end

if options.no_lock then
  compare()
else
  add_and_remove()
end
