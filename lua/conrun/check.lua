-- SPDX-License-Identifier: MIT
--
-- check: arguments of conrun's Lua functions.
--
-- Internal.  Each function raises an ordinary Lua error at the user's line.  The
-- optional last argument `level` says where the user is, as `error` counts:
-- 3 (default) when the user called the function that calls the check, 4 when
-- there is a helper in between.  The C side has the same in check.c.
--
-- No C module is required when this one is loaded: their handles are complete
-- only with their Lua parts, which require this module.

local check = {}

local function raise(level, format, ...)
  error(format:format(...), level + 1)
end

local function describe(value)
  if type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  return type(value) == "string" and "'" .. value .. "'" or type(value)
end

--- Raises for an argument of the wrong kind.
---@param position integer
---@param name string of the function
---@param expected string
---@param got any
---@param level? integer
function check.fail(position, name, expected, got, level)
  local text = type(got) == "string" and "string" or describe(got)
  raise((level or 3), "bad argument #%d to '%s' (%s expected, got %s)", position, name, expected, text)
end

---@param fn any
---@param position integer
---@param name string
---@param level? integer
function check.callable(fn, position, name, level)
  local meta = getmetatable(fn)
  if type(fn) ~= "function" and not (type(meta) == "table" and meta.__call) then
    check.fail(position, name, "function", fn, (level or 3) + 1)
  end
end

--- Seconds as a deadline for gather, await and the like.
---@param timeout number? nil waits for ever
---@param what string "argument #2 to 'all'", "option 'timeout'"
---@param level? integer
---@return integer
function check.deadline(timeout, what, level)
  if timeout ~= nil and not (type(timeout) == "number" and timeout >= 0) then
    raise(level or 3, "bad %s (seconds, not negative, expected, got %s)", what, describe(timeout))
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
---@param level? integer
---@return table
function check.options(options, known, position, name, level)
  level = level or 3
  if options == nil then
    return {}
  elseif type(options) ~= "table" then
    check.fail(position, name, "table of options", options, level + 1)
  end
  for key in pairs(options) do
    if not known[key] then
      local names = names_of(known)
      local near = type(key) == "string" and require("conrun.core").nearest(key, names)
      raise(level, "bad argument #%d to '%s' (unknown option '%s'%s)", position, name, tostring(key), near
        and (" (did you mean '%s'?)"):format(near) or " (known are '" .. table.concat(names, "', '") .. "')")
    end
  end
  return options
end

--- An integer option of at least `least`, or nil.
---@param options table
---@param name string
---@param least integer
---@param level? integer
---@return integer?
function check.integer(options, name, least, level)
  local value = options[name]
  if value ~= nil and (math.type(value) ~= "integer" or value < least) then
    raise(level or 3, "bad option '%s' (integer of at least %d expected, got %s)", name, least, describe(value))
  end
  return value
end

return check
