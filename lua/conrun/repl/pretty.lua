-- SPDX-License-Identifier: MIT
--
-- pretty: values as a person wants to see them at the prompt.
--
-- Internal: the prompt shows its results with it.
--
-- The text is Lua: tables with their list first and the other keys sorted, strings
-- in quotes.  What cannot be said in Lua is a word in angle brackets (<cycle>,
-- <function stdin:1>); what has a __tostring of its own, as all live objects have,
-- is shown by it.  What was left out is told in a comment: --[[900 more]].
--
-- A text is made in two steps.  `describe` turns a value into a small tree, with all
-- limits applied: depth, entries of one table, entries in all, length of strings.
-- `lay_out` writes the tree on one line if it fits, else with an entry on each line;
-- lists of short things fill the lines.  So layout never looks at a value again, and
-- the work is bounded however large the value is.
--
-- Refused: metamethods other than __tostring and __name.  A table with __pairs or
-- __index is shown as it really is.

local pretty = {}

---@class conrun.repl.Limits
---@field depth integer tables inside tables
---@field entries integer entries of one table
---@field total integer entries of all tables
---@field length integer bytes of a string
---@field width integer columns of a line
local defaults = { depth = 5, entries = 100, total = 1000, length = 1000, width = 80 }

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
    return then true until while]]):gmatch "%a+" do
  keywords[word] = true
end

---@param word any
---@return boolean can be a name in Lua
function pretty.is_name(word)
  return type(word) == "string" and word:find "^[%a_][%w_]*$" ~= nil and not keywords[word]
end

pretty.keywords = keywords

----------------------------------------------------------------------- strings

local escapes = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ["\\"] = "\\\\", ['"'] = '\\"', ["\27"] = "\\27" }

local function escape(char)
  return escapes[char] or ("\\%03d"):format(char:byte())
end

