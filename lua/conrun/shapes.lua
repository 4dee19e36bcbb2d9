-- SPDX-License-Identifier: MIT
--
-- shapes: what plot and svg draw, looked at before anything is drawn.
--
-- Internal.  Both take the same lists.  A wrong item is named by its place in the list, at
-- the line of the user's that has called.

local check = require "conrun.check"

local shapes = {}

local function check_table(value, position, name, what)
  if type(value) ~= "table" then
    check.fail(position, name, what, value)
  end
end

local function check_number(value, name, format, ...)
  if type(value) ~= "number" then
    check.argument(1, name, "%s: number expected, got %s", format:format(...), type(value))
  end
end

-- A list whose elements are tables.
local function check_rows(list, position, name, what)
  check_table(list, position, name, "list")
  for i, row in ipairs(list) do
    if type(row) ~= "table" then
      check.argument(position, name, "element [%d]: %s expected, got %s", i, what, type(row))
    end
  end
end

local function check_options(options, position, name)
  if options ~= nil then
    check_table(options, position, name, "table of options")
  end
end

--- Bars: { label, value [, text] }.
function shapes.bars(items, options, name)
  check_rows(items, 1, name, "{ label, value }")
  for i, item in ipairs(items) do
    check_number(item[2], name, "value of element [%d]", i)
  end
  check_options(options, 2, name)
end

function shapes.numbers(list, options, name)
  check_table(list, 1, name, "list of numbers")
  for i, x in ipairs(list) do
    check_number(x, name, "element [%d]", i)
  end
  check_options(options, 2, name)
end

--- Series: lists of points { x, y }.
function shapes.series(series, options, name)
  check_rows(series, 1, name, "list of points")
  for i, line in ipairs(series) do
    for j, point in ipairs(line) do
      if type(point) ~= "table" then
        check.argument(1, name, "element [%d][%d]: point { x, y } expected, got %s", i, j, type(point))
      end
      check_number(point[1], name, "x of element [%d][%d]", i, j)
      check_number(point[2], name, "y of element [%d][%d]", i, j)
    end
  end
  check_options(options, 2, name)
end

--- Spans of time: { lane =, from =, to = }.
function shapes.spans(spans, options, name)
  check_rows(spans, 1, name, "span { lane =, from =, to = }")
  for i, span in ipairs(spans) do
    check_number(span.from, name, "'from' of element [%d]", i)
    check_number(span.to, name, "'to' of element [%d]", i)
  end
  check_options(options, 2, name)
end

--- A header and rows of cells.
function shapes.cells(header, rows, options, name)
  check_table(header, 1, name, "list of names")
  check_rows(rows, 2, name, "list of cells")
  check_options(options, 3, name)
end

return shapes
