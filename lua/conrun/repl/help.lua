-- SPDX-License-Identifier: MIT
--
-- help: the reference at the prompt.
--
-- Internal: `help(x)` and `?x` ask.
--
--   help()                what there is to ask
--   help(conrun.queue)    a module: what it is for, its functions
--   help(pool)            a live object: its methods and fields
--   help(pool.map)        a function, conrun's own, Lua's or the user's
--   help "Pool:map"       a name as one writes it; "pool.map" means the same
--   help "timeout"        any other word: where the reference speaks of it
--
-- What the reference says is laid out for the terminal's width.  Of Lua's own
-- functions only the section of Lua's manual is named: its text is not ours to give.

local classes = require "conrun.repl.classes"
local reference = require "conrun.reference"
local nearest = require("conrun.text").nearest

local help = {}

local overview = [[
conrun is a Lua that runs concurrently.  At this prompt:

  ?name, help(x)    what conrun says about a name, a function, a module or an object;
                    a long text goes through $PAGER, or less
  Tab               completes names, fields, methods, and modules after require "
  _                 is the last result
  Up, Down          walk through what you typed before, as far as it begins like
                    what is before the cursor; Ctrl-R searches in it.  The last
                    1000 are kept (CONRUN_HISTORY=N in the environment; 0: none)
  Ctrl-C            stops what runs, or forgets the line; Ctrl-D ends

Modules, each as conrun.NAME:

]]

-------------------------------------------------------------------------- layout

