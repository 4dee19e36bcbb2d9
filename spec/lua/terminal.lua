-- SPDX-License-Identifier: MIT
--
-- terminal: what a terminal would show, for specs of programs that draw.
--
-- A program is run with a terminal of its own by `script`, and what it sends there
-- is played back on a screen of lines that knows the few movements which conrun uses:
-- return, new line, up, and clear to the end.  Anything else is an error, so that
-- nothing is taken for shown that a real terminal would understand otherwise.

local helpers = require "spec.helpers"

local terminal = {}

local Screen = {}
Screen.__index = Screen

local function new_screen()
  return setmetatable({ lines = { "" }, row = 1, column = 0 }, Screen)
end

-- The cells of a line, one character each; the specs draw none that are wider.
local function cells(line)
  local list = {}
  for _, code in utf8.codes(line) do
    list[#list + 1] = utf8.char(code)
  end
  return list
end

function Screen:put(char)
  local list = cells(self.lines[self.row])
  for i = #list + 1, self.column do
    list[i] = " "
  end
  self.column = self.column + 1
  list[self.column] = char
  self.lines[self.row] = table.concat(list)
end

function Screen:clear()
  self.lines[self.row] = table.concat(cells(self.lines[self.row]), "", 1, self.column)
  for row = #self.lines, self.row + 1, -1 do
    self.lines[row] = nil
  end
end

function Screen:play(bytes)
  local at = 1
  while at <= #bytes do
    local up, after = bytes:match("^\27%[(%d+)A()", at)
    local char = bytes:match("^" .. utf8.charpattern, at)
    if up then
      self.row, at = self.row - tonumber(up), after
      assert(self.row >= 1, "the cursor left the screen")
    elseif bytes:sub(at, at + 2) == "\27[J" then
      self:clear()
      at = at + 3
    else
      if char == "\r" then
        self.column = 0
      elseif char == "\n" then
        self.row = self.row + 1
        self.lines[self.row] = self.lines[self.row] or ""
      elseif char == "\t" then
        self.column = (self.column // 8 + 1) * 8
      else
        assert(char and char:byte() >= 32, "an unknown control character")
        self:put(char)
      end
      at = at + #char
    end
  end
end

--- Runs a program on a terminal of 80 columns and says what stands there at its end.
---@param code string of Lua
---@param environment? string assignments for the shell, instead of a terminal that can do all
---@return string[] lines
---@return string bytes that the terminal got
function terminal.run(code, environment)
  local path, log = os.tmpname(), os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(code)
  file:close()
  local command = ("%s script -qec %s %s >/dev/null"):format(environment or "LC_ALL=C.UTF-8 TERM=xterm",
    helpers.quote(helpers.quote(helpers.conrun) .. " " .. path), log)
  local _, complaints = helpers.run(command)
  assert(complaints == "", complaints)
  local bytes = helpers.slurp(log)
  os.remove(path)
  os.remove(log)
  bytes = bytes:gsub("^Script started[^\n]*\n", ""):gsub("\n?\r?\nScript done[^\n]*\n$", "")
  local screen = new_screen()
  screen:play(bytes)
  return screen.lines, bytes
end

return terminal
