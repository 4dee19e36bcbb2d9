-- SPDX-License-Identifier: MIT
--
-- reference: what conrun's functions do, as data.
--
-- Internal: `make doc` writes the pages from it, the prompt's help asks it, and a
-- spec compares it with the functions that there are.
--
-- The texts are lua/conrun/reference/*.lua, one for each public module, and the
-- only place where a public function is described.  They are LuaCATS meta files,
-- so an editor with a Lua language server reads them too; there is nothing to
-- run in them, so the build embeds each as a module that returns its own text.
-- A text is loaded and parsed when it is first asked for.
--
-- A text is a row of blocks.  A block is lines that begin with `---`, then the
-- line of Lua that it describes:
--
--   ---@class NAME          `local x = {}` or nothing.  The first class of a text is
--                           the module itself; its `@field`s and `@operator`s follow
--   function x.name(...)    a function of the module, or one of a class, such as `new`
--   function x:name(...)    a method
--
-- Refused: any other tag or line.  A text with a slip is an error with its line,
-- so that nothing is left out in silence.

local reference = {}

--- The texts, in the order of the pages.
reference.names = {
  "conrun", "thread", "process", "lock", "condition", "semaphore", "event", "barrier", "queue", "pipe",
  "future", "pool", "shared", "select", "log", "errors", "range", "progress", "plot", "svg", "trace",
  "explore", "scope", "bench", "args",
}

---@class conrun.reference.Part a parameter, a result or a field
---@field name string
---@field type string
---@field optional boolean
---@field text string

---@class conrun.reference.Entry
---@field kind "class"|"function"
---@field name string "conrun.Pool", "map"
---@field full string "conrun.Pool", "conrun.Pool:map"
---@field text string Markdown
---@field parent string? class of a class
---@field method boolean? a function that is called with `:`
---@field params conrun.reference.Part[]
---@field returns conrun.reference.Part[]
---@field fields conrun.reference.Part[]
---@field operators string[]
---@field overloads string[]

---@class conrun.reference.Module
---@field name string "conrun.pool"
---@field entries conrun.reference.Entry[] the first is the module's own

---------------------------------------------------------------------- one line

-- A type reaches to the first blank that is outside of brackets and does not
-- follow a `:`, a `,` or a `|`: "fun(a: any): any rest" -> "fun(a: any): any", "rest".
local function split_type(words)
  local depth, last = 0, ""
  for at = 1, #words do
    local char = words:sub(at, at)
    if char:find "[%(%[{<]" then
      depth = depth + 1
    elseif char:find "[%)%]}>]" then
      depth = depth - 1
    elseif char == " " and depth == 0 and not last:find "[:,|]" then
      return words:sub(1, at - 1), words:sub(at + 1)
    end
    last = char ~= " " and char or last
  end
  return words, ""
end

local function part(name, words)
  local kind, text = split_type(words)
  local bare, type = name:match "^(.-)%??$", kind:match "^(.-)%??$"
  return { name = bare, optional = bare ~= name or type ~= kind, type = type, text = text }
end

-- What a tag adds to its block.
local tags = {}

function tags.class(block, words)
  local name, parent = words:match "^([%w_.]+)%s*:?%s*([%w_.]*)"
  block.class, block.parent = name, parent ~= "" and parent or nil
end

function tags.field(block, words)
  local name, rest = words:match "^(%S+)%s+(.+)$"
  table.insert(block.fields, part(name, rest))
end

function tags.param(block, words)
  local name, rest = words:match "^(%S+)%s+(.+)$"
  table.insert(block.params, part(name, rest))
end

tags["return"] = function(block, words)
  local kind, rest = split_type(words)
  local name, text = rest:match "^(%S+)%s*(.*)$"
  local bare = kind:gsub("%?$", "")
  table.insert(block.returns, { name = name or "", type = bare, optional = bare ~= kind, text = text or "" })
end

function tags.operator(block, words) table.insert(block.operators, words) end
function tags.overload(block, words) table.insert(block.overloads, words) end

--------------------------------------------------------------------- one block

local function new_block()
  return { lines = {}, fields = {}, params = {}, returns = {}, operators = {}, overloads = {} }
end

local function add_line(block, line)
  local tag, words = line:match "^%-%-%-@(%a+)%s*(.*)$"
  if not tag then
    table.insert(block.lines, (line:gsub("^%-%-%- ?", "")))
  elseif not tags[tag] then
    error("unknown tag '@" .. tag .. "'", 0)
  else
    tags[tag](block, words)
  end
end

local function entry_of(block, kind, name, full)
  return {
    kind = kind, name = name, full = full, parent = block.parent,
    text = table.concat(block.lines, "\n"):gsub("^\n+", ""):gsub("%s+$", ""),
    params = block.params, returns = block.returns, fields = block.fields,
    operators = block.operators, overloads = block.overloads,
  }
end

local function class_entry(block, owners, variable)
  if variable then
    owners[variable] = block.class
  end
  return entry_of(block, "class", block.class, block.class)
end

local function function_entry(block, owners, line)
  local variable, mark, name, list = line:match "^function ([%w_]+)([.:])([%w_]+)(%b()) end$"
  local owner = owners[variable]
  if not owner then
    error("expected a function of a class of this text", 0)
  end
  local entry = entry_of(block, "function", name, owner .. mark .. name)
  entry.owner, entry.method, entry.list = owner, mark == ":", list
  return entry
end

-- `line` is the one that ends the block, "" for a class that stands alone.
local function finish(block, owners, line)
  if block.class then
    return class_entry(block, owners, line:match "^local ([%w_]+) = {}$")
  end
  return function_entry(block, owners, line)
end

--------------------------------------------------------------------- one text

-- The first lines say whose the text is, and tell tools how to read it.
local function is_heading(line)
  return line:find "^%-%- " or line:find "^%-%-%-@meta" or line:find "^return "
end

local function parse(name, text)
  local module, owners, block, number = { name = name, entries = {} }, {}, new_block(), 0
  local function step(line)
    if is_heading(line) then
      return
    elseif line:find "^%-%-%-" then
      return add_line(block, line)
    end
    if line ~= "" or block.class then
      table.insert(module.entries, (finish(block, owners, line)))
    end
    block = new_block()
  end
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    local ok, message = pcall(step, line)
    if not ok then
      error(("reference of %s, line %d: %s"):format(name, number, message), 0)
    end
  end
  return module
end

---------------------------------------------------------------------- look-up

local loaded = {}

local function full_name(name)
  return (name == "conrun" or name:find "^conrun%.") and name or "conrun." .. name
end

--- One module's part of the reference; nil if there is none.
---@param name string "pool" or "conrun.pool"
---@return conrun.reference.Module?
function reference.module(name)
  local full = full_name(name)
  if loaded[full] == nil then
    local short = full == "conrun" and full or full:sub(8)
    local ok, text = pcall(require, "conrun.reference." .. short)
    loaded[full] = ok and parse(full, text) or false
  end
  return loaded[full] or nil
end

--- Every module of the reference, in order.
---@return fun(): conrun.reference.Module?
function reference.modules()
  local i = 0
  return function()
    i = i + 1
    return reference.names[i] and reference.module(reference.names[i])
  end
end

--- The entry of a name as one writes it: "conrun.pool.new", "Pool:map", "pool".
---@param name string
---@return conrun.reference.Entry?
function reference.find(name)
  local full = full_name(name)
  for module in reference.modules() do
    for _, entry in ipairs(module.entries) do
      if entry.full == full then
        return entry
      end
    end
  end
end

-- "(fn, xs, options?)": no brackets as the manual has, they would not be Lua.
local function parameters(entry)
  local names = {}
  for i, p in ipairs(entry.params) do
    names[i] = p.name .. (p.optional and p.name ~= "..." and "?" or "")
  end
  return "(" .. table.concat(names, ", ") .. ")"
end

-- "fun(self: conrun.Queue, value: any): boolean" -> "(value)"
local function overload_parameters(overload)
  local names, rest = {}, overload:match "^fun%((.*)"
  while true do
    local name, words = rest:match "^([%w_.]+%??):%s*(.*)$"
    if not name then
      return "(" .. table.concat(names, ", ") .. ")"
    end
    names[#names + 1] = name ~= "self" and name or nil
    rest = words:match "^[^,)]*,%s*(.*)$" or ""
  end
end

--- How a function is called, one line for each way:
--- "conrun.pool.new(options?)", "pool:map(fn, xs, options?)".
---@param entry conrun.reference.Entry
---@return string[]
function reference.signatures(entry)
  local variable = entry.method and entry.owner:match "[^.]*$":lower():gsub("^shared", "")
  local name = (variable and variable .. ":" or entry.owner .. ".") .. entry.name
  local lines = { name .. parameters(entry) }
  for _, overload in ipairs(entry.overloads) do
    lines[#lines + 1] = name .. overload_parameters(overload)
  end
  return lines
end

--- The examples in an entry's text: Lua code, and the lines that it must print,
--- which stand behind `-->` in it.
---@param entry conrun.reference.Entry
---@return { code: string, output: string[] }[]
function reference.examples(entry)
  local examples = {}
  for code in ("\n" .. entry.text .. "\n"):gmatch "\n```lua\n(.-)\n```" do
    local output = {}
    for line in code:gmatch "%-%->%s?([^\n]*)" do
      output[#output + 1] = line
    end
    examples[#examples + 1] = { code = code, output = output }
  end
  return examples
end

return reference
