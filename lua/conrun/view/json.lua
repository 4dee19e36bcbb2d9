-- SPDX-License-Identifier: MIT
--
-- json: plain values as JSON, for scripts that read what conrun --dump --json says; its
-- strings are those of a trace, too.
--
-- Internal.  Keys are sorted, so that two equal values are the same text.  A table with a
-- first element, or one that `json.list` has made, is a list.  Bytes that are no UTF-8
-- become U+FFFD, for JSON has no place for them.

local json = {}

local list = {}

--- Marks a table as a list, also when it is empty.
function json.list(t) return setmetatable(t, list) end

local short = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" }

local function valid(text)
  local at, parts = 1, {}
  while true do
    local good, bad = utf8.len(text, at)
    if good then
      return table.concat(parts) .. text:sub(at)
    end
    parts[#parts + 1] = text:sub(at, bad - 1) .. "\u{FFFD}"
    at = bad + 1
  end
end

--- A string in quotes.
---@param text string
---@return string
function json.quote(text)
  return '"' .. valid(text):gsub('[%c"\\\127]', function(c) return short[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local quote = json.quote

local encode

local function encode_list(t, indent)
  local parts = {}
  for i, value in ipairs(t) do
    parts[i] = indent .. "  " .. encode(value, indent .. "  ")
  end
  return #parts == 0 and "[]" or "[\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "]"
end

local function encode_map(t, indent)
  local names, parts = {}, {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = indent .. "  " .. quote(name) .. ": " .. encode(t[name], indent .. "  ")
  end
  return #parts == 0 and "{}" or "{\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "}"
end

function encode(value, indent)
  if type(value) == "table" then
    local is_list = value[1] ~= nil or getmetatable(value) == list
    return (is_list and encode_list or encode_map)(value, indent)
  elseif type(value) == "string" then
    return quote(value)
  elseif math.type(value) == "float" then
    return ("%.6f"):format(value)
  end
  return tostring(value)
end

--- A value of tables, strings, booleans and finite numbers.
---@return string
function json.encode(value) return encode(value, "") end

return json
