-- SPDX-License-Identifier: MIT
---@meta conrun.plot
-- luacheck: ignore

--- Tables and bars as text. Every function returns a string and prints nothing. Lines and bars are drawn in Unicode
--- where the locale says UTF-8, else in ASCII; there are no colours, so a log file reads as a terminal does.
---
--- Not a part of `conrun`: `local plot = require "conrun.plot"`.
---@class conrun.plot
local plot = {}

--- Does the locale of the environment (LC_ALL, LC_CTYPE, LANG) say UTF-8?
---@return boolean unicode
function plot.unicode() end

---@class plot.TableOptions
---@field align? string[] "left" (default) or "right" for each column
---@field width? integer characters of the whole table, 100 unless given; the widest column is wrapped to fit

--- A table: a header, a rule, and the rows below it.
---
--- ```lua
--- local plot = require "conrun.plot"
--- local text = plot.table({ "n", "n²" }, { { 1, 1 }, { 12, 144 } }, { align = { "right", "right" } })
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
---@param widths integer[] of the columns, in characters
---@return string text
function plot.rule(widths) end

---@class plot.BarOptions
---@field width? integer characters of the longest bar, 40 unless given

--- Horizontal bars, one for each item, all to the same scale from zero.
---@param items { [1]: string, [2]: number, [3]: string? }[] label, value, and the text after the bar
---@param options? plot.BarOptions
---@return string text
function plot.bars(items, options) end

--- A list as one line.
---
--- ```lua
--- print(require("conrun.plot").list { 1, 4, 9 }) --> [1, 4, 9]
--- ```
---@param list any[]
---@return string text
function plot.list(list) end

--- Seconds as a person reads them.
---
--- ```lua
--- local plot = require "conrun.plot"
--- print(plot.seconds(1.2), plot.seconds(0.00456)) --> 1.20 s 4.56 ms
--- ```
---@param seconds number
---@return string text
function plot.seconds(seconds) end

--- The words that every tested claim of the scripts ends with.
---@param holds boolean
---@return string text "holds" or "does not hold here"
function plot.verdict(holds) end

return plot
