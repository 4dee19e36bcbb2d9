-- SPDX-License-Identifier: MIT
--
-- check: arguments of conrun's Lua functions.
--
-- Internal.  Each function raises an ordinary Lua error at the user's line, however many
-- functions of conrun's own are in between.  The C side has the same in check.c.
--
-- No C module is required when this one is loaded: their handles are complete
-- only with their Lua parts, which require this module.

local check = {}

--- Raises an error at the user's line.
---@param format string
function check.raise(format, ...)
  require("conrun.core").raise(format:format(...))
end

local raise = check.raise

local function describe(value)
  if type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  return type(value) == "string" and "'" .. value .. "'" or type(value)
end

--- Raises for an argument, at the user's line and with the name that the user calls the function by.
---@param position integer
---@param name string of the function, if the call does not tell
---@param format string
function check.argument(position, name, format, ...)
  require("conrun.core").bad_argument(position, name, format:format(...))
end

--- Raises for an argument of the wrong kind.
---@param position integer
---@param name string of the function
---@param expected string
---@param got any
function check.fail(position, name, expected, got)
  local text = type(got) == "string" and "string" or describe(got)
  check.argument(position, name, "%s expected, got %s", expected, text)
end

local function finish(ok, ...)
  if ok then return ... end
  local e = ...
  local message = type(e) == "string" and e:match "^%[conrun[^%]]*%]:%d+: (.*)$"
  if message then raise("%s", message) end
  error(e, 0)
end

--- Calls a function of conrun's own whose errors are the user's: their place is the user's line.
---@param fn function
---@return any ...
function check.through(fn, ...)
  return finish(pcall(fn, ...))
end

---@param fn any
---@return boolean
function check.is_callable(fn)
  local meta = getmetatable(fn)
  return type(fn) == "function" or type(meta) == "table" and meta.__call ~= nil
end

---@param fn any
---@param position integer
---@param name string
function check.callable(fn, position, name)
  if not check.is_callable(fn) then
    check.fail(position, name, "function", fn)
  end
end

---@param value any
---@param position integer
---@param name string
function check.number(value, position, name)
  if type(value) ~= "number" then
    check.fail(position, name, "number", value)
  end
end

--- Seconds as a deadline for gather, await and the like.
---@param timeout number? nil waits for ever
---@param what string "argument #2 to 'all'", "option 'timeout'"
---@return integer
function check.deadline(timeout, what)
  if timeout ~= nil and not (type(timeout) == "number" and timeout >= 0) then
    raise("bad %s (seconds, not negative, expected, got %s)", what, describe(timeout))
  end
  return require("conrun.core.future").deadline(timeout)
end

local function names_of(known)
  local names = {}
  for name in pairs(known) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- Options of a call: a table whose fields are all known; nil is no options.
---@param options table?
---@param known table<string, true>
---@param position integer
---@param name string of the function
---@return table
function check.options(options, known, position, name)
  if options == nil then
    return {}
  elseif type(options) ~= "table" then
    check.fail(position, name, "table of options", options)
  end
  local unknown -- of several the first by its name, whatever order the table has them in
  for key in pairs(options) do
    if not known[key] and (not unknown or tostring(key) < unknown) then
      unknown = tostring(key)
    end
  end
  if unknown then
    local names = names_of(known)
    local near = require("conrun.core").nearest(unknown, names)
    check.argument(position, name, "unknown option '%s'%s", unknown, near
      and (" (did you mean '%s'?)"):format(near) or " (known are '" .. table.concat(names, "', '") .. "')")
  end
  return options
end

--- An integer option of at least `least`, or nil.
---@param options table
---@param name string
---@param least integer
---@return integer?
function check.integer(options, name, least)
  local value = options[name]
  if value ~= nil and (math.type(value) ~= "integer" or value < least) then
    raise("bad option '%s' (integer of at least %d expected, got %s)", name, least, describe(value))
  end
  return value
end

return check