-- Breaks words into lines; the first begins after `first`, the others after `indent`.
local function wrap(text, width, first, indent)
  local lines, line = {}, first
  for word in text:gmatch "%S+" do
    local longer = line:find "%S$" and line .. " " .. word or line .. word
    if #longer > width and line:find "%S" and line ~= indent then
      lines[#lines + 1] = line
      longer = indent .. word
    end
    line = longer
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- Paragraphs and items of lists are wrapped; code and tables stay as they are.
local function flow(text, width)
  local parts, words, indent, in_code = {}, {}, "", false
  local function finish()
    if #words > 0 then
      parts[#parts + 1] = wrap(table.concat(words, " "), width, "", indent)
      words, indent = {}, ""
    end
  end
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if line:find "^```" then
      finish()
      in_code = not in_code
    elseif in_code then
      parts[#parts + 1] = "    " .. line
    elseif line == "" or line:find "^[|#]" then
      finish()
      parts[#parts + 1] = line
    else
      if line:find "^[-*] " then
        finish()
        indent = "  "
      end
      words[#words + 1] = line
    end
  end
  finish()
  return (table.concat(parts, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s+$", ""))
end

local function list_parts(lines, title, parts, width)
  if #parts == 0 then return end
  lines[#lines + 1] = "\n" .. title
  for _, part in ipairs(parts) do
    local name = part.name ~= "" and part.name .. (part.optional and "?" or "") .. ": " or ""
    local text = name .. part.type .. (part.text ~= "" and "  " .. part.text or "")
    lines[#lines + 1] = wrap(text, width, "  ", "      ")
  end
end

-- The first sentence: what it is for, in a list.
local function summary(entry)
  local first = entry.text:match "^[^\n]+[^\n.]*\n?[^\n]*" or ""
  return (first:gsub("\n", " "):match "^(.-[.:])%s" or first:gsub("\n", " ")):gsub("[.:]$", "")
end

-------------------------------------------------------------------------- entries

-- The fields of an argument that is a table of options, which has a class of its own.
local function list_options(lines, entry, width)
  for _, param in ipairs(entry.params) do
    local class = param.type:match "conrun%.%w*Options"
    local options = class and reference.find(class)
    if options then
      list_parts(lines, "Fields of " .. param.name, options.fields, width)
    end
  end
end

local function function_text(entry, width)
  local lines = { table.concat(reference.signatures(entry), "\n"), "", flow(entry.text, width) }
  list_parts(lines, "Arguments", entry.params, width)
  list_options(lines, entry, width)
  list_parts(lines, "Returns", entry.returns, width)
  return table.concat(lines, "\n")
end

local function list_functions(lines, owner, width)
  local functions = classes.functions(owner)
  if #functions == 0 then return end
  lines[#lines + 1] = "\nFunctions"
  for _, f in ipairs(functions) do
    lines[#lines + 1] = "  " .. reference.signatures(f)[1]
    lines[#lines + 1] = wrap(summary(f), width, "      ", "      ")
  end
end

-- What the things of a module can do, in short: their methods by name.
local function list_classes(lines, module, width)
  for _, entry in ipairs(module and module.entries or {}) do
    local functions = entry.kind == "class" and entry.full ~= module.name and classes.functions(entry.full) or {}
    local names = {}
    for i, f in ipairs(functions) do
      names[i] = f.name
    end
    if #names > 0 then
      lines[#lines + 1] = "\nMethods of a " .. entry.full:gsub("^conrun%.", "")
      lines[#lines + 1] = wrap(table.concat(names, ", "), width, "  ", "  ")
    end
  end
end

local function class_text(entry, width)
  local lines = { entry.full, "", flow(entry.text, width) }
  list_parts(lines, "Fields", entry.fields, width)
  list_functions(lines, entry.full, width)
  list_classes(lines, reference.module(entry.full), width)
  return table.concat(lines, "\n")
end

local function entry_text(entry, width)
  return entry.kind == "function" and function_text(entry, width) or class_text(entry, width)
end

local function overview_text(width)
  local lines = {}
  for module in reference.modules() do
    local entry = module.entries[1]
    if entry and module.name ~= "conrun" then
      local name = module.name:gsub("^conrun%.", "")
      lines[#lines + 1] = wrap(summary(entry), width, ("  %-11s "):format(name), (" "):rep(14))
    end
  end
  return overview .. table.concat(lines, "\n")
end

-------------------------------------------------------------------------- values

-- Entry of a function or module that is conrun's: a search by identity.
local function find_conruns(value)
  for module in reference.modules() do
    local there = package.loaded[module.name]
    if there == value and there ~= nil then
      return module.entries[1]
    end
    for _, entry in ipairs(type(there) == "table" and classes.functions(module.name) or {}) do
      if rawequal(rawget(there, entry.name), value) then
        return entry
      end
    end
  end
end

-- A method, found through the method tables that conrun's modules carry.
local function find_method(value)
  for name, module in next, package.loaded do
    if type(name) == "string" and name:find "^conrun" and type(module) == "table" then
      for field, methods in next, module do
        if type(field) == "string" and field:find "methods$" and type(methods) == "table" then
          for key, method in next, methods do
            if rawequal(method, value) and type(key) == "string" then
              return key, field, name
            end
          end
        end
      end
    end
  end
end

local function class_names(field, module)
  local kind = field:match "^(%a+)_methods$"
  local short = kind or module:match "[^.]*$"
  local upper = short:gsub("^%l", string.upper)
  return kind and "Shared" .. upper or upper
end

local function entry_of_method(value)
  local key, field, module = find_method(value)
  return key and reference.find(class_names(field, module) .. ":" .. key)
end

local sections = {
  _G = "6.1", coroutine = "6.2", package = "6.3", string = "6.4", utf8 = "6.5", table = "6.6",
  math = "6.7", io = "6.8", os = "6.9", debug = "6.10",
}

-- "string.format is Lua's own: section 6.4 of its manual"
local function standard_text(value)
  for name, section in pairs(sections) do
    local module = package.loaded[name]
    if rawequal(module, value) then
      return ("%s is a library of Lua's own: section %s of its manual"):format(name, section)
    end
    for key, member in next, type(module) == "table" and module or {} do
      if rawequal(member, value) and type(key) == "string" and type(value) == "function" then
        local full = name == "_G" and key or name .. "." .. key
        return ("%s is Lua's own: section %s of its manual"):format(full, section)
      end
    end
  end
end

local function parameters(f, info)
  local names = {}
  for i = 1, info.nparams do
    names[i] = debug.getlocal(f, i)
  end
  if info.isvararg then
    names[#names + 1] = "..."
  end
  return table.concat(names, ", ")
end

local function users_function_text(f)
  local info = debug.getinfo(f, "Su")
  if info.what == "C" then
    return "a function in C; conrun's reference does not know it"
  end
  return ("function(%s), defined in %s, line %d"):format(parameters(f, info), info.short_src, info.linedefined)
end

local function text_of_value(value, width)
  if value == nil then
    return 'nothing has that name, or its value is nil; help "name", in quotes, asks for a word'
  end
  local entry = find_conruns(value) or type(value) == "function" and entry_of_method(value)
    or classes.of(value)
  if entry then
    return entry_text(entry, width)
  end
  local standard = standard_text(value)
  if standard then
    return standard
  elseif type(value) == "function" then
    return users_function_text(value)
  end
  return ("a %s; conrun's reference has nothing about it"):format(type(value))
end

--------------------------------------------------------------------------- names

-- How a name is written here: "conrun.Queue:put" is "Queue:put".
local function short(entry)
  return (entry.full:gsub("^conrun%.(%u)", "%1"))
end

-- Every entry, one after the other.
local function entries()
  return coroutine.wrap(function()
    for module in reference.modules() do
      for _, entry in ipairs(module.entries) do
        coroutine.yield(entry, module)
      end
    end
  end)
end

local function last_word(name)
  return name:match "[%w_]+$" or name
end

-- "map" is like "starmap" and "map_async"; in "semaphore" nobody sees it.
local function names_like(name)
  local found, last = {}, last_word(name):lower()
  for entry in entries() do
    local own = entry.name:lower():match "[^.]*$"
    local from, to = own:find(last, 1, true)
    if own == last or #last > 2 and from and (from == 1 or to == #own) then
      found[#found + 1] = short(entry)
    end
  end
  return found
end

-- The entries whose last word was probably meant, and that word: of an entry, of its options
-- and arguments, or of Lua's own.
local function names_near(name)
  local words, own = {}, {}
  for entry in entries() do
    words[#words + 1] = last_word(entry.name)
    for _, parts in ipairs { entry.params, entry.fields } do
      for _, part in ipairs(parts) do
        words[#words + 1] = part.name
      end
    end
  end
  for library in pairs(sections) do
    for key in next, package.loaded[library] or {} do
      own[key] = library == "_G" and key or library .. "." .. key
      words[#words + 1] = sections[key] == nil and key or nil
    end
  end
  table.sort(words) -- of two that are as near the same one each time
  local near = nearest(last_word(name), words)
  return near and names_like(near) or {}, near, near and own[near]
end

-- The sentence of an entry that the pattern of a whole word matches, nil if none does.
local function mention(entry, whole)
  local texts = { (entry.text:gsub("```.-```", "")) }
  for _, parts in ipairs { entry.params, entry.returns, entry.fields } do
    for _, part in ipairs(parts) do
      texts[#texts + 1] = part.text ~= "" and part.name .. ": " .. part.text or nil
    end
  end
  for _, piece in ipairs(texts) do
    for sentence in (piece:gsub("%s+", " ") .. " "):gmatch "(.-[.;:]?) %f[%u%z]" do
      if sentence:find " " and sentence:lower():find(whole) then
        return sentence
      end
    end
  end
end

-- Where the reference speaks of a word.
local function mentions(word, width)
  local lines = {}
  if not word:find "^[%w_]+$" then
    return lines
  end
  local whole = "%f[%w_]" .. word:lower() .. "%f[^%w_]"
  for entry in entries() do
    local sentence = mention(entry, whole)
    local signature = entry.kind == "function" and reference.signatures(entry)[1]
    if sentence then
      lines[#lines + 1] = wrap(sentence, width, ("  %s: "):format(short(entry)), "      ")
    elseif signature and signature:lower():find(whole) then
      lines[#lines + 1] = "  " .. signature
    end
  end
  return lines
end

local loose_names = { option = "an option of a pool", type = "a type of shared numbers" }

-- What the name is called here, if it is one that other languages have.
local function answers_to(name)
  local owner, last = name:match "^([%w_.]*)[.:][%w_]+$", last_word(name)
  local all, fitting = {}, {}
  for _, answer in ipairs(require("conrun.core").answers()) do
    if answer.name:lower() == last:lower() then
      local whose = loose_names[answer.owner] or answer.owner
      local line = ("  '%s' of %s: use %s"):format(answer.name, whose, answer.use)
      all[#all + 1] = line
      fitting[#fitting + 1] = owner and (answer.owner == owner or answer.owner == "conrun." .. owner) and line or nil
    end
  end
  return #fitting > 0 and fitting or all
end

-- What is said about a name that the reference has no entry for.
local function text_of_unknown(name, width)
  local like, near, own = names_like(name), nil, nil
  local lines = { ("conrun's reference has nothing called '%s'"):format(name) }
  local answers = answers_to(name)
  if #answers > 0 then
    lines[1] = "A name that other languages have:"
    table.move(answers, 1, #answers, 2, lines)
  elseif #like == 0 then
    like, near, own = names_near(name)
  end
  if #like == 0 and near then
    lines[1] = lines[1] .. ("; did you mean '%s'?"):format(own or near)
    name = near
  end
  if #like > 0 then
    lines[#lines + 1] = "There is\n  " .. table.concat(like, "\n  ")
  end
  local where = mentions(name, width)
  if #where > 0 then
    lines[#lines + 1] = "It is spoken of here:"
    table.move(where, 1, #where, #lines + 1, lines)
  elseif #answers == 0 and #like == 0 and not near then
    lines[1] = lines[1] .. "; help() tells what there is"
  end
  return table.concat(lines, "\n"), #answers + #like + #where > 0 or own ~= nil
end

-- "pool.map", "pool:map": a method of what the module makes.
local function method_of_module(name)
  local owner, method = name:match "^([%w_.]+)[.:]([%w_]+)$"
  local module = owner and reference.module(owner)
  for _, entry in ipairs(module and module.entries or {}) do
    if entry.kind == "function" and entry.name == method then
      return entry
    end
  end
end

-- "imap", or "p:imap" where nobody knows what p is: the only function of that name.
local function only_function(name)
  local owner, last = name:match "^([%w_.]*)[.:]([%w_]+)$"
  last = last or name
  if owner and (reference.find(owner) or reference.module(owner)) then return nil end
  local found
  for entry in entries() do
    if entry.kind == "function" and entry.name == last then
      if found then return nil end
      found = entry
    end
  end
  return found
end

--- The entry that a name means: "Pool:map", "pool.map", "queue", "queue.new".
---@param name string
---@return conrun.reference.Entry?
function help.find(name)
  local class = name:gsub("^(%l[%w_]*):", function(first)
    return first:gsub("^%l", string.upper) .. ":"
  end)
  return reference.find(name) or reference.find(class) or method_of_module(name)
    or reference.find((name:gsub("^(%u[%w_]*)%.", "%1:")))
end

--- The entry of a method of a live object: "p:map" where `p` is a pool.
---@param object any
---@param method string
---@return conrun.reference.Entry?
function help.method(object, method)
  local class = classes.of(object)
  for _, entry in ipairs(class and classes.functions(class.full) or {}) do
    if entry.name == method then
      return entry
    end
  end
end

--- The text of help, and whether the reference has anything to say.
---@param n integer how many arguments there were
---@param value any
---@param width integer
---@return string
---@return boolean
function help.text(n, value, width)
  width = math.min(width, 100)
  if n == 0 then
    return overview_text(width), true
  elseif type(value) ~= "string" then
    return text_of_value(value, width), true
  end
  local entry = help.find(value) or only_function(value)
  if entry then
    return entry_text(entry, width), true
  end
  return text_of_unknown(value, width)
end

--- The text of one entry.
---@param entry conrun.reference.Entry
---@param width integer
---@return string
function help.entry_text(entry, width)
  return entry_text(entry, math.min(width, 100))
end

return help
