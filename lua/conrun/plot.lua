-- SPDX-License-Identifier: MIT
--
-- plot: tables and pictures of numbers in characters, for a terminal or a file.
--
-- The scripts show what they measured; this module only lays text out.  Every
-- function returns a string and prints nothing, so the caller decides where it
-- goes and a spec can look at it.  All fit into 80 columns unless told otherwise.
-- conrun.svg draws the same from the same arguments as a picture.
--
-- Design: widths are counted in columns of the terminal, not in bytes.  A table that
-- is too wide takes room from its widest column and wraps that column's words,
-- until it fits.  Lines and bars are drawn in Unicode where the locale says
-- UTF-8, and in ASCII elsewhere.  Colours and cursor movements are left out on
-- purpose: the output must read the same in a log file.
--
-- What cannot be drawn is never an error, since a measurement should not be lost to
-- its picture: NaN and infinite numbers are shown as words, or counted below.

local check = require "conrun.check"
local scale = require "conrun.scale"
local shapes = require "conrun.shapes"
local words = require "conrun.text"

local plot = {}

local pad, width, wrap = words.pad, words.width, words.wrap

local default_width = 80
local narrowest = 8
local longest_label = 24 -- columns, of a bar or a lane

--- Whether the locale of the environment is UTF-8, as libc would decide it.
---@return boolean
function plot.unicode()
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = os.getenv and os.getenv(name) -- a sandbox may be without it
    if value and value ~= "" then
      return value:lower():find("utf%-?8") ~= nil
    end
  end
  return false
end

local function measure(rows, count)
  local widths = {}
  for column = 1, count do
    widths[column] = 0
    for _, row in ipairs(rows) do
      widths[column] = math.max(widths[column], width(row[column]))
    end
  end
  return widths
end

