-- SPDX-License-Identifier: MIT
--
-- bench_report: what an experiment measured, told in text, JSON, CSV, Markdown and HTML.
--
-- Internal; conrun.bench.run makes reports.  All forms have the same numbers.  Text,
-- Markdown and HTML round them for people, JSON and CSV give seconds as measured, so
-- that other programs can go on with them.

local plot = require "conrun.plot"
local words = require "conrun.text"

local bench_report = {}

---@class bench.Report
---@field title string?
---@field cores integer
---@field runs integer
---@field baseline string
---@field rows bench.Row[] in the order of the sides
---@field warnings string[]
local methods = {}

local fields = { title = true, cores = true, runs = true, baseline = true, rows = true, warnings = true }

local header = { "side", "median", "spread", "speed-up", "efficiency", "" }
local align = { "left", "right", "right", "right", "right", "left" }

local function percent(share)
  return ("%.0f %%"):format(share * 100)
end

local function remark(report, row)
  return row.name == report.baseline and "baseline" or row.noise and "noise?" or ""
end

local function cells(report)
  local list = {}
  for i, row in ipairs(report.rows) do
    list[i] = {
      row.name,
      plot.seconds(row.median),
      percent(row.spread),
      ("%.2f x"):format(row.speedup),
      row.efficiency and percent(row.efficiency) or "",
      remark(report, row),
    }
  end
  return list
end

-- The runs that are far off, and everything else that one should know.
local function notes(report)
  local list, far = {}, {}
  for _, row in ipairs(report.rows) do
    for _, run in ipairs(row.outliers) do
      far[#far + 1] = ("%s run %d (%s)"):format(row.name, run, plot.seconds(row.times[run]))
    end
  end
  if #far > 0 then
    list[1] = "runs that are far off: " .. table.concat(far, ", ")
  end
  return table.move(report.warnings, 1, #report.warnings, #list + 1, list)
end

local function caption(report)
  local runs = report.runs == 1 and "one run" or ("median of %d runs"):format(report.runs)
  local cores = report.cores == 1 and "one processor" or report.cores .. " processors"
  return ("%s%s, %s"):format(report.title and report.title .. ": " or "", runs, cores)
end

local function bars(report)
  local items = {}
  for i, row in ipairs(report.rows) do
    items[i] = { row.name, row.speedup, ("%.2f x"):format(row.speedup) }
  end
  return items
end

--- The report for a terminal.
---@return string text without a final newline
function methods:text()
  local out = { caption(self), "", plot.table(header, cells(self), { align = align }) }
  if #self.rows > 1 then
    out[#out + 1] = "\nspeed-up over '" .. self.baseline .. "':\n\n" .. plot.bars(bars(self))
  end
  for i, note in ipairs(notes(self)) do
    local lines = words.wrap(note, 80 - 6)
    out[#out + 1] = (i == 1 and "\n" or "") .. "note: " .. table.concat(lines, "\n      ")
  end
  return table.concat(out, "\n")
end

---------------------------------------------------------------------------- JSON

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(text)
  -- JSON is Unicode: bytes that are none are shown as question marks.
  text = utf8.len(text) and text or text:gsub("[\x80-\xFF]", "?")
  return '"' .. text:gsub('[%c"\\]', function(c) return escapes[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function is_list(value)
  return #value > 0 or next(value) == nil
end

-- NaN and infinite numbers are null, which is all that JSON has for them.
local function encode(value)
  local kind = type(value)
  if kind == "string" then
    return quote(value)
  elseif kind == "number" then
    local finite = value == value and math.abs(value) ~= math.huge
    return not finite and "null" or math.type(value) == "integer" and tostring(value) or ("%.9g"):format(value)
  elseif kind ~= "table" then
    return tostring(value)
  end
  local parts = {}
  if is_list(value) then
    for i, item in ipairs(value) do
      parts[i] = encode(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for name, item in pairs(value) do
    parts[#parts + 1] = quote(name) .. ":" .. encode(item)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

--- Everything that was measured, as JSON.
---@return string
function methods:json()
  local plain = {}
  for field in pairs(fields) do
    plain[field] = self[field]
  end
  return encode(plain) .. "\n"
end

----------------------------------------------------------------------------- CSV

local columns = { "name", "workers", "median", "low", "high", "spread", "speedup", "efficiency", "noise" }

local function csv_field(value)
  local text = value == nil and "" or type(value) == "number" and ("%.9g"):format(value) or tostring(value)
  return text:find '[",\r\n]' and '"' .. text:gsub('"', '""') .. '"' or text
end

--- A line for each side, seconds as measured, with a header.
---@return string
function methods:csv()
  local lines = { table.concat(columns, ",") }
  for i, row in ipairs(self.rows) do
    local values = {}
    for k, column in ipairs(columns) do
      values[k] = csv_field(row[column])
    end
    lines[i + 1] = table.concat(values, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

---------------------------------------------------------------- Markdown and HTML

--- A table in Markdown.
---@return string
function methods:markdown()
  local function line(texts)
    local parts = {}
    for i, text in ipairs(texts) do
      parts[i] = (text:gsub("[|\\]", "\\%0"):gsub("%c", " "))
    end
    return "| " .. table.concat(parts, " | ") .. " |"
  end
  local out = { caption(self), "", line(header), "| --- | ---: | ---: | ---: | ---: | --- |" }
  for _, row in ipairs(cells(self)) do
    out[#out + 1] = line(row)
  end
  for i, note in ipairs(notes(self)) do
    out[#out + 1] = (i == 1 and "\n" or "") .. "- " .. note
  end
  return table.concat(out, "\n") .. "\n"
end

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

local function escape(text)
  return (text:gsub("[&<>]", entities))
end

local style = "body{font-family:sans-serif;max-width:50em;margin:2em auto}td,th{padding:.2em .8em;text-align:right}"
  .. "td:first-child,th:first-child{text-align:left}"

--- A page with the table and the picture in it, and nothing beside it.
---@return string
function methods:html()
  local out = {
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>',
    escape(self.title or "benchmark"), "</title><style>", style, "</style></head><body>\n<p>",
    escape(caption(self)), "</p>\n<table>\n",
  }
  local function line(tag, texts)
    out[#out + 1] = "<tr>"
    for _, text in ipairs(texts) do
      out[#out + 1] = ("<%s>%s</%s>"):format(tag, escape(text), tag)
    end
    out[#out + 1] = "</tr>\n"
  end
  line("th", header)
  for _, row in ipairs(cells(self)) do
    line("td", row)
  end
  out[#out + 1] = "</table>\n" .. require("conrun.svg").bars(bars(self), { title = "speed-up over " .. self.baseline })
  for i, note in ipairs(notes(self)) do
    out[#out + 1] = (i == 1 and "<ul>" or "") .. "<li>" .. escape(note) .. "</li>\n"
  end
  out[#out + 1] = (#notes(self) > 0 and "</ul>" or "") .. "</body></html>\n"
  return table.concat(out)
end

local metatable = { __name = "benchmark", __index = methods, __tostring = methods.text }

bench_report.methods = methods

--- Gives the numbers their methods, and the rows their names.  A side that is called
--- like a field or a method is found in `rows` only.
---@param report table
---@return bench.Report
function bench_report.new(report)
  for _, row in ipairs(report.rows) do
    if not fields[row.name] and not methods[row.name] then
      report[row.name] = row
    end
  end
  return setmetatable(report, metatable)
end

return bench_report
