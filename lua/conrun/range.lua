-- SPDX-License-Identifier: MIT
--
-- range: a row of integers that is never built.
--
-- conrun.range(1, 10000000) takes a few words, in every strand that it is sent
-- to.  It reads as a list does: #r, r[i], ipairs(r), for v in r:items().  Both
-- ends belong to it, as in Lua's own for.

local check = require "conrun.check"

---@class conrun.Range
---@field first integer
---@field step integer
---@field count integer
---@operator len: integer
local methods = {}

local range = { metatable = {}, methods = methods }
local metatable = range.metatable
metatable.__name = "conrun.range"

-- for i in conrun.range(1, 10): the range is its own iterator, and the value before
-- says which comes next.
function metatable.__call(r, _, before)
  local first, step, count = rawget(r, "first"), rawget(r, "step"), rawget(r, "count")
  if before == nil then
    return count > 0 and first or nil
  end
  local last = first + (count - 1) * step
  return before ~= last and before + step or nil
end

function metatable.__len(r)
  return rawget(r, "count")
end

-- Out of range is nil, so that ipairs ends.
function metatable.__index(r, i)
  if math.type(i) == "integer" then
    if i >= 1 and i <= rawget(r, "count") then
      return rawget(r, "first") + (i - 1) * rawget(r, "step")
    end
    return nil
  end
  return methods[i]
end

function metatable.__newindex()
  check.raise "a range cannot be changed"
end

function metatable.__eq(a, b)
  return a.count == b.count and (a.count == 0 or a.first == b.first and (a.count == 1 or a.step == b.step))
end

function metatable.__pairs(r)
  return ipairs(r)
end

function metatable.__tostring(r)
  local last = r.first + (r.count - 1) * r.step
  return ("range %d to %d by %d (%d)"):format(r.first, last, r.step, r.count)
end

--- for v in r:items()
function methods:items()
  local i = 0
  return function()
    i = i + 1
    return self[i]
  end
end

---@return integer[]
function methods:totable()
  return table.move(self, 1, self.count, 1, {})
end

local function whole_number(position, value)
  if math.type(value) == "integer" then return value end
  local whole = type(value) == "number" and math.tointeger(value)
  if not whole then
    check.fail(position, "range", "integer", value)
  end
  return whole
end

-- How many steps lie between two integers: their distance may not fit an integer,
-- but as an unsigned number it does.
local function steps(from, to, step)
  if step < 0 then
    from, to, step = to, from, -step
  end
  local distance = to - from
  if from > to then return -1 end
  if distance >= 0 and step > 0 then return distance // step end
  local half = ((distance >> 1) // step) << 1
  if math.ult(distance - half * step, step) then return half end
  return half + 1
end

--- The integers from `first` to `last` by `step`, which is 1 unless given; with one
--- argument, those from 1 to it.
---@param first integer
---@param last? integer
---@param step? integer not 0
---@return conrun.Range
function range.new(first, last, step)
  if last == nil and step == nil then
    first, last = 1, whole_number(1, first)
  end
  first, last = whole_number(1, first), whole_number(2, last)
  step = step == nil and 1 or whole_number(3, step)
  if step == 0 or step == math.mininteger then
    check.argument(3, "range", "a step must not be %d", step)
  end
  local count = steps(first, last, step) + 1
  local empty = count == 0 and (first > last) == (step > 0) -- else it went beyond the last integer
  if count < 0 or count == 0 and not empty then
    check.argument(2, "range", "more integers than can be counted")
  end
  return setmetatable({ first = first, step = step, count = count }, metatable)
end

return range