-- Takes characters from the widest column until the row fits into `room`.
local function squeeze(widths, room)
  local total = 2 * (#widths - 1)
  for _, columns in ipairs(widths) do
    total = total + columns
  end
  while total > room do
    local widest = 1
    for column, columns in ipairs(widths) do
      widest = columns > widths[widest] and column or widest
    end
    if widths[widest] <= narrowest then
      return
    end
    widths[widest], total = widths[widest] - 1, total - 1
  end
end

-- One row of cells becomes as many lines as its tallest cell has.
local function lay(row, widths, align, out)
  local cells, height = {}, 1
  for column, columns in ipairs(widths) do
    cells[column] = wrap(row[column], columns)
    height = math.max(height, #cells[column])
  end
  for line = 1, height do
    local parts = {}
    for column, columns in ipairs(widths) do
      parts[column] = pad(cells[column][line] or "", columns, align[column])
    end
    out[#out + 1] = (table.concat(parts, "  "):gsub("%s+$", ""))
  end
  return height
end

local function to_text(row, count)
  local texts = {}
  for column = 1, count do
    texts[column] = row[column] == nil and "" or tostring(row[column])
  end
  return texts
end

-- Numbers stand at the right, so that their digits are below each other.
local function alignment(rows, count, given)
  local align = {}
  for column = 1, count do
    local numbers = 0
    for _, row in ipairs(rows) do
      local kind = type(row[column])
      numbers = kind == "number" and numbers + 1 or kind == "nil" and numbers or -math.huge
    end
    align[column] = given[column] or numbers > 0 and "right" or "left"
  end
  return align
end

--- A table of text: a header, a rule, and the rows below it.
---@param header string[] names of the columns; their number is the table's width
---@param rows any[][] cells, shown by tostring; missing ones are empty
---@param options? { align?: string[], width?: integer } align per column: "left", "right", or "center"
---@return string text without a final newline
function plot.table(header, rows, options)
  shapes.cells(header, rows, options, "table")
  options = options or {}
  local align = alignment(rows, #header, options.align or {})
  local all = { to_text(header, #header) }
  for _, row in ipairs(rows) do
    all[#all + 1] = to_text(row, #header)
  end
  local widths = measure(all, #header)
  squeeze(widths, options.width or default_width)
  local out, tallest = {}, 1
  for i, row in ipairs(all) do
    -- Where cells run over several lines a blank one tells the rows apart.
    if i > 2 and tallest > 1 then
      out[#out + 1] = ""
    end
    tallest = math.max(tallest, lay(row, widths, align, out))
    if i == 1 then
      tallest = 1
      out[#out + 1] = plot.rule(widths)
    end
  end
  return table.concat(out, "\n")
end

--- The rule under a table's header.
---@param widths integer[] of the columns
---@return string
function plot.rule(widths)
  shapes.numbers(widths, nil, "rule")
  local dash, parts = plot.unicode() and "─" or "-", {}
  for column, columns in ipairs(widths) do
    parts[column] = dash:rep(columns)
  end
  return table.concat(parts, "  ")
end

--------------------------------------------------------------------------- bars

-- Eighths of a character cell, from one to seven.
local eighths = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

local function bar(length)
  if not plot.unicode() then
    return ("#"):rep(math.floor(length + 0.5))
  end
  local eights = math.floor(length * 8 + 0.5)
  return ("█"):rep(eights // 8) .. (eighths[eights % 8] or "")
end

--- A bar that fills a part of its room, as progress shows it.
---@param share number from 0 to 1
---@param columns integer of the whole
---@return string
function plot.meter(share, columns)
  check.number(share, 1, "meter")
  check.number(columns, 2, "meter")
  local full = bar(math.max(0, math.min(share, 1)) * columns)
  return pad(full, columns)
end

-- The longest label's width; longer ones than `longest_label` are cut.
local function label_width(labels)
  local most = 0
  for _, label in ipairs(labels) do
    most = math.max(most, width(label))
  end
  return math.min(most, longest_label)
end

local function fit(label, columns)
  return pad(words.clip(label, columns, plot.unicode() and "…" or ".."), columns, "right")
end

-- Bars to both sides of zero: a negative one ends where positive ones begin.
local function signed_bar(value, largest, left, right)
  if not scale.drawable(value) or largest == 0 then
    return (" "):rep(left)
  elseif value < 0 then
    local full = plot.unicode() and "█" or "#"
    return pad(full:rep(math.floor(-value / largest * right + 0.5)), left, "right")
  end
  return (" "):rep(left) .. bar(value / largest * right)
end

--- Horizontal bars, one per item, all to the same scale from zero.
---@param items { [1]: string, [2]: number, [3]: string? }[] label, value, text after the bar
---@param options? { width?: integer } length of the longest bar in characters
---@return string
function plot.bars(items, options)
  shapes.bars(items, options, "bars")
  local longest = options and options.width or 40
  local labels, values, lines = {}, { 0 }, {}
  for i, item in ipairs(items) do
    labels[i], values[i + 1] = tostring(item[1]), item[2]
  end
  local low, high = scale.range(values)
  local columns, largest = label_width(labels), math.max(-low, high)
  -- The negative side shares the scale, and takes only the room it needs.
  local right = low < 0 and math.floor(longest * largest / (high - low) + 0.5) or longest
  local left = low < 0 and math.max(1, math.floor(-low / largest * right + 0.5)) or 0
  for i, item in ipairs(items) do
    local drawn = signed_bar(item[2], largest, left, right)
    lines[i] = fit(labels[i], columns) .. "  " .. drawn .. " " .. (item[3] or scale.number(item[2]))
  end
  return table.concat(lines, "\n")
end

local function left_out_text(count)
  return count > 0 and ("(not drawn, for NaN or infinite: %d)"):format(count) or nil
end

--- How often numbers of each size occur.
---@param numbers number[]
---@param options? { bins?: integer, width?: integer, format?: fun(x: number): string }
---@return string
function plot.histogram(numbers, options)
  shapes.numbers(numbers, options, "histogram")
  options = options or {}
  local format = options.format or scale.number
  local bins, left_out = scale.bins(numbers, options.bins or 10)
  local items, from, to = {}, 0, 0
  for _, bin in ipairs(bins) do
    from, to = math.max(from, width(format(bin.from))), math.max(to, width(format(bin.to)))
  end
  for i, bin in ipairs(bins) do
    local label = pad(format(bin.from), from, "right") .. " to " .. pad(format(bin.to), to, "right")
    items[i] = { label, bin.count }
  end
  local text = plot.bars(items, { width = options.width })
  if left_out > 0 then
    text = text .. (text ~= "" and "\n" or "") .. left_out_text(left_out)
  end
  return text
end

-------------------------------------------------------------------------- lines

local marks = { { "●", "▲", "■", "◆", "○", "△", "□", "◇" }, { "*", "o", "+", "x", "#", "@", "%", "&" } }

local function mark_of(i)
  local list = marks[plot.unicode() and 1 or 2]
  return list[(i - 1) % #list + 1]
end

-- A grid of blanks; grid[row][column], from the top left.
local function new_grid(columns, rows)
  local grid = {}
  for row = 1, rows do
    grid[row] = {}
    for column = 1, columns do
      grid[row][column] = " "
    end
  end
  return grid
end

-- Dots between two cells, where nothing stands yet.
local function connect(grid, from, to, dot)
  local steps = math.max(math.abs(to[1] - from[1]), math.abs(to[2] - from[2]))
  for i = 1, steps - 1 do
    local column = math.floor(from[1] + (to[1] - from[1]) * i / steps + 0.5)
    local row = math.floor(from[2] + (to[2] - from[2]) * i / steps + 0.5)
    if grid[row][column] == " " then
      grid[row][column] = dot
    end
  end
end

local function cells_of(line, axes, columns, rows)
  local cells = {}
  for _, point in ipairs(line) do
    if scale.drawable(point[1]) and scale.drawable(point[2]) then
      local column = math.floor(scale.place(point[1], axes.x) * (columns - 1) + 1.5)
      local row = rows - math.floor(scale.place(point[2], axes.y) * (rows - 1) + 0.5)
      cells[#cells + 1] = { column, row }
    end
  end
  return cells
end

-- All lines first and all marks over them, so that no line hides a point.
local function draw(series, axes, columns, rows)
  local grid, all = new_grid(columns, rows), {}
  for i, line in ipairs(series) do
    all[i] = cells_of(line, axes, columns, rows)
    for k = 2, #all[i] do
      connect(grid, all[i][k - 1], all[i][k], plot.unicode() and "·" or ".")
    end
  end
  for i, cells in ipairs(all) do
    for _, cell in ipairs(cells) do
      grid[cell[2]][cell[1]] = mark_of(i)
    end
  end
  return grid
end

-- The ticks' texts by the row or column in which they stand.
local function place_ticks(ticks, cells, format)
  local texts = {}
  for _, tick in ipairs(ticks) do
    texts[math.floor(scale.place(tick, ticks) * (cells - 1) + 0.5)] = format(tick)
  end
  return texts
end

-- The numbers below the axis: each under its place, as far as there is room.
local function ticks_line(ticks, columns, format)
  local texts, line = place_ticks(ticks, columns, format), ""
  for column = 0, columns - 1 do
    local text = texts[column]
    local start = text and math.max(0, column - width(text) // 2)
    if text and (line == "" or start > width(line)) then
      line = pad(line, start) .. text
    end
  end
  return line
end

local function legend(series)
  local parts = {}
  for i, line in ipairs(series) do
    parts[#parts + 1] = line.label and mark_of(i) .. " " .. line.label or nil
  end
  return table.concat(parts, "   ")
end

--- Points of one or several series in a coordinate system, connected in their order.
---@param series table[] each a list of points { x, y }, with a `label`
---@param options? table
---@return string
function plot.lines(series, options)
  shapes.series(series, options, "lines")
  options = options or {}
  local columns, rows = options.width or 64, options.height or 16
  local axes = scale.axes(series, math.max(2, columns // 12), math.max(2, rows // 4))
  local out = { options.title }
  if not axes then
    out[#out + 1] = "(nothing to draw)"
    return table.concat(out, "\n")
  end
  local ticks, margin = place_ticks(axes.y, rows, options.format or scale.number), 0
  for _, text in pairs(ticks) do
    margin = math.max(margin, width(text))
  end
  local glyphs = plot.unicode() and { "┤", "│", "└", "─" } or { "+", "|", "+", "-" }
  out[#out + 1] = options.ylabel
  for i, row in ipairs(draw(series, axes, columns, rows)) do
    local text = ticks[rows - i]
    local line = pad(text or "", margin, "right") .. " " .. glyphs[text and 1 or 2] .. table.concat(row)
    out[#out + 1] = line:gsub("%s+$", "") .. ""
  end
  local indent = (" "):rep(margin + 1)
  out[#out + 1] = indent .. glyphs[3] .. glyphs[4]:rep(columns)
  out[#out + 1] = indent .. " " .. ticks_line(axes.x, columns, scale.number)
  out[#out + 1] = options.xlabel and (indent .. " " .. pad(options.xlabel, columns, "center"):gsub("%s+$", "")) or nil
  local names = legend(series)
  out[#out + 1] = names ~= "" and indent .. " " .. names or nil
  out[#out + 1] = left_out_text(axes.left_out)
  return table.concat(out, "\n")
end

-------------------------------------------------------------------------- lanes

local shades = { { "█", "▓", "▒" }, { "#", "=", "%" } }

-- Spans that touch get different shades, so that one can tell them apart.
local function lane_line(lane, from, to, columns)
  local cells = new_grid(columns, 1)[1]
  local list = shades[plot.unicode() and 1 or 2]
  for i, span in ipairs(lane.spans) do
    local first = math.floor((span.from - from) / (to - from) * columns)
    local last = math.ceil((span.to - from) / (to - from) * columns) - 1
    for column = first, math.max(first, last) do
      cells[math.min(column, columns - 1) + 1] = list[(i - 1) % #list + 1]
    end
  end
  return table.concat(cells)
end

--- Who did what when: a line for each lane (a worker), with its spans of time.
---@param spans { lane: string, from: number, to: number }[]
---@param options? { width?: integer, format?: fun(x: number): string }
---@return string
function plot.lanes(spans, options)
  shapes.spans(spans, options, "lanes")
  options = options or {}
  local columns, format = options.width or 48, options.format or scale.number
  local lanes, from, to = scale.lanes(spans)
  if from == to then
    return "(nothing to draw)"
  end
  local names, out = {}, {}
  for i, lane in ipairs(lanes) do
    names[i] = lane.name
  end
  local margin = label_width(names)
  local edge = plot.unicode() and "│" or "|"
  for i, lane in ipairs(lanes) do
    local busy = ("%3d%% busy, %d"):format(math.floor(lane.busy / (to - from) * 100 + 0.5), #lane.spans)
    out[i] = fit(lane.name, margin) .. " " .. edge .. lane_line(lane, from, to, columns) .. edge .. " " .. busy
  end
  local first, last = format(0), format(to - from)
  out[#out + 1] = (" "):rep(margin + 2) .. first .. pad(last, columns - width(first), "right")
  return table.concat(out, "\n")
end

-------------------------------------------------------------------------- texts

--- A list as one line: [1, 4, 9].
---@param list any[]
---@return string
function plot.list(list)
  if type(list) ~= "table" then check.fail(1, "list", "list", list) end
  local texts = {}
  for i = 1, #list do
    texts[i] = tostring(list[i])
  end
  return "[" .. table.concat(texts, ", ") .. "]"
end

--- Seconds as a person reads them: 12.3 us, 4.56 ms, 1.20 s.
---@param seconds number
---@return string
function plot.seconds(seconds)
  check.number(seconds, 1, "seconds")
  local size = math.abs(seconds)
  if seconds == 0 then
    return "0 s"
  elseif size < 1e-6 then
    return ("%.1f ns"):format(seconds * 1e9)
  elseif size < 1e-3 then
    return ("%.1f %s"):format(seconds * 1e6, plot.unicode() and "µs" or "us")
  elseif size < 1 then
    return ("%.2f ms"):format(seconds * 1e3)
  end
  return ("%.2f s"):format(seconds)
end

--- The words that every tested claim ends with.
---@param holds boolean? nil: it cannot be told
---@return string
function plot.verdict(holds)
  if holds == nil then return "too close to call here" end
  return holds and "holds" or "does not hold here"
end

return plot
