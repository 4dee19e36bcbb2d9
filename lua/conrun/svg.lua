-- SPDX-License-Identifier: MIT
--
-- svg: the pictures of conrun.plot as SVG documents.
--
-- Each function takes what its namesake in plot takes and returns a whole document,
-- which a browser shows and an HTML page can hold as it is.  A picture needs nothing
-- beside it: no style sheet, no script, no fonts of its own.  It is white below, so
-- that it can be read on a dark page too.
--
-- Colours are told apart by people who see few of them (the set of Okabe and Ito),
-- and no picture needs them to be understood: series have marks and a legend.

local scale = require "conrun.scale"
local shapes = require "conrun.shapes"
local words = require "conrun.text"

local svg = {}

local colours = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#a0522d" }
local label_columns = 40 -- longer labels are cut
local column = 7 -- pixels of a character, about

local function colour(i)
  return colours[(i - 1) % #colours + 1]
end

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

-- What is no character of XML must not get into a document.
local function escape(line)
  line = tostring(line):gsub("%c", " ")
  if not utf8.len(line) then
    line = line:gsub("[\x80-\xFF]", "?")
  end
  return (line:gsub('[&<>"]', entities))
end

local function number(x)
  return (("%.2f"):format(x):gsub("%.?0+$", ""))
end

local function element(out, name, attributes, content)
  local parts = { "<" .. name }
  for _, pair in ipairs(attributes) do
    local value = type(pair[2]) == "number" and number(pair[2]) or escape(pair[2])
    parts[#parts + 1] = (' %s="%s"'):format(pair[1], value)
  end
  parts[#parts + 1] = content and ">" .. content .. "</" .. name .. ">" or "/>"
  out[#out + 1] = table.concat(parts)
end

local function put_text(out, x, y, line, anchor, more)
  local attributes = { { "x", x }, { "y", y }, { "text-anchor", anchor or "start" } }
  attributes[4] = more
  element(out, "text", attributes, escape(line))
end

local function put_line(out, x1, y1, x2, y2, stroke)
  element(out, "line", { { "x1", x1 }, { "y1", y1 }, { "x2", x2 }, { "y2", y2 }, { "stroke", stroke or "#333" } })
end

local function put_box(out, x, y, width, height, fill, title)
  local attributes = { { "x", x }, { "y", y }, { "width", math.max(width, 0.5) }, { "height", height } }
  attributes[5] = { "fill", fill }
  element(out, "rect", attributes, title and "<title>" .. escape(title) .. "</title>")
end

-- The document around what `draw(out, top)` puts into it; the title stands above.
local function document(width, height, title, draw)
  local top = title and 30 or 8
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '):format(
      width, height + top, width, height + top)
      .. 'font-family="sans-serif" font-size="12">',
  }
  put_box(out, 0, 0, width, height + top, "white")
  if title then
    put_text(out, width / 2, 20, title, "middle", { "font-weight", "bold" })
  end
  draw(out, top)
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

local function cut(label)
  return words.clip(tostring(label), label_columns, "…")
end

local function margin_of(labels)
  local most = 0
  for _, label in ipairs(labels) do
    most = math.max(most, words.width(label))
  end
  return most * column + 16
end

--------------------------------------------------------------------------- bars

--- Horizontal bars, one per item, all to the same scale from zero.
---@param items { [1]: string, [2]: number, [3]: string? }[] label, value, text after the bar
---@param options? { title?: string, width?: integer }
---@return string
function svg.bars(items, options)
  shapes.bars(items, options, "bars")
  options = options or {}
  local labels, ends, values = {}, {}, { 0 }
  for i, item in ipairs(items) do
    labels[i], ends[i] = cut(item[1]), item[3] or scale.number(item[2])
    values[i + 1] = item[2]
  end
  local low, high = scale.range(values)
  local left, right, width = margin_of(labels), margin_of(ends), options.width or 640
  local room = math.max(80, width - left - right)
  local unit = high > low and room / (high - low) or 0
  local zero = left - low * unit
  return document(left + room + right, 24 * #items + 16, options.title, function(out, top)
    for i, item in ipairs(items) do
      local y = top + 24 * (i - 1)
      local length = scale.drawable(item[2]) and item[2] * unit or 0
      put_text(out, left - 8, y + 16, labels[i], "end")
      put_box(out, zero + math.min(length, 0), y + 4, math.abs(length), 16, colour(1))
      put_text(out, zero + math.max(length, 0) + 6, y + 16, ends[i])
    end
    put_line(out, zero, top, zero, top + 24 * #items)
  end)
end

--- How often numbers of each size occur.
---@param numbers number[]
---@param options? { title?: string, width?: integer, bins?: integer, format?: fun(x: number): string }
---@return string
function svg.histogram(numbers, options)
  shapes.numbers(numbers, options, "histogram")
  options = options or {}
  local format, items = options.format or scale.number, {}
  for i, bin in ipairs((scale.bins(numbers, options.bins or 10))) do
    items[i] = { format(bin.from) .. " – " .. format(bin.to), bin.count }
  end
  return svg.bars(items, options)
end

-------------------------------------------------------------------------- lines

local function corner(x, y)
  return number(x) .. "," .. number(y)
end

local function marks(out, i, x, y)
  local fill = { "fill", colour(i) }
  if i % 3 == 1 then
    element(out, "circle", { { "cx", x }, { "cy", y }, { "r", 4 }, fill })
  elseif i % 3 == 2 then
    local corners = { corner(x, y - 5), corner(x - 5, y + 4), corner(x + 5, y + 4) }
    element(out, "polygon", { { "points", table.concat(corners, " ") }, fill })
  else
    put_box(out, x - 4, y - 4, 8, 8, colour(i))
  end
end

local function put_axes(out, axes, box, format)
  for _, tick in ipairs(axes.y) do
    local y = box.bottom - scale.place(tick, axes.y) * (box.bottom - box.top)
    put_line(out, box.left, y, box.right, y, "#ddd")
    put_text(out, box.left - 6, y + 4, format(tick), "end")
  end
  for _, tick in ipairs(axes.x) do
    local x = box.left + scale.place(tick, axes.x) * (box.right - box.left)
    put_line(out, x, box.bottom, x, box.bottom + 4)
    put_text(out, x, box.bottom + 18, scale.number(tick), "middle")
  end
  put_line(out, box.left, box.bottom, box.right, box.bottom)
  put_line(out, box.left, box.top, box.left, box.bottom)
end

local function put_series(out, i, line, axes, box)
  local points = {}
  for _, point in ipairs(line) do
    if scale.drawable(point[1]) and scale.drawable(point[2]) then
      local x = box.left + scale.place(point[1], axes.x) * (box.right - box.left)
      local y = box.bottom - scale.place(point[2], axes.y) * (box.bottom - box.top)
      points[#points + 1] = corner(x, y)
      marks(out, i, x, y)
    end
  end
  local way = { "points", table.concat(points, " ") }
  element(out, "polyline", { way, { "fill", "none" }, { "stroke", colour(i) }, { "stroke-width", 2 } })
end

local function put_legend(out, series, y, left)
  for i, line in ipairs(series) do
    if line.label then
      marks(out, i, left, y - 4)
      put_text(out, left + 10, y, cut(line.label))
      left = left + words.width(cut(line.label)) * column + 32
    end
  end
end

--- Points of one or several series in a coordinate system, connected in their order.
---@param series table[] each a list of points { x, y }, with a `label`
---@param options? table
---@return string
function svg.lines(series, options)
  shapes.series(series, options, "lines")
  options = options or {}
  local width, height = options.width or 640, options.height or 360
  local axes = scale.axes(series, math.max(2, width // 90), math.max(2, height // 60))
  return document(width, height, options.title, function(out, top)
    if not axes then
      return put_text(out, width / 2, height / 2, "nothing to draw", "middle")
    end
    local format, texts = options.format or scale.number, {}
    for i, tick in ipairs(axes.y) do
      texts[i] = format(tick)
    end
    local head = options.ylabel and 16 or 0
    local box = { left = margin_of(texts), right = width - 20, top = top + head + 8, bottom = top + height - 64 }
    if options.ylabel then
      put_text(out, 8, top + 10, options.ylabel)
    end
    put_axes(out, axes, box, format)
    for i, line in ipairs(series) do
      put_series(out, i, line, axes, box)
    end
    if options.xlabel then
      put_text(out, (box.left + box.right) / 2, box.bottom + 36, options.xlabel, "middle")
    end
    put_legend(out, series, top + height - 8, box.left + 6)
  end)
end

-------------------------------------------------------------------------- lanes

local function put_lane(out, lane, left, y, place)
  put_text(out, left - 8, y + 15, cut(lane.name), "end")
  for i, span in ipairs(lane.spans) do
    local x = place(span.from)
    put_box(out, x, y + 3, place(span.to) - x, 16, colour((i - 1) % 2 + 1), span.label)
  end
end

--- Who did what when: a row for each lane (a worker), with its spans of time.
---@param spans { lane: string, from: number, to: number, label?: string }[]
---@param options? { title?: string, width?: integer, format?: fun(x: number): string }
---@return string
function svg.lanes(spans, options)
  shapes.spans(spans, options, "lanes")
  options = options or {}
  local lanes, from, to = scale.lanes(spans)
  local names, width = {}, options.width or 640
  for i, lane in ipairs(lanes) do
    names[i] = cut(lane.name)
  end
  local left = margin_of(names)
  local room = math.max(80, width - left - 40)
  local ticks = scale.ticks(0, to - from, math.max(2, room // 90))
  local function place(time)
    return left + scale.place(time - from, ticks) * room
  end
  return document(left + room + 40, 22 * #lanes + 32, options.title, function(out, top)
    local bottom = top + 22 * #lanes
    for _, tick in ipairs(ticks) do
      local x = place(from + tick)
      put_line(out, x, top, x, bottom + 4, "#ddd")
      put_text(out, x, bottom + 18, (options.format or scale.number)(tick), "middle")
    end
    for i, lane in ipairs(lanes) do
      put_lane(out, lane, left, top + 22 * (i - 1), place)
    end
    put_line(out, left, bottom, left + room, bottom)
  end)
end

return svg
