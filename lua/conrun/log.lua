-- SPDX-License-Identifier: MIT
--
-- log: whole lines from any strand, with time, level and the strand's name.
--
--   12:30:01.250 warn  [worker 3] 7 items left
--
-- A line is one write to a file that is opened for appending, so lines of
-- different strands do not mix and need no lock; on stderr it comes above the
-- progress bars (screen.c).  Level and target belong to the strand that sets them, and its
-- workers begin with them (state/settings.c).

local check = require "conrun.check"
local core = require "conrun.core"
local screen = require "conrun.core.screen"

local log = {}

local ranks = { debug = 1, info = 2, warn = 3, error = 4, off = 5 }
-- As other loggers write them.
local levels = { WARNING = "warn", warning = "warn", CRITICAL = "error", critical = "error" }
local current, where = "info", "stderr"
local write

-- One write of the system for a line: the file has no buffer to be flushed in
-- pieces.
local function appender(file)
  file:setvbuf "no"
  return function(line) file:write(line) end
end

local function fail(name, expected, got)
  check.argument(1, name, "%s expected, got %s", expected, type(got) == "string" and "'" .. got .. "'" or type(got))
end

-- What string.format has against its arguments, which are those of the function that was called.
local function refuse(name, message)
  local position, what = message:match "^bad argument #(%d+) to '[^']*' %((.*)%)$"
  check.argument(tonumber(position) or 1, name, "%s", what or message:gsub(" to 'format'$", ""))
end

--- The level below which nothing is written; sets it if one is given.
---@param name? "debug"|"info"|"warn"|"error"|"off"
---@return string
function log.level(name)
  if name ~= nil then
    name = levels[name] or type(name) == "string" and name:lower() or name
    if not ranks[name] then
      fail("level", "'debug', 'info', 'warn', 'error' or 'off'", name)
    end
    current = name
    core.settings_changed()
  end
  return current
end

--- Where lines go from now on.
---@param target "stderr"|string|fun(line: string) a path is appended to; a function gets each line without its end
function log.to(target)
  if target == "stderr" then
    write = screen.line
  elseif type(target) == "string" then
    if not io.open then
      check.raise("cannot log to '%s': this worker may not use the library 'io'", target)
    end
    local file, message = io.open(target, "a")
    if not file then
      check.raise("cannot log to %s", message)
    end
    write = appender(file)
  elseif type(target) == "function" then
    write = function(line) target(line:sub(1, -2)) end
  else
    fail("to", "'stderr', path or function", target)
  end
  where = target
  core.settings_changed()
end

log.to "stderr"

-- What a worker is to begin with, nil if that is the usual; and what it does with it.  What
-- cannot be had there, as a file in a sandbox, stays the usual.
core.log_hooks(function(always)
  if always or current ~= "info" or where ~= "stderr" then
    return { level = current, to = where }
  end
end, function(given)
  log.level(given.level)
  pcall(log.to, given.to)
end)

local function stamp()
  local now = core.time()
  return os.date("%H:%M:%S", now // 1 | 0) .. (".%03d"):format(now % 1 * 1000 // 1 | 0)
end

-- Without further arguments the text is taken as it is: it may have a % of its own.
local function put(level, text, ...)
  if ranks[level] < ranks[current] then return end
  if select("#", ...) > 0 then
    local good, line = pcall(string.format, text, ...)
    if not good then refuse(level, line) end
    text = line
  end
  write(("%s %-5s [%s] %s\n"):format(stamp(), level, core.strand_name(), tostring(text)))
end

---@param format string
function log.debug(format, ...) put("debug", format, ...) end

---@param format string
function log.info(format, ...) put("info", format, ...) end

---@param format string
function log.warn(format, ...) put("warn", format, ...) end

---@param format string
function log.error(format, ...) put("error", format, ...) end

return setmetatable(log, { __index = core.answers_index "conrun.log" })
