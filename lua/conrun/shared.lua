-- SPDX-License-Identifier: MIT
--
-- shared: finishes conrun.core.shared by views of arrays.
--
-- A view (a:slice(i, j)) is a window on an array: writing through it writes the
-- array.  It is a table with the array's handle and two numbers, so it can be
-- sent, and then shows the same array.

local check = require "conrun.check"
local shared = require("conrun.core.shared").public

---@class conrun.View a part of a shared array, with the array's own operations
local methods = {}

shared.view = { metatable = {}, methods = methods }
local metatable = shared.view.metatable
metatable.__name = "conrun.view"

-- The array's position of the view's element i.
local function position(view, i)
  local count = rawget(view, "count")
  if math.type(i) ~= "integer" or i < 1 or i > count then
    check.raise("index %s is out of range (1 to %d)", tostring(i), count)
  end
  return rawget(view, "offset") + i
end

function metatable.__len(view)
  return rawget(view, "count")
end

function metatable.__index(view, i)
  if type(i) == "number" then
    return rawget(view, "array")[position(view, i)]
  end
  return methods[i]
end

local function set(array, i, x) array[i] = x end

function metatable.__newindex(view, i, x)
  check.through(set, rawget(view, "array"), position(view, i), x)
end

function metatable.__tostring(view)
  return ("%d to %d of %s"):format(view.offset + 1, view.offset + view.count, tostring(view.array))
end

-- A part of the array; an empty one has j = i - 1.
local function window(array, offset, count, i, j)
  if math.type(i) ~= "integer" or i < 1 or i > count + 1 then
    check.argument(1, "slice", "index %s is out of range", tostring(i))
  end
  j = j == nil and count or j
  if math.type(j) ~= "integer" or j < i - 1 or j > count then
    check.argument(2, "slice", "index %s is out of range", tostring(j))
  end
  return setmetatable({ array = array, offset = offset + i - 1, count = j - i + 1 }, metatable)
end

--- A view of the elements from i to j, both included.
---@param i integer
---@param j? integer the last one unless given
---@return conrun.View
function shared.array_methods:slice(i, j)
  return window(self, 0, #self, i, j)
end

function methods:slice(i, j)
  return window(self.array, self.offset, self.count, i, j)
end

local function fill(array, ...) array:fill(...) end
local function add(array, ...) return array:add(...) end
local function cas(array, ...) return array:cas(...) end

function methods:fill(x)
  check.through(fill, self.array, x, self.offset + 1, self.offset + self.count)
end

---@return number[]
function methods:totable()
  return self.array:totable(self.offset + 1, self.offset + self.count)
end

---@return number sum
function methods:add(i, x)
  return check.through(add, self.array, position(self, i), x)
end

---@return boolean
function methods:cas(i, old, new)
  return check.through(cas, self.array, position(self, i), old, new)
end

return setmetatable(shared, { __index = require("conrun.core").answers_index "conrun.shared" })
