-- SPDX-License-Identifier: MIT
--
-- many_sweep: of many workers that die at once, the last one that anybody would look at
-- dies with a latch in its hand, at one point of taking or opening one after the other.
--
-- While all are dead and nobody is buried, whoever needs that latch waits for the burial,
-- be it the one who buries: so it must open the latches of all before it waits for any.
-- Needs a hard build ("make faults").

local conrun = require "conrun"
local fault = require "fault"
local helpers = require "spec.helpers"
local watchdog = require "spec.chaos.watchdog"

local NUMBERS = { 65, 80, 200 }
local MOST = 40 -- points at latches; one task passes fewer

watchdog.set(30)

local function parent(pid)
  return math.tointeger(tonumber(helpers.slurp(("/proc/%d/stat"):format(pid)):match "%) %a (%d+)"))
end

---The letter that the kernel has for a process.
local function state(pid)
  return helpers.slurp(("/proc/%d/stat"):format(pid)):match "%) (%a)"
end

local function await(condition)
  while not condition() do
    fault.nap()
  end
end

---A pool whose workers all wait in a task; the pids in the order of their births.
local function fill(n)
  local pool, pids = conrun.pool.new { workers = n, kind = "process" }, conrun.queue.new()
  local rule, go = conrun.shared.dict(), {}
  for i = 1, n do
    go[i] = conrun.event.new()
    pool:submit(function()
      pids:put { i, conrun.current().pid }
      go[i]:wait()
      if rule.rule then require("fault").plan(rule.rule) end
    end)
  end
  local workers = {}
  for i = 1, n do
    workers[i] = pids:get()
  end
  table.sort(workers, function(a, b) return a[2] < b[2] end)
  return pool, workers, go, rule
end

---True if the victim died of the plan.
local function stroke(n, number)
  local pool, workers, go, rule = fill(n)
  local zygote, victim, others = parent(workers[1][2]), workers[n], {}
  watchdog.wake(zygote)
  os.execute("kill -STOP " .. zygote)
  -- The signal that stands for all of them names the first.
  os.execute("kill -9 " .. workers[1][2])
  await(function() return state(workers[1][2]) == "Z" end)
  rule.rule = ("latch:die:%d"):format(number)
  go[victim[1]]:set()
  for i = 2, n - 1 do
    others[i - 1] = workers[i][2]
  end
  -- It dies over the end of its task, or waits for the next one.
  await(function()
    return fault.hits() > 0 or pool:stats().completed > 0 and state(victim[2]) == "S"
  end)
  local died = fault.hits() > 0
  await(function() return not died or state(victim[2]) == "Z" end)
  os.execute("kill -9 " .. table.concat(others, " "))
  os.execute("kill -CONT " .. zygote)
  pool:terminate()
  pool:join()
  return died
end

for _, n in ipairs(NUMBERS) do
  it(n .. " workers that die at once, one with a latch in its hand, leave nobody waiting", function()
    local step = n > 100 and 3 or 1
    for number = 0, MOST, step do
      watchdog.note(("%d workers, latch:die:%d"):format(n, number))
      fault.plan ""
      if not stroke(n, number) then return end
    end
  end)
end
