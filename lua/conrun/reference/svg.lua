-- SPDX-License-Identifier: MIT
---@meta conrun.svg
-- luacheck: ignore

--- The pictures of `conrun.plot` as SVG: each function takes what its namesake takes and returns a whole document that
--- needs nothing beside it.
---
--- ```lua
--- local picture = conrun.svg.bars({ { "one", 1 }, { "two", 2 } }, { title = "numbers" })
--- print(picture:match "^<svg" and picture:match "</svg>") --> </svg>
--- -- local file <close> = io.open("numbers.svg", "w"); file:write(picture)
--- ```
---@class conrun.svg
local svg = {}

---@class svg.Options
---@field title? string stands above the picture
---@field width? integer pixels, 640 unless given
---@field bins? integer of a histogram, 10 unless given
---@field format? fun(x: number): string how numbers on an axis are written

---@class svg.LineOptions: svg.Options
---@field height? integer pixels, 360 unless given
---@field xlabel? string
---@field ylabel? string

--- Horizontal bars.
---
--- ```lua
--- print((conrun.svg.bars({ { "one", 1 } }):match "^<svg")) --> <svg
--- ```
---@param items { [1]: string, [2]: number, [3]: string? }[] label, value, and the text after the bar
---@param options? svg.Options
---@return string document
function svg.bars(items, options) end

--- How often numbers of each size occur.
---
--- ```lua
--- print((conrun.svg.histogram({ 1, 2, 2, 3 }):match "^<svg")) --> <svg
--- ```
---@param numbers number[]
---@param options? svg.Options
---@return string document
function svg.histogram(numbers, options) end

--- Points of one or several series, connected in their order.
---
--- ```lua
--- print((conrun.svg.lines({ { label = "up", { 1, 1 }, { 2, 2 } } }):match "^<svg")) --> <svg
--- ```
---@param series table[] lists of points { x, y }, each with a field `label`
---@param options? svg.LineOptions
---@return string document
function svg.lines(series, options) end

--- Who did what when: a row for each lane.
---
--- ```lua
--- print((conrun.svg.lanes({ { lane = "A", from = 0, to = 1 } }):match "^<svg")) --> <svg
--- ```
---@param spans { lane: string, from: number, to: number, label?: string }[] the label is shown by pointing at the span
---@param options? svg.Options
---@return string document
function svg.lanes(spans, options) end

return svg
