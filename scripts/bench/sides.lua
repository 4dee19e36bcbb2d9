-- SPDX-License-Identifier: MIT
--
-- sides: the programs that are compared, as something to ask for a measurement.
--
-- Each side is a program of its own, started for one row of the table and kept
-- while the row lasts: conrun (work.lua), python3 (python.py), and the floor
-- (floor.c, which also starts whole programs for rows that time those).  So the
-- sides can take turns, none inherits what another row left behind, and one
-- that crashes or hangs is only a failed side.
--
-- The talk is by lines.  A request is "NAME COUNT [TEXT]", its answer "VALUE CHECK"
-- or "error REASON".  Requests go down a pipe, answers come up a named one,
-- because Lua opens pipes in one direction only.
--
-- Refused: waiting for ever.  A side that takes longer than a row may is killed
-- by timeout(1), and the answer is then the end of the stream.

local sides = {}

-- Seconds for one row's share of a side; generous, it only ends what hangs.
local patience = 300

local floor = os.getenv "CONRUN_BENCH_FLOOR" or "build/release/scripts/bench/floor"

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- What a command prints, or nil if it fails.
---@param command string
---@return string?
function sides.output_of(command)
  local pipe <close> = assert(io.popen(command .. " 2>/dev/null"))
  local text = pipe:read "a"
  return pipe:close() and text or nil
end

--- The programs that are there, by name; python is the interpreter itself, not
--- a launcher that looks for it.
---@param folder string where this file is
---@return table<string, string>
function sides.programs(folder)
  local found = {
    conrun = arg[-1],
    floor = sides.output_of("command -v " .. quote(floor)),
    python = sides.output_of "python3 -c 'import sys; print(sys.executable)'",
    lua = sides.output_of "command -v lua5.4",
  }
  for name, path in pairs(found) do
    found[name] = path:gsub("\n$", "")
  end
  found.folder, found.scripts = folder, folder .. "../"
  return found
end

---@class bench.Side
---@field name string
---@field requests file*
---@field answers file*
local side = {}
side.__index = side

-- The program with its argument, a file beside this one.
local function command_of(kind, programs, setting)
  local script = ({ conrun = "work.lua", python = "python.py" })[kind]
  local argument = script and quote(programs.folder .. script) or ""
  return ("%s exec timeout %d %s %s"):format(setting or "", patience, quote(programs[kind]), argument)
end

--- Starts a side.
---@param kind "conrun"|"python"|"floor"
---@param programs table<string, string>
---@param setting? string of its environment: "NAME=value"
---@return bench.Side
function sides.start(kind, programs, setting)
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkfifo " .. path))
  local self = setmetatable({ name = kind }, side)
  self.requests = assert(io.popen(("%s >%s"):format(command_of(kind, programs, setting), path), "w"))
  self.answers = assert(io.open(path))
  os.remove(path)
  return self
end

--- Asks for one measurement.
---@param name string
---@param count integer
---@param text? string
---@return number? value nil if the side failed
---@return string check what it did, or why it failed
function side:ask(name, count, text)
  self.requests:write(name, " ", count, text and " " .. text or "", "\n")
  self.requests:flush()
  local line = self.answers:read "l"
  if not line then
    return nil, "it crashed, or hung for too long"
  end
  local value, check = line:match "^(%-?[%d.]+) (.*)$"
  if not value then
    return nil, (line:gsub("^error ", ""))
  end
  return tonumber(value), check
end

--- Ends the side, also when it failed.
function side:close()
  self.requests:close()
  self.answers:close()
end
side.__close = side.close

return sides
