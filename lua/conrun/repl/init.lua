-- SPDX-License-Identifier: MIT
--
-- repl: what the prompt does with what a person types.
--
-- Internal: src/host/repl.c calls these functions; it reads the lines and runs what
-- they load.  The prompt that reads from a file or a pipe knows nothing of this
-- module: it is plain Lua's.
--
-- A person gets three globals on top, unless the names are taken: `conrun`, `help`,
-- and, as soon as there is one, the last result in `_`.

local complete = require "conrun.repl.complete"
local help = require "conrun.repl.help"
local pretty = require "conrun.repl.pretty"

local repl = {}

-- What the host gives: the width of the terminal, names in a folder, colours or not.
local host = {
  columns = function() return 80 end,
  rows = function() return math.huge end,
  list = function() return {} end,
  colors = false,
}

local colors = {
  string = "\27[32m", number = "\27[36m", constant = "\27[35m", object = "\27[33m", comment = "\27[2m",
}

-- Kept apart, so that results are shown whatever becomes of the globals.
local stdout, load, tostring = io.stdout, load, tostring

-- The person's pager reads keys from the terminal itself.  It gets a file and no pipe: one
-- that ends before it has read all would end this program by SIGPIPE.
local function page(pager, text)
  local path = os.tmpname()
  local file <close> = io.open(path, "w")
  local good = file and file:write(text, "\n") and file:close()
    and os.execute(("{ %s\n} <%s >/dev/tty 2>/dev/null"):format(pager, path))
  os.remove(path)
  return good
end

-- Text that does not fit the terminal is paged, or printed where that cannot be done.
local function show_text(text)
  local _, newlines = text:gsub("\n", "")
  local pager = newlines + 2 > host.rows() and (os.getenv "PAGER" or "less -R") or ""
  if pager == "" or not page(pager, text) then
    stdout:write(text, "\n")
  end
end

local function show_help(...)
  show_text((help.text(select("#", ...), (...), host.columns())))
end

local function set_default(name, value)
  if rawget(_G, name) == nil then
    rawset(_G, name, value)
  end
end

--- Called once, before the first prompt.
---@param given table with `columns`, `rows`, `list` and `colors` as above
function repl.start(given)
  host = given
  set_default("conrun", require "conrun")
  set_default("help", show_help)
  stdout:write(("conrun %s: help() tells what there is, Ctrl-D ends\n"):format(require("conrun").version))
end

--------------------------------------------------------------------------- loading

-- How many blocks were run; each is a chunk of its own name, [3] is the third.
local blocks = 0

local function chunk_name()
  return ("=[%d]"):format(blocks)
end

local function load_code(text)
  local expression = load("return " .. text, chunk_name(), "t")
  if expression then
    return expression
  end
  return load(text, chunk_name(), "t")
end

-- Words that other prompts end with.
local function load_farewell(text)
  local word = text:match "^%s*(%a+)%s*%(?%s*%)?%s*$"
  if (word == "exit" or word == "quit") and rawget(_G, word) == nil then
    return function() stdout:write("Ctrl-D ends, and so does os.exit()\n") end
  end
end

-- A local lives as long as its block, which here is one line or some; said once.
local told_of_locals = false

local function load_with_hint(text, f)
  if told_of_locals or not f or not text:find "^%s*local%s" or text:find "^[^\n]*[;\n]%s*%S" then
    return f
  end
  told_of_locals = true
  return function()
    f()
    stdout:write "(a local ends with the block that it was typed in; without `local` it stays)\n"
  end
end

-- `?x`: about the name as it stands, or else about the value of the expression.
local function load_question(words)
  if words == "" then
    return show_help
  elseif help.find(words) then
    return function() show_help(words) end
  end
  local owner, method = words:match "^([%w_.]+):([%w_]+)$"
  local value = load("return " .. (owner or words), chunk_name(), "t")
  return function()
    local ok, result = pcall(value or error)
    local entry = ok and owner and help.method(result, method)
    if entry then
      return show_text(help.entry_text(entry, host.columns()))
    elseif ok and result ~= nil and not owner then
      return show_help(result)
    end
    show_help(words)
  end
end

local function load_block(text)
  local question = text:match "^%s*%?%s*(.-)%s*$"
  if question then
    return load_question(question)
  end
  local expression = text:match "^=(.*)$"
  if expression then
    return load("return " .. expression, chunk_name(), "t")
  end
  return load_code(text)
end

--- What is to run for a block; nil and a message if it is not Lua.
---@param text string
---@return function?
---@return string?
function repl.load(text)
  if text:find "%S" then
    blocks = blocks + 1
  end
  local f, message = load_block(text)
  return load_farewell(text) or load_with_hint(text, f), message
end

--- Does the code go on in the next line?
---@param text string
---@return boolean
function repl.unfinished(text)
  if text:find "^%s*%?" then
    return false
  end
  local f, message = load_block(text)
  return not f and message:find "<eof>$" ~= nil
end

--------------------------------------------------------------------------- showing

--- Shows what a block returned, and keeps the first of it in `_`.
---@param ... any
function repl.show(...)
  local n = select("#", ...)
  if n == 0 then return end
  rawset(_G, "_", (...))
  local texts = {}
  for i = 1, n do
    texts[i] = pretty.format((select(i, ...)), { width = host.columns() }, host.colors and colors or nil)
  end
  stdout:write(table.concat(texts, "\t"), "\n")
end

--- The message of an error; its first line in red.
---@param message any
---@return string
function repl.emphasize(message)
  local text = tostring(message)
  if not host.colors then
    return text
  end
  return (text:gsub("^[^\n]*", "\27[31m%0\27[0m"))
end

--------------------------------------------------------------------------- completing

--- What Tab adds to the text before the cursor, and what it lists.
---@param text string
---@return string?
---@return string?
function repl.complete(text)
  text = text:gsub("^%s*[?=]", "")
  return complete.complete(text, host.list, host.columns())
end

return repl
