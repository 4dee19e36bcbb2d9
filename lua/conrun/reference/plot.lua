-- SPDX-License-Identifier: MIT
---@meta conrun.plot
-- luacheck: ignore

--- Tables and pictures as text. Every function returns a string and prints nothing. Lines and bars are drawn in Unicode
--- where the locale says UTF-8, else in ASCII; there are no colours, so a log file reads as a terminal does. All fit
--- into 80 columns unless told otherwise. `conrun.svg` draws the same as pictures.
---@class conrun.plot
local plot = {}

--- Does the locale of the environment (LC_ALL, LC_CTYPE, LANG) say UTF-8?
---
--- ```lua
--- print(type(conrun.plot.unicode())) --> boolean
--- ```
---@return boolean unicode
function plot.unicode() end

---@class plot.TableOptions
---@field align? string[] "left", "right" or "center" for each column; columns of numbers are at the right unless told
---@field width? integer columns of the whole table, 80 unless given; the widest column is wrapped to fit

--- A table: a header, a rule, and the rows below it.
---
--- ```lua
--- local text = conrun.plot.table({ "n", "n²" }, { { 1, 1 }, { 12, 144 } })
--- for line in text:gmatch "[^\n]+" do
---   if line:find "%d" then print(line) end --> 1    1
--- end                                      --> 12  144
--- ```
---@param header string[] the names of the columns; their number is the table's width
---@param rows any[][] cells, shown by tostring; missing ones are empty
---@param options? plot.TableOptions
---@return string text without a newline at its end
function plot.table(header, rows, options) end

--- The rule under a table's header.
---
--- ```lua
--- print(#conrun.plot.rule { 3, 3 } >= 8) --> true
--- ```
---@param widths integer[] of the columns, in characters
---@return string text
function plot.rule(widths) end

---@class plot.BarOptions
---@field width? integer characters of the longest bar, 40 unless given

--- Horizontal bars, one for each item, all to the same scale from zero. Negative ones go to the left; NaN and infinite
--- ones are written and not drawn.
---
--- ```lua
--- print((conrun.plot.bars({ { "one", 1 }, { "two", 2 } }):match "two"))  --> two
--- ```
---@param items { [1]: string, [2]: number, [3]: string? }[] label, value, and the text after the bar
---@param options? plot.BarOptions
---@return string text
function plot.bars(items, options) end

--- A bar that fills a part of its room with blanks behind it.
---
--- ```lua
--- print(utf8.len(conrun.plot.meter(0.5, 10))) --> 10
--- ```
---@param share number from 0 to 1
---@param columns integer of the whole
---@return string text
function plot.meter(share, columns) end

---@class plot.HistogramOptions
---@field bins? integer 10 unless given
---@field width? integer characters of the longest bar, 40 unless given
---@field format? fun(x: number): string how the limits are written

--- How often numbers of each size occur, in bins of equal width.
---
--- ```lua
--- local text = conrun.plot.histogram({ 1, 1, 2, 9 }, { bins = 2 })
--- print(select(2, text:gsub("\n", "\n")) + 1) --> 2
--- ```
---@param numbers number[]
---@param options? plot.HistogramOptions
---@return string text
function plot.histogram(numbers, options) end

---@class plot.LineOptions
---@field width? integer characters, 64 unless given
---@field height? integer lines, 16 unless given
---@field title? string
---@field xlabel? string
---@field ylabel? string
---@field format? fun(y: number): string how the numbers at the left are written

--- Points of one or several series in a coordinate system, connected in their order.
---
--- ```lua
--- local text = conrun.plot.lines({ { label = "squares", { 1, 1 }, { 2, 4 }, { 3, 9 } } }, { height = 5 })
--- print(select(2, text:gsub("\n", "\n"))) --> 7
--- ```
---@param series table[] lists of points { x, y }, each with a field `label`
---@param options? plot.LineOptions
---@return string text
function plot.lines(series, options) end

---@class plot.LaneOptions
---@field width? integer characters of a lane, 48 unless given
---@field format? fun(x: number): string how times are written

--- Who did what when: a line for each lane (a worker), with its spans of time, how busy it was, and how many it had.
---
--- ```lua
--- local text = conrun.plot.lanes { { lane = "A", from = 0, to = 1 }, { lane = "B", from = 1, to = 2 } }
--- print(text:find "A" ~= nil, text:find "B" ~= nil) --> true true
--- ```
---@param spans { lane: string, from: number, to: number }[]
---@param options? plot.LaneOptions
---@return string text
function plot.lanes(spans, options) end

--- A list as one line.
---
--- ```lua
--- print(conrun.plot.list { 1, 4, 9 }) --> [1, 4, 9]
--- ```
---@param list any[]
---@return string text
function plot.list(list) end

--- Seconds as a person reads them.
---
--- ```lua
--- local plot = conrun.plot
--- print(plot.seconds(1.2), plot.seconds(0.00456)) --> 1.20 s 4.56 ms
--- ```
---@param seconds number
---@return string text
function plot.seconds(seconds) end

--- The words that every tested claim of the scripts ends with.
---
--- ```lua
--- print(conrun.plot.verdict(true), conrun.plot.verdict(nil)) --> holds too close to call here
--- ```
---@param holds boolean? nil: it cannot be told, see `conrun.bench.decide`
---@return string text "holds", "does not hold here" or "too close to call here"
function plot.verdict(holds) end

return plot