-- Bytes that are no UTF-8 are escaped, so that the terminal gets nothing strange.
local function escape_text(s)
  local parts, from = {}, 1
  while from <= #s do
    local _, bad = utf8.len(s, from)
    local good = s:sub(from, bad and bad - 1 or #s):gsub("[%c\\\"\127]", escape)
    parts[#parts + 1] = good
    if not bad then break end
    parts[#parts + 1] = ("\\x%02X"):format(s:byte(bad))
    from = bad + 1
  end
  return table.concat(parts)
end

local function width_of(s)
  return utf8.len(s) or #s
end

local function quote(s, limits)
  if #s <= limits.length then
    return '"' .. escape_text(s) .. '"'
  end
  local last = limits.length
  while last > 0 and (s:byte(last + 1) or 0) & 0xC0 == 0x80 do
    last = last - 1
  end
  return ('"%s"'):format(escape_text(s:sub(1, last))), ("%d bytes more"):format(#s - last)
end

----------------------------------------------------------------------- leaves

local function number_text(n)
  if n ~= n then
    return "0/0"
  elseif n == math.huge or n == -math.huge then
    return n > 0 and "math.huge" or "-math.huge"
  end
  return tostring(n)
end

-- "string.format", if it is a function of a module that is there; of several such names
-- the shortest.
local function module_path(value)
  local best
  for name, module in next, package.loaded do
    if type(module) == "table" and type(name) == "string" then
      for key, member in next, module do
        if rawequal(member, value) and type(key) == "string" then
          local path = name == "_G" and key or name .. "." .. key
          best = best and (#best < #path or #best == #path and best < path) and best or path
        end
      end
    end
  end
  return best
end

local function function_text(f)
  local info = debug.getinfo(f, "S")
  if info.what == "C" then
    return "<function " .. (module_path(f) or "in C") .. ">"
  end
  return ("<function %s:%d>"):format(info.short_src, info.linedefined)
end

-- The text of an object that says itself how it is shown; an error in that is shown
-- instead, for here nobody could catch it.
local function own_text(value)
  local meta = debug.getmetatable(value)
  if type(meta) ~= "table" or rawget(meta, "__tostring") == nil then
    return nil
  end
  local ok, text = pcall(tostring, value)
  return ok and text or "<error in __tostring: " .. tostring(text) .. ">"
end

local function is_object(value)
  local kind = type(value)
  return kind == "userdata" or kind == "thread"
end

local function leaf(value, limits)
  local kind = type(value)
  if kind == "string" then
    local text, rest = quote(value, limits)
    return { text = text, style = "string", rest = rest }
  elseif kind == "number" then
    return { text = number_text(value), style = "number" }
  elseif kind == "boolean" or kind == "nil" then
    return { text = tostring(value), style = "constant" }
  elseif kind == "function" then
    return { text = function_text(value), style = "object" }
  elseif is_object(value) then
    return { text = own_text(value) or "<" .. tostring(value) .. ">", style = "object" }
  end
end

------------------------------------------------------------------- description

local ranks = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local kind, other = type(a), type(b)
  if kind ~= other then
    local left, right = ranks[kind] or 4, ranks[other] or 4
    return left < right or left == right and kind < other
  elseif kind == "number" or kind == "string" then
    return a < b
  end
  return tostring(a) < tostring(b)
end

-- Objects as keys have no order that would mean anything, and their __tostring must
-- not be asked while it could not fail in peace.
local function order(keys)
  local sortable, others = {}, {}
  for _, key in ipairs(keys) do
    local list = ranks[type(key)] and sortable or others
    list[#list + 1] = key
  end
  table.sort(sortable, before)
  return table.move(others, 1, #others, #sortable + 1, sortable)
end

-- Keys of a table that are not in its list, and the list's length.
local function keys_of(t)
  local n, keys = 0, {}
  while rawget(t, n + 1) ~= nil do
    n = n + 1
  end
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= n) then
      keys[#keys + 1] = key
    end
  end
  return n, order(keys)
end

local describe

local function key_text(key, state)
  if pretty.is_name(key) then
    return { text = key, style = "key" }
  end
  local node = type(key) == "table" and { text = own_text(key) or "<table>", style = "object" }
    or leaf(key, state.limits)
  return { text = "[" .. node.text .. "]", style = "key" }
end

-- Adds an entry unless a limit is met.
local function add(node, state, key, value)
  if #node.entries >= state.limits.entries or state.count >= state.limits.total then
    node.more = node.more + 1
    return
  end
  state.count = state.count + 1
  node.entries[#node.entries + 1] = { key = key ~= nil and key_text(key, state) or nil, value = describe(value, state) }
end

local function describe_table(t, state)
  local node = { entries = {}, more = 0 }
  state.path[t] = true
  state.depth = state.depth + 1
  local n, keys = keys_of(t)
  for i = 1, n do
    add(node, state, nil, rawget(t, i))
  end
  for _, key in ipairs(keys) do
    add(node, state, key, rawget(t, key))
  end
  state.depth = state.depth - 1
  state.path[t] = nil
  return node
end

function describe(value, state)
  if type(value) ~= "table" then
    return leaf(value, state.limits)
  end
  local text = own_text(value)
  if text then
    return { text = text, style = "object" }
  elseif state.path[value] then
    return { text = "<cycle>", style = "object" }
  elseif next(value) == nil then
    return { text = "{}" }
  elseif state.depth >= state.limits.depth then
    return { text = "{...}" }
  end
  return describe_table(value, state)
end

------------------------------------------------------------------------ layout

local function comment(words)
  return { text = "--[[" .. words .. "]]", style = "comment" }
end

local function paint(node, colors)
  local color = colors and node.style and colors[node.style]
  return color and color .. node.text .. "\27[0m" or node.text
end

-- Text and width of a leaf with its comment.
local function leaf_text(node, colors)
  local text, width = paint(node, colors), width_of(node.text)
  if node.rest then
    local words = comment(node.rest)
    return text .. " " .. paint(words, colors), width + 1 + #words.text
  end
  return text, width
end

local flat

local function flat_entry(entry, colors, room)
  local text, width = flat(entry.value, colors, room)
  if not text or not entry.key then
    return text, width
  end
  return paint(entry.key, colors) .. " = " .. text, width + width_of(entry.key.text) + 3
end

-- The node on one line, and its width; nil if it is wider than `room`.
function flat(node, colors, room)
  if node.text then
    return leaf_text(node, colors)
  end
  local parts, width = {}, 4
  for i, entry in ipairs(node.entries) do
    local text, wide = flat_entry(entry, colors, room)
    width = width + (wide or 0) + (i > 1 and 2 or 0)
    if not text or width > room then
      return nil
    end
    parts[i] = text
  end
  if node.more > 0 then
    local words = comment(node.more .. " more")
    parts[#parts + 1] = paint(words, colors)
    width = width + #words.text + 2
  end
  return width <= room and "{ " .. table.concat(parts, ", ") .. " }" or nil, width
end

local lay_out

-- Adds to the last line if there is room and both are list items on one line.
local function put(lines, item, indent, room)
  local last = lines[#lines]
  if last and last.fills and item.fills and last.width + 2 + item.width <= room - #indent then
    last.text = last.text .. ", " .. item.text
    last.width = last.width + 2 + item.width
  else
    lines[#lines + 1] = item
  end
end

local function lay_out_entry(entry, colors, indent, room)
  local key = entry.key and paint(entry.key, colors) .. " = " or ""
  local key_width = entry.key and width_of(entry.key.text) + 3 or 0
  local text, width = flat(entry.value, colors, room - #indent - key_width - 1)
  if text then
    local is_item = not entry.key and entry.value.text ~= nil
    return { text = key .. text, width = key_width + width, fills = is_item }
  end
  return { text = key .. lay_out(entry.value, colors, indent, room), width = room }
end

-- Several lines; the first begins where the caller is, `indent` is that of its line.
function lay_out(node, colors, indent, room)
  local inner, lines = indent .. "  ", {}
  for _, entry in ipairs(node.entries) do
    put(lines, lay_out_entry(entry, colors, inner, room), inner, room - 1)
  end
  local parts = { "{" }
  for _, line in ipairs(lines) do
    parts[#parts + 1] = inner .. line.text .. ","
  end
  if node.more > 0 then
    parts[#parts + 1] = inner .. paint(comment(node.more .. " more"), colors)
  end
  parts[#parts + 1] = indent .. "}"
  return table.concat(parts, "\n")
end

--- The value as text, without a newline at the end.
---@param value any
---@param limits? table depth, entries, total, length, width; each has a default
---@param colors? table<string, string> escape sequences: string, number, constant, key, object, comment
---@return string
function pretty.format(value, limits, colors)
  limits = setmetatable(limits or {}, { __index = defaults })
  local node = describe(value, { limits = limits, path = {}, depth = 0, count = 0 })
  return (flat(node, colors, node.text and math.huge or limits.width)) or lay_out(node, colors, "", limits.width)
end

return pretty
