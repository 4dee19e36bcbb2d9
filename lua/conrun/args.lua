-- SPDX-License-Identifier: MIT
--
-- args: the command line of a script.
--
-- The scripts all take a few options and must refuse what they do not know with
-- one clear line and exit code 1.  A script describes its options by their
-- default values, and the kind of each default says what the option takes:
--
--   fast = false             a flag:         --fast
--   count = 10               an integer > 0: --count=20; from 0 on if the default is 0
--   size = {8, most = 64}    the same within limits, also with `least`
--   rate = 0.5               a number >= 0:  --rate=2
--   sizes = "2,4,8"          any text:       --sizes=1,2
--   kind = {"process", ...}  one of these:   --kind=thread, the first is the default
--
-- `--no-lock` sets the field `no_lock`.  What is no option is positional, and
-- refused unless the script says how many it takes.  Short options and
-- `--name value` are left out: one spelling is enough.

local words = require "conrun.text"

local args = {}

local function name_of(script)
  return (script or "script"):match "[^/]*$"
end

--- Ends the program with one line on stderr and exit code 1.
---@param format string
---@param ... any
function args.fail(format, ...)
  io.stderr:write(name_of(arg and arg[0]), ": ", format:format(...), "\n")
  os.exit(1, true)
end

local function option_list(spec)
  local names = { "help" }
  for field in pairs(spec) do
    names[#names + 1] = field:gsub("_", "-")
  end
  table.sort(names)
  return names
end

--- An integer within limits from a text, or the end of the program.
---@param what string names the argument in the message
---@param text string?
---@param least? integer default 1
---@param most? integer
---@return integer
function args.integer(what, text, least, most)
  least = least or 1
  local value = math.tointeger(tonumber(text or ""))
  if not value or value < least or most and value > most then
    local limits = most and ("from %d to %d"):format(least, most) or ("of at least %d"):format(least)
    args.fail("%s needs a whole number %s, got '%s'", what, limits, text or "")
  end
  return value --[[@as integer]]
end

--- A list of whole numbers from a text such as "1,2,4", or the end of the program.
---@param what string names the argument in the message
---@param text string
---@param least? integer default 1
---@param most? integer
---@return integer[]
function args.integers(what, text, least, most)
  local list = {}
  for part in (text .. ","):gmatch "(.-)," do
    list[#list + 1] = args.integer(what, part, least, most)
  end
  return list
end

local function read_float(what, text)
  local value = tonumber(text or "")
  if not value or not (value >= 0 and value < math.huge) then
    args.fail("%s needs a number of at least 0, got '%s'", what, text or "")
  end
  return value + 0.0
end

-- What was meant, for the end of a message.
local function hint(word, known, dashes)
  local near = words.nearest(word, known)
  return near and ("; did you mean '%s%s'?"):format(dashes or "", near) or ""
end

local function choose(what, text, choices)
  for _, choice in ipairs(choices) do
    if choice == text then
      return choice
    end
  end
  local near = text and hint(text, choices) or ""
  args.fail("%s needs one of %s, got '%s'%s", what, table.concat(choices, ", "), text or "", near)
end

local function read_option(default, what, text)
  if type(default) == "boolean" then
    if text then
      args.fail("%s takes no value", what)
    end
    return true
  elseif math.type(default) == "float" then
    return read_float(what, text)
  elseif type(default) == "number" then
    return args.integer(what, text, math.min(default, 1))
  elseif type(default) == "table" and type(default[1]) == "number" then
    return args.integer(what, text, default.least or math.min(default[1], 1), default.most)
  elseif type(default) == "table" then
    return choose(what, text, default)
  elseif not text then
    args.fail("%s needs a value: %s=...", what, what)
  end
  return text
end

local function defaults(spec)
  local options = {}
  for field, default in pairs(spec) do
    options[field] = type(default) == "table" and default[1] or default
  end
  return options
end

--- Reads a script's command line.
---@param list string[] the script's `arg`
---@param usage string printed for --help, which ends the program
---@param spec table<string, boolean|integer|string|table> options by default value
---@param positional? integer how many other arguments are allowed, default 0
---@return table options values by field, and the positional arguments from [1] on
function args.read(list, usage, spec, positional)
  local options = defaults(spec)
  for _, word in ipairs(list) do
    local name, value = word:match "^%-%-([%w-]+)=?(.*)$"
    local field = name and name:gsub("%-", "_")
    if name == "help" and word:find "=" then
      args.fail("--help takes no value")
    elseif name == "help" then
      io.write(usage, usage:sub(-1) == "\n" and "" or "\n")
      os.exit(0, true)
    elseif field and spec[field] ~= nil then
      options[field] = read_option(spec[field], "--" .. name, word:find "=" and value or nil)
    elseif name or word:sub(1, 1) == "-" and not tonumber(word) then
      local known = option_list(spec)
      local near = name and hint(name, known, "--") or ""
      args.fail("unknown option '%s'; it knows --%s%s", word, table.concat(known, " --"), near)
    elseif #options >= (positional or 0) then
      args.fail("unexpected argument '%s'; try --help", word)
    else
      options[#options + 1] = word
    end
  end
  return options
end

return args
