-- SPDX-License-Identifier: MIT
--
-- helpers: what specs that run other programs share.
--
-- A program under test is run by the shell in the repository's root, as a person
-- would run it; its two streams come back apart.  Anything that has to become
-- true is waited for with `eventually`, whose deadline is so long that only a
-- program that hangs meets it.

local helpers = {}

---@param word string
---@return string the word as the shell must see it
function helpers.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

---@param path string below the repository's root
---@return string the whole path
function helpers.absolute(path)
  local pipe <close> = assert(io.popen "pwd")
  return pipe:read "l" .. "/" .. path
end

--- The conrun under test.
helpers.conrun = os.getenv "CONRUN" or "build/conrun"

--- Where the modules in C are that spec/modules/ has the sources of.
helpers.modules = os.getenv "CONRUN_SPEC_MODULES" or "build/release/spec/modules"

--- Where the stand-ins for other people's C code are (spec/native), and the environment
--- in which a script of the conrun under test finds those that are Lua modules.
helpers.native = helpers.absolute "build/native/"
helpers.with_native = "LUA_CPATH_5_4=" .. helpers.quote(helpers.native .. "?.so;;")

---@param path string
---@return string
function helpers.slurp(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- Runs a shell command.
---@param command string
---@return string stdout
---@return string stderr
---@return integer code 128 + the signal's number for a program that a signal ended
function helpers.run(command)
  local errors = os.tmpname()
  local pipe = assert(io.popen(("{ %s\n} 2>%s </dev/null"):format(command, errors)))
  local output = pipe:read "a"
  local _, how, code = pipe:close()
  local complaints = helpers.slurp(errors)
  os.remove(errors)
  return output, complaints, how == "signal" and 128 + code or code
end

-- Some scripts crash on purpose, and a sanitizer must leave that signal alone.
local crashing = 'ASAN_OPTIONS="$ASAN_OPTIONS:handle_segv=0" TSAN_OPTIONS="$TSAN_OPTIONS:handle_segv=0"'

--- Runs a script of scripts/ in the conrun under test.
---@param name string without folder and extension
---@param arguments? string as one would type them
---@return string stdout
---@return string stderr
---@return integer code
function helpers.script(name, arguments)
  return helpers.run(
    ("%s %s scripts/%s.lua %s"):format(crashing, helpers.quote(helpers.conrun), name, arguments or "")
  )
end

--- The lines of a text, without the newlines.
---@param text string
---@return string[]
function helpers.lines(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n?" do
    lines[#lines + 1] = line
  end
  lines[#lines] = lines[#lines] ~= "" and lines[#lines] or nil
  return lines
end

--- Waits until a condition holds.
---@param condition fun(): any
---@param seconds? number how long at most, 30 by default
---@return any what the condition gave, nil if it never held
function helpers.eventually(condition, seconds)
  local conrun = require "conrun"
  local deadline = conrun.clock() + (seconds or 30)
  repeat
    local value = condition()
    if value then
      return value
    end
    conrun.sleep(0.005)
  until conrun.clock() > deadline
  return nil
end

return helpers
