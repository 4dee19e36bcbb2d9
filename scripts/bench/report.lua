-- SPDX-License-Identifier: MIT
--
-- report: what was measured as a table, as JSON, and as a picture.
--
-- All three show the same results.  What was not measured is a blank in the table
-- and null in JSON, never a zero; a side that failed says why below the table.

local plot = require "conrun.plot"

local report = {}

-- Three significant digits with k, M or G.
local function short(number, suffix)
  for _, step in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
    if number >= step[1] then
      return ("%.3g %s%s"):format(number / step[1], step[2], suffix)
    end
  end
  return ("%.3g %s"):format(number, suffix)
end

local function seconds(number)
  if number < 1e-6 then
    return ("%.3g ns"):format(number * 1e9)
  elseif number < 1e-3 then
    return ("%.3g us"):format(number * 1e6)
  end
  return number < 1 and ("%.3g ms"):format(number * 1e3) or ("%.3g s"):format(number)
end

--- A value as people read it.
---@param unit string of the row
---@param number number?
---@return string
function report.value(unit, number)
  if not number then
    return ""
  elseif unit == "rate" then
    return short(number, "/s")
  elseif unit == "bytes" then
    return short(number, "B")
  elseif unit == "factor" then
    return ("%.2f x"):format(number)
  end
  return seconds(number)
end

local function cell(result, kind)
  local side = result.sides[kind]
  if not side then
    return "-"
  end
  return side.failure and "failed" or report.value(result.row.unit, side.median)
end

local function spread(result)
  local parts = {}
  for _, kind in ipairs { "conrun", "python", "floor" } do
    local side = result.sides[kind]
    parts[#parts + 1] = side and side.spread and ("%.0f"):format(100 * side.spread) or "-"
  end
  return table.concat(parts, "/")
end

local function factor(number)
  return number and ("%.3g"):format(number) or ""
end

local function verdict(result)
  if result.reached == nil then
    return "no verdict"
  end
  return result.reached and "reached" or "MISSED"
end

local header = { "metric", "what", "conrun", "python3", "ratio", "floor", "of floor", "target", "verdict", "spread %" }
local align = { "left", "left", "right", "right", "right", "right", "right", "left", "left", "right" }

--- The table, with what failed below it.
---@param results bench.Result[]
---@return string
function report.table(results)
  local cells, lines = {}, {}
  for i, result in ipairs(results) do
    cells[i] = {
      result.row.name,
      result.row.title,
      cell(result, "conrun"),
      cell(result, "python"),
      factor(result.ratio),
      cell(result, "floor"),
      factor(result.of_floor),
      result.row.target.text,
      verdict(result),
      spread(result),
    }
    for _, kind in ipairs { "conrun", "python", "floor" } do
      local side = result.sides[kind]
      if side and side.failure then
        lines[#lines + 1] = ("%s: %s failed: %s"):format(result.row.name, kind, side.failure)
      end
    end
  end
  local text = plot.table(header, cells, { align = align, width = 200 })
  return #lines > 0 and text .. "\n\n" .. table.concat(lines, "\n") or text
end

---------------------------------------------------------------------------- JSON

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" }

local function text_to_json(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return escapes[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

--- A value as JSON: lists, tables with text as keys (sorted), numbers, texts, booleans.
---@param value any
---@return string
function report.json(value)
  if type(value) == "string" then
    return text_to_json(value)
  elseif type(value) == "number" then
    return math.type(value) == "integer" and tostring(value) or ("%.9g"):format(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  if value[1] ~= nil or next(value) == nil then
    for i, item in ipairs(value) do
      parts[i] = report.json(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for name, item in pairs(value) do
    parts[#parts + 1] = text_to_json(name) .. ":" .. report.json(item)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

--- What JSON shows of the results.
---@param results bench.Result[]
---@return table[]
function report.plain(results)
  local list = {}
  for i, result in ipairs(results) do
    list[i] = {
      name = result.row.name,
      title = result.row.title,
      unit = result.row.unit,
      note = result.row.note,
      target = result.row.target.text,
      limit = result.limit,
      sides = result.sides,
      ratio = result.ratio,
      of_floor = result.of_floor,
      reached = result.reached,
    }
  end
  return list
end

------------------------------------------------------------------------- picture

local colours = { [true] = "#2a7e43", [false] = "#b4472d" }

local function svg_text(x, y, text, more)
  text = text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" })
  return ('<text x="%g" y="%g" %s>%s</text>'):format(x, y, more or "", text)
end

--- The ratios to Python as bars from 1, on a scale of powers of ten: to the right
--- conrun is faster.  Green bars reached their target.
---@param results bench.Result[]
---@return string
function report.svg(results)
  local shown, most = {}, 1
  for _, result in ipairs(results) do
    if result.ratio and result.ratio > 0 then
      shown[#shown + 1] = result
      most = math.max(most, math.abs(math.log(result.ratio, 10)))
    end
  end
  local step, left, half = 20, 180, 240
  local height = step * (#shown + 3)
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="760" height="%d" font-family="sans-serif" font-size="12">')
      :format(height),
    '<rect width="100%" height="100%" fill="white"/>',
    svg_text(left + half, step, "conrun / python3 (powers of ten; green: target reached)", 'text-anchor="middle"'),
  }
  for power = -math.ceil(most), math.ceil(most) do
    local x = left + half + half * power / math.ceil(most)
    out[#out + 1] = ('<line x1="%g" x2="%g" y1="%d" y2="%d" stroke="#ccc"/>'):format(x, x, 1.5 * step, height - step)
    out[#out + 1] = svg_text(x, height - step / 4, ("%g"):format(10.0 ^ power), 'text-anchor="middle"')
  end
  for i, result in ipairs(shown) do
    local length = half * math.log(result.ratio, 10) / math.ceil(most)
    local y = step * (i + 1)
    out[#out + 1] = svg_text(left - 8, y + 4, result.row.name, 'text-anchor="end"')
    out[#out + 1] = ('<rect x="%g" y="%g" width="%g" height="12" fill="%s"/>'):format(
      left + half + math.min(length, 0), y - 6, math.max(1, math.abs(length)), colours[result.reached] or "#777")
    out[#out + 1] = svg_text(left + 2 * half + 8, y + 4, ("%.3g x"):format(result.ratio))
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return report
