-- SPDX-License-Identifier: MIT
--
-- complete: what the word before the cursor may become.
--
-- Internal: the prompt's Tab asks.
--
--   require "con        names of modules: loaded ones, conrun's own, files on the path
--   pool:ma             methods of a value, after a chain of names
--   conrun.pool.ne      fields
--   pri                 globals and keywords
--   pool.new { work     options of a call of conrun's
--   io.open "no         files and folders
--
-- Nothing of the user's runs: fields are read raw, an `__index` is followed only if
-- it is a table, and a chain with a call in it is not completed.  The methods of
-- handles whose `__index` is a function of conrun's own are those of the reference.
-- In a comment there is nothing to complete.

local classes = require "conrun.repl.classes"
local help = require "conrun.repl.help"
local pretty = require "conrun.repl.pretty"
local reference = require "conrun.reference"

local complete = {}

local MOST = 200 -- names that are listed

------------------------------------------------------------ where the cursor is

-- The end of a long bracket that begins at `at`, or false if it is not there yet.
local function skip_long(text, at, level)
  local _, last = text:find("]" .. level .. "]", at, true)
  return last and last + 1 or false
end

local function skip_comment(text, at)
  local level = text:match("^%[(=*)%[", at)
  if level then
    return skip_long(text, at, level)
  end
  local newline = text:find("\n", at, true)
  return newline and newline + 1 or false
end

local function skip_string(text, at, mark)
  while at <= #text do
    local char = text:sub(at, at)
    if char == mark then
      return at + 1
    end
    at = at + (char == "\\" and 2 or 1)
  end
  return false
end

-- Goes over one string or comment at `at`: where it ends, false if it is open still,
-- nil if there is none.
local function skip(text, at)
  local two, one = text:sub(at, at + 1), text:sub(at, at)
  if two == "--" then
    return skip_comment(text, at + 2)
  elseif one == '"' or one == "'" then
    return skip_string(text, at + 1, one)
  end
  local level = text:match("^%[(=*)%[", at)
  return level and skip_long(text, at, level)
end

-- Where the string or comment begins that the text ends in, if it does.
local function open_quote(text)
  local at = 1
  while at <= #text do
    local after = skip(text, at)
    if after == false then
      return at
    end
    at = after or at + 1
  end
end

------------------------------------------------------------------------ values

-- The field of a value without any call; nil if it would need one.
local function peek(value, key, depth)
  if type(value) == "table" then
    local raw = rawget(value, key)
    if raw ~= nil then
      return raw
    end
  end
  local meta = debug.getmetatable(value)
  local index = type(meta) == "table" and rawget(meta, "__index")
  if type(index) == "table" and depth < 10 then
    return peek(index, key, depth + 1)
  end
end

-- A part of conrun is loaded when code first names it; before that its functions are
-- those of the reference.
local function part(value, key)
  if value ~= package.loaded.conrun or not reference.module(key) then
    return nil
  elseif package.loaded["conrun." .. key] then
    return package.loaded["conrun." .. key]
  end
  local module = {}
  for _, entry in ipairs(classes.functions("conrun." .. key)) do
    module[entry.name] = print
  end
  return module
end

local function follow(value, key)
  local field = peek(value, key, 0)
  if field == nil then
    field = part(value, key)
  end
  return field
end

---------------------------------------------------------------------- the names

local function add_keys(names, t)
  for key, value in next, t do
    if pretty.is_name(key) then
      names[key] = names[key] or type(value)
    end
  end
end

-- What the reference knows of a class or module.
local function add_described(names, entry)
  for _, f in ipairs(classes.functions(entry.full)) do
    names[f.name] = names[f.name] or "function"
  end
  for _, field in ipairs(entry.fields) do
    names[field.name] = names[field.name] or "field"
  end
end

local function add_fields(names, value, depth)
  if type(value) == "table" then
    add_keys(names, value)
  end
  local meta = debug.getmetatable(value)
  local index = type(meta) == "table" and rawget(meta, "__index")
  if type(index) == "table" and depth < 10 then
    add_fields(names, index, depth + 1)
  end
  local class = depth == 0 and classes.of(value)
  if class then
    add_described(names, class)
  end
end

local function add_parts(names, value)
  if value ~= package.loaded.conrun then return end
  for _, name in ipairs(reference.names) do
    if name ~= "conrun" then
      names[name] = names[name] or "table"
    end
  end
  add_described(names, reference.find "conrun")
end

local function names_in(value)
  local names = {}
  add_fields(names, value, 0)
  add_parts(names, value)
  return names
end

local function global_names()
  local names = names_in(_G)
  for word in pairs(pretty.keywords) do
    names[word] = "keyword"
  end
  return names
end

------------------------------------------------------------------------- chains

-- "a.b[1]:c" -> { "a", "b", 1 }, ":", "c"; nil if the text does not end in a chain.
local function chain_of(text)
  local path, mark, word = {}, "", text:match "[%a_][%w_]*$" or ""
  local rest = text:sub(1, #text - #word)
  while true do
    local before, symbol = rest:match "^(.*[^%s.:])%s*([.:])%s*$"
    if not before then break end
    mark = mark == "" and symbol or mark
    if symbol == ":" and #path > 0 then return nil end
    while true do -- indices: [1], ["key"]
      local head, key = before:match "^(.*)%[%s*([^%[%]]-)%s*%]$"
      if not head then break end
      local literal = math.tointeger(tonumber(key)) or key:match '^"([^"\\]*)"$' or key:match "^'([^'\\]*)'$"
      if not literal then return nil end
      table.insert(path, 1, literal)
      before = head
    end
    local name = before:match "[%a_][%w_]*$"
    if not name then return nil end
    table.insert(path, 1, name)
    rest = before:sub(1, #before - #name)
  end
  if rest:find "[%w_%)%]\"']$" or rest:find "[^.][.:]%s*$" or rest:find "^[.:]%s*$" then return nil end
  return path, mark, word
end

local function resolve(path)
  local value = _G
  for _, key in ipairs(path) do
    value = follow(value, key)
    if value == nil then return nil end
  end
  return value
end

-- With `:` only what can be called makes sense.
local function filter(names, mark)
  if mark ~= ":" then
    return names
  end
  local methods = {}
  for name, kind in pairs(names) do
    methods[name] = kind == "function" and kind or nil
  end
  return methods
end

local function candidates_of_chain(text)
  local path, mark, word = chain_of(text)
  if not path then
    return {}, ""
  elseif #path == 0 then
    return word ~= "" and global_names() or {}, word
  end
  local value = resolve(path)
  return value ~= nil and filter(names_in(value), mark) or {}, word
end

------------------------------------------------------------------------ modules

-- Modules in the files of one template of a path, "./?.lua", that begin with `word`.
local function add_files(names, template, word, list)
  local folder = word:match "^(.*%.)" or ""
  local head, tail = template:match "^([^?]*)%?([^?]*)$"
  if not head then return end
  local inner = head .. folder:gsub("%.", "/")
  local base = inner:match "^(.*/)" or "./"
  for _, file in ipairs(list(base)) do
    local name = tail:find "^/" and file or file:sub(-#tail) == tail and file:sub(1, -#tail - 1)
    if name and name:find "^[%w_%-]+$" and (not tail:find "^/" or next(list(base .. file)) ~= nil) then
      names[folder .. name] = "module"
    end
  end
end

local function module_names(word, list)
  local names = {}
  for _, loaded in ipairs { package.loaded, package.preload } do
    for name in next, loaded do
      names[name] = type(name) == "string" and "module" or nil
    end
  end
  for _, name in ipairs(reference.names) do
    names[name == "conrun" and name or "conrun." .. name] = "module"
  end
  for name in next, names do
    names[name] = not name:find "^conrun%.core" and not name:find "^conrun%.repl" and "module" or nil
  end
  for template in ((package.path or "") .. ";" .. (package.cpath or "")):gmatch "[^;]+" do
    add_files(names, template, word, list)
  end
  return names
end

------------------------------------------------------------------------ options

-- Where the innermost `{` or `(` opens that is not closed yet, if there is one.
local function open_bracket(text)
  local open, at = {}, 1
  while at <= #text do
    local after = skip(text, at)
    if after == false then return nil end
    local char = text:sub(at, at)
    if not after and char:find "[{(]" then
      open[#open + 1] = at
    elseif not after and char:find "[})]" then
      open[#open] = nil
    end
    at = after or at + 1
  end
  return open[#open], open[#open - 1]
end

-- The entry of the function that a text ends in: "conrun.pool.new", "p:map".
local function called(text)
  local path, mark, word = chain_of((text:gsub("%s+$", "")))
  if not path or #path == 0 then return nil end
  local value = resolve(path)
  return mark == ":" and help.method(value, word)
    or help.find(table.concat(path, ".") .. mark .. word)
end

-- Options of the call whose table is being written, where a key may stand.
local function option_names(text)
  local brace, paren = open_bracket(text)
  local word = text:match "[%a_][%w_]*$" or ""
  if not brace or text:sub(brace, brace) ~= "{" or not text:sub(1, #text - #word):find "[{,;]%s*$" then
    return nil
  end
  local before = text:sub(1, brace - 1)
  local entry = called(before) or paren and called(text:sub(1, paren - 1))
  local names = {}
  for _, param in ipairs(entry and entry.params or {}) do
    local class = param.type:match "conrun%.%w*Options"
    for _, field in ipairs(class and reference.find(class).fields or {}) do
      names[field.name] = "option"
    end
  end
  return next(names) and names, word
end

-------------------------------------------------------------------------- files

-- Files of a folder, and folders with a slash, that a quoted word may become.
local function file_names(word, list)
  local names = {}
  local folder = word:match "^.*/" or ""
  for _, name in ipairs(list(folder == "" and "./" or folder)) do
    local inside = name ~= "." and name ~= ".." and #list(folder .. name) > 0
    if name ~= "." and name ~= ".." then
      names[folder .. name .. (inside and "/" or "")] = "file"
    end
  end
  return names
end

-------------------------------------------------------------------------- answer

local function matching(names, word)
  local found = {}
  for name in pairs(names) do
    local hidden = name:find "^_" and not word:find "^_"
      or name:find "%f[^/%z]%.[^/]*/?$" and not word:find "%f[^/%z]%.[^/]*$"
    if name:sub(1, #word) == word and not hidden then
      found[#found + 1] = name
    end
  end
  table.sort(found)
  return found
end

local function common_prefix(found)
  local prefix = found[1] or ""
  for _, name in ipairs(found) do
    while name:sub(1, #prefix) ~= prefix do
      prefix = prefix:sub(1, -2)
    end
  end
  return prefix
end

local function columns(found, width)
  local widest = 0
  for i = 1, math.min(#found, MOST) do
    widest = math.max(widest, #found[i] + 2)
  end
  local across = math.max(1, width // math.max(widest, 1))
  local rows, lines = -(-math.min(#found, MOST) // across), {}
  for row = 1, rows do
    local cells = {}
    for i = row, math.min(#found, MOST), rows do
      cells[#cells + 1] = found[i] .. (" "):rep(widest - #found[i])
    end
    lines[row] = table.concat(cells):gsub("%s+$", "")
  end
  if #found > MOST then
    lines[#lines + 1] = ("... %d more"):format(#found - MOST)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Candidates, the word that they begin with, and what closes a word that is whole.
local function candidates(text, list)
  local quoted = open_quote(text)
  if not quoted then
    local options, key = option_names(text)
    if options then
      return options, key, " = "
    end
    return candidates_of_chain(text)
  end
  local mark, word = text:match("^([\"'])([%w_.%-]*)$", quoted)
  if mark and text:sub(1, quoted - 1):find "%f[%w_]require%s*%(?%s*$" then
    return module_names(word, list), word, mark
  end
  mark, word = text:match("^([\"'])([^\"'\\]*)$", quoted)
  if mark and not text:sub(quoted, quoted + 1):find "^%-%-" then
    return file_names(word, list), word, mark
  end
  return {}, ""
end

--- What is to be typed for the user, and the names to show if that does not decide.
---@param text string up to the cursor
---@param list fun(folder: string): string[]
---@param width integer
---@return string? rest
---@return string? listing
function complete.complete(text, list, width)
  local names, word, mark = candidates(text, list)
  local found = matching(names, word)
  if #found == 0 then
    return nil
  end
  local rest = common_prefix(found):sub(#word + 1)
  if #found == 1 then
    if found[1]:find "/$" then
      return rest
    end
    return rest .. (mark or names[found[1]] == "function" and "(" or "")
  end
  return rest, rest == "" and columns(found, width) or nil
end

return complete
