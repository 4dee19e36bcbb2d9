-- SPDX-License-Identifier: MIT
--
-- terminal: a real terminal for specs, made by tmux.
--
-- Each has a tmux server of its own on a private socket and an empty home, so that
-- nobody's settings and no other spec are seen.  Keys are sent as a person would type
-- them, and what must come to be on the screen is waited for: a screen on which it
-- does not is shown in the failure.

local helpers = require "spec.helpers"

local terminal = {}
terminal.__index = terminal

local quote = helpers.quote

local PATIENCE = 20 -- seconds; only a program that hangs needs them

---@param options? { command: string, width: integer, height: integer, home: string, env: string }
function terminal.open(options)
  options = options or {}
  local self = setmetatable({ home = options.home, own = not options.home }, terminal)
  self.home = self.home or helpers.run("mktemp -d"):gsub("\n", "")
  self.socket = helpers.run("mktemp -u"):gsub("\n", "")
  local env = "env -u NO_COLOR -u XDG_STATE_HOME -u LC_ALL -u LUA_INIT -u CONRUN_OPTIONS LANG=C.UTF-8 HOME="
    .. quote(self.home) .. " " .. (options.env or "")
  local command = env .. " " .. (options.command or quote(terminal.conrun)) .. "; echo ended $?; exec cat"
  local _, complaints, code = self:tmux(("-f /dev/null new-session -d -x %d -y %d %s"):format(
    options.width or 80, options.height or 24, quote(command)))
  assert(code == 0, complaints)
  return self
end

--- The conrun under test, wherever a program is started from.
terminal.conrun = helpers.conrun:sub(1, 1) == "/" and helpers.conrun
  or helpers.run("pwd"):gsub("\n", "/") .. helpers.conrun

function terminal:tmux(line)
  return helpers.run(("env -u TMUX LANG=C.UTF-8 tmux -u -S %s %s"):format(quote(self.socket), line))
end

--- Presses keys: "Enter", "C-c", "Up" ...
function terminal:press(...)
  self:tmux("send-keys " .. table.concat({ ... }, " "))
  return self
end

--- Types text, and Enter if `enter` is not false.
function terminal:type(text, enter)
  self:tmux("send-keys -l -- " .. quote(text))
  if enter ~= false then
    self:press "Enter"
  end
  return self
end

--- Pastes text, as with a mouse.
function terminal:paste(text)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  file:write(text):flush()
  self:tmux(("load-buffer %s"):format(name))
  self:tmux "paste-buffer -p"
  os.remove(name)
  return self
end

-- Tabulators are blanks on a screen.
local function expand(text)
  return (text:gsub("[^\n]+", function(line)
    while line:find "\t" do
      line = line:gsub("^([^\t]*)\t", function(head) return head .. (" "):rep(8 - utf8.len(head) % 8) end)
    end
    return line
  end))
end

---@param flags? string "-e": with colours
---@return string
function terminal:screen(flags)
  return (self:tmux("capture-pane -p " .. (flags or "")):gsub("%s+$", "")) .. "\n"
end

--- Waits until the text is on the screen; the screen then.
---@param text string as it is
function terminal:shows(text)
  local screen
  text = expand(text)
  local there = helpers.eventually(function()
    screen = self:screen()
    return screen:find(text, 1, true)
  end, PATIENCE)
  assert(there, ("'%s' is not on the screen:\n%s"):format(text, screen))
  return screen
end

--- Waits until the screen ends in these lines.
---@param text string
function terminal:ends(text)
  local screen
  text = expand(text)
  local there = helpers.eventually(function()
    screen = self:screen()
    return screen:sub(-#text - 1) == text .. "\n"
  end, PATIENCE)
  assert(there, ("the screen does not end in '%s':\n%s"):format(text, screen))
  return screen
end

--- The terminal is closed: whatever runs in it gets SIGHUP.
function terminal:close()
  self:tmux "kill-server"
  assert(helpers.eventually(function() return select(3, self:tmux "list-sessions") ~= 0 end))
  os.remove(self.socket)
  if self.own then
    os.execute("rm -rf " .. quote(self.home))
  end
end

terminal.__close = terminal.close

return terminal
