-- SPDX-License-Identifier: MIT
--
-- plot: aligned text tables, bar plots and lists for a terminal or a file.
--
-- The scripts show what they measured; this module only lays text out.  Every
-- function returns a string and prints nothing, so the caller decides where it
-- goes and a spec can look at it.
--
-- Design: widths are counted in characters (utf8.len), not bytes.  A table that
-- is too wide takes room from its widest column and wraps that column's words,
-- until it fits.  Lines and bars are drawn in Unicode where the locale says
-- UTF-8, and in ASCII elsewhere.  Colours and cursor movements are left out on
-- purpose: the output must read the same in a log file.

local plot = {}

local default_width = 100
local narrowest = 8

--- Whether the locale of the environment is UTF-8, as libc would decide it.
---@return boolean
function plot.unicode()
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = os.getenv(name)
    if value and value ~= "" then
      return value:lower():find("utf%-?8") ~= nil
    end
  end
  return false
end

-- Bytes that are no UTF-8 are counted one by one: better askew than an error.
local function width(text)
  return utf8.len(text) or #text
end

local function pad(text, columns, align)
  local blanks = (" "):rep(columns - width(text))
  return align == "right" and blanks .. text or text .. blanks
end

-- Cuts a word that is wider than its column; the pieces keep whole characters.
local function cut(word, columns, lines)
  while width(word) > columns do
    local after = utf8.len(word) and utf8.offset(word, columns + 1) or columns + 1
    lines[#lines + 1] = word:sub(1, after - 1)
    word = word:sub(after)
  end
  return word
end

local function wrap(text, columns)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    local longer = line == "" and word or line .. " " .. word
    if width(longer) <= columns then
      line = longer
    else
      lines[#lines + 1] = line ~= "" and line or nil
      line = cut(word, columns, lines)
    end
  end
  lines[#lines + 1] = line
  return lines
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

--- A table of text: a header, a rule, and the rows below it.
---@param header string[] names of the columns; their number is the table's width
---@param rows any[][] cells, shown by tostring; missing ones are empty
---@param options? { align?: string[], width?: integer } align "left" (default) or "right" per column
---@return string text without a final newline
function plot.table(header, rows, options)
  options = options or {}
  local align, all = options.align or {}, { to_text(header, #header) }
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
  local dash, parts = plot.unicode() and "─" or "-", {}
  for column, columns in ipairs(widths) do
    parts[column] = dash:rep(columns)
  end
  return table.concat(parts, "  ")
end

-- Eighths of a character cell, from one to seven.
local eighths = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

local function bar(length)
  if not plot.unicode() then
    return ("#"):rep(math.floor(length + 0.5))
  end
  local whole = math.floor(length)
  return ("█"):rep(whole) .. (eighths[math.floor((length - whole) * 8)] or "")
end

--- Horizontal bars, one per item, all to the same scale from zero.
---@param items { [1]: string, [2]: number, [3]: string? }[] label, value, text after the bar
---@param options? { width?: integer } length of the longest bar in characters
---@return string
function plot.bars(items, options)
  local longest = options and options.width or 40
  local largest, labels, lines = 0, 0, {}
  for _, item in ipairs(items) do
    largest = math.max(largest, item[2])
    labels = math.max(labels, width(item[1]))
  end
  for i, item in ipairs(items) do
    local length = largest > 0 and math.max(item[2], 0) / largest * longest or 0
    local text = item[3] or ("%.4g"):format(item[2])
    lines[i] = ("%s  %s %s"):format(pad(item[1], labels, "right"), bar(length), text)
  end
  return table.concat(lines, "\n")
end

--- A list as one line: [1, 4, 9].
---@param list any[]
---@return string
function plot.list(list)
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
  if seconds < 1e-3 then
    return ("%.1f %s"):format(seconds * 1e6, plot.unicode() and "µs" or "us")
  elseif seconds < 1 then
    return ("%.2f ms"):format(seconds * 1e3)
  end
  return ("%.2f s"):format(seconds)
end

--- The two words that every tested claim ends with.
---@param holds boolean
---@return string
function plot.verdict(holds)
  return holds and "holds" or "does not hold here"
end

return plot
