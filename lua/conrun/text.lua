-- SPDX-License-Identifier: MIT
--
-- text: how wide a text is on a terminal, and how it is cut to fit.
--
-- Internal; plot and progress lay out with it.
--
-- A terminal gives most characters one column, East Asian wide ones and emoji two,
-- and combining marks none.  The ranges below are the large blocks and not every
-- single exception: a table that is one column askew for a rare sign is better than
-- a copy of Unicode's tables in every binary.  Bytes that are no UTF-8 are counted
-- one by one, since askew is better than an error.

local text = {}

-- Pairs of first and last code point, in order.
local none = {
  0x300, 0x36F, 0x483, 0x489, 0x591, 0x5BD, 0x610, 0x61A, 0x64B, 0x65F, 0xE31, 0xE31, 0xE34, 0xE3A, 0x1AB0, 0x1AFF,
  0x1DC0, 0x1DFF, 0x200B, 0x200F, 0x20D0, 0x20FF, 0xFE00, 0xFE0F, 0xFE20, 0xFE2F,
}
local wide = {
  0x1100, 0x115F, 0x2E80, 0x303E, 0x3041, 0x4DBF, 0x4E00, 0xA4CF, 0xA960, 0xA97F, 0xAC00, 0xD7A3, 0xF900, 0xFAFF,
  0xFE30, 0xFE6F, 0xFF00, 0xFF60, 0xFFE0, 0xFFE6, 0x1F300, 0x1F64F, 0x1F680, 0x1F6FF, 0x1F900, 0x1FAFF,
  0x20000, 0x3FFFD,
}

local function is_in(ranges, code)
  for i = 1, #ranges, 2 do
    if code <= ranges[i + 1] then
      return code >= ranges[i]
    end
  end
  return false
end

local function columns_of(code)
  if code < 0x300 then
    return 1
  end
  return is_in(none, code) and 0 or is_in(wide, code) and 2 or 1
end

--- Columns that a text of one line takes.
---@param line string
---@return integer
function text.width(line)
  if not line:find "[\x80-\xFF]" or not utf8.len(line) then
    return #line
  end
  local sum = 0
  for _, code in utf8.codes(line) do
    sum = sum + columns_of(code)
  end
  return sum
end

--- The beginning of a text that fits into so many columns, and the rest; at least
--- one character, so that who cuts on and on comes to an end.
---@param line string
---@param columns integer
---@return string start
---@return string rest
function text.split(line, columns)
  if not utf8.len(line) then
    return line:sub(1, math.max(1, columns)), line:sub(math.max(1, columns) + 1)
  end
  local sum = 0
  for at, code in utf8.codes(line) do
    sum = sum + columns_of(code)
    if sum > columns and at > 1 then
      return line:sub(1, at - 1), line:sub(at)
    end
  end
  return line, ""
end

--- A text that is too wide, cut and marked so.
---@param line string
---@param columns integer
---@param mark string "…" or ".."
---@return string
function text.clip(line, columns, mark)
  if text.width(line) <= columns then
    return line
  end
  return (text.split(line, columns - text.width(mark))) .. mark
end

--- Fills up with blanks.
---@param line string
---@param columns integer
---@param align? "left"|"right"|"center"
---@return string
function text.pad(line, columns, align)
  local blanks = math.max(0, columns - text.width(line))
  local before = align == "right" and blanks or align == "center" and blanks // 2 or 0
  return (" "):rep(before) .. line .. (" "):rep(blanks - before)
end

--- The lines into which words are put; a word that is wider than a line is cut.
---@param words string
---@param columns integer
---@return string[]
function text.wrap(words, columns)
  local lines, line = {}, ""
  for word in words:gmatch "%S+" do
    local longer = line == "" and word or line .. " " .. word
    if text.width(longer) <= columns then
      line = longer
    else
      lines[#lines + 1] = line ~= "" and line or nil
      while text.width(word) > columns do
        lines[#lines + 1], word = text.split(word, columns)
      end
      line = word
    end
  end
  lines[#lines + 1] = line
  return lines
end

--- The word of a list that is most like `word`, if any is near enough for a slip.
---@param word string
---@param list string[]
---@return string?
function text.nearest(word, list)
  return require("conrun.core").nearest(word, list)
end

return text
