-- SPDX-License-Identifier: MIT
---@meta conrun.range
-- luacheck: ignore

--- Rows of integers that are never built: a range of ten million takes a few words, in every strand that it is sent to.
---@class conrun.range
local range = {}

--- The integers from `first` to `last`, both included, as in Lua's own `for`. `conrun.range` is this function.
---
--- ```lua
--- local r = conrun.range(10, 1, -3)
--- print(#r, r[1], r[#r], r[5])              --> 4 10 1 nil
--- print(table.concat(r:totable(), " "))     --> 10 7 4 1
--- ```
---@param first integer
---@param last integer
---@param step? integer not 0; 1 unless given
---@return conrun.Range range
function range.new(first, last, step) end

--- It reads as a list does: `#r`, `r[i]`, `ipairs(r)`. It cannot be changed.
---@class conrun.Range
---@field first integer
---@field step integer
---@field count integer
---@field [integer] integer
---@operator len: integer
local Range = {}

--- Iterates over the integers: `for n in r:items()`.
---
--- ```lua
--- for i in conrun.range(1, 3):items() do print(i) end
--- --> 1
--- --> 2
--- --> 3
--- ```
---@return fun(): integer? iterator
function Range:items() end

--- A list of the integers.
---
--- ```lua
--- print(table.concat(conrun.range(2, 6, 2):totable(), " ")) --> 2 4 6
--- ```
---@return integer[] integers
function Range:totable() end

return range
