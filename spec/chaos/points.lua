-- SPDX-License-Identifier: MIT
--
-- points: what the sweeps share that let a worker die at one fault point after another.

local conrun = require "conrun"
local fault = require "fault"
local kinds = require "spec.lib.kinds"

local points = {}

local MOST = 20000 -- points; what has more of them is endless

---As kinds.eventually, but thousands of times: it looks more often.
local function soon(condition)
  local deadline = conrun.clock() + kinds.LONG
  while not condition() do
    if conrun.clock() > deadline then return false end
    conrun.sleep(0.0002)
  end
  return true
end

-- The first failure that nobody asks about is kept for the program's end: here it is.
conrun.future.new():set_error "that of the sweeps"

local function quiet_census()
  assert(soon(function() return fault.census().strands == 2 end), "a strand remains")
  collectgarbage()
  collectgarbage()
  return fault.census()
end

local function same(a, b)
  return a.objects == b.objects and a.messages == b.messages and a.raw == b.raw
end

---A life in which a worker dies at its first point, then one at the second, and so on:
---`life(number)` returns true if one died.  After each the shared memory must be as it was.
---@param life fun(number: integer): boolean
function points.each(life)
  local before
  for number = 0, MOST do
    local ok, died = xpcall(life, debug.traceback, number)
    if not ok then error(("*:die:%d: %s"):format(number, died), 0) end
    local done, after = pcall(quiet_census)
    if not done then error(("*:die:%d: %s"):format(number, after), 0) end
    before = before or after -- the first one has loaded what was missing
    if not same(before, after) then
      error(("*:die:%d left %d objects, %d messages, %d raw blocks, before: %d, %d, %d"):format(number,
        after.objects, after.messages, after.raw, before.objects, before.messages, before.raw), 0)
    end
    if not died then return end
  end
  error "endless"
end

return points
