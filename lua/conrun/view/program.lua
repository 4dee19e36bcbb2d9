-- SPDX-License-Identifier: MIT
--
-- program: another conrun that runs, as a reader from outside sees it.
--
-- Internal: for conrun --dump and --top.  What its strands do is in its shared memory, which
-- conrun.core.view reads; what the kernel knows of its processes is in /proc.  Neither costs
-- the program anything, and neither needs its help.

local view = require "conrun.core.view"

local program = {}
program.__index = program

local function slurp(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

-- What comes behind the name in /proc/*/stat: the name may hold anything.
local function stat(path)
  local text = slurp(path)
  return text and text:match "^.*%) (.*)$"
end

--- The command line as one line: what would move a cursor is a question mark.
---@param pid integer
---@return string
function program.command(pid)
  local text = slurp(("/proc/%d/cmdline"):format(pid)) or ""
  return (text:gsub("%z$", ""):gsub("%z", " "):gsub("[\1-\31\127]", "?"))
end

local function user_name(id)
  for line in (slurp "/etc/passwd" or ""):gmatch "[^\n]+" do
    local name, number = line:match "^([^:]*):[^:]*:(%d+):"
    if tonumber(number) == id then
      return "'" .. name .. "'"
    end
  end
  return tostring(id)
end

-- Why a process cannot be looked at, in one line.
local function refusal(pid, reason, version)
  local owner, state = view.owner(pid), stat(("/proc/%d/stat"):format(pid))
  if not owner then
    return ("there is no process %d"):format(pid)
  elseif state and state:find "^[ZX]" then
    return ("process %d has ended"):format(pid)
  elseif reason == "other" then
    local name = (slurp(("/proc/%d/comm"):format(pid)) or ""):gsub("\n$", ""):gsub("[%c\127]", "?")
    if name == "conrun" then
      return ("process %d is a conrun that has not begun yet, or has nothing to show"):format(pid)
    end
    return ("process %d is no conrun, but '%s'"):format(pid, name)
  elseif reason == "version" and version == require "conrun".version then
    return ("process %d runs another build of conrun %s, which alone can read it: /proc/%d/exe --dump=%d")
      :format(pid, version, pid, pid)
  elseif reason == "version" then
    return ("process %d runs %s, and this is conrun %s; its own program can read it: /proc/%d/exe --dump=%d")
      :format(pid, version == "" and "an older conrun" or "conrun " .. version, require "conrun".version, pid, pid)
  elseif reason == "denied" and owner ~= view.owner(require "conrun".current().pid) then
    return ("process %d belongs to user %s: only that user and root can look at it"):format(pid, user_name(owner))
  end
  return ("cannot look at process %d: %s"):format(pid, reason == "denied" and "the system forbids it" or reason)
end

--- Opens a program by any of its processes.
---@param pid integer
---@return table? program
---@return string? message why not
function program.open(pid)
  local seen, reason, version = view.open(pid)
  if not seen then
    return nil, refusal(pid, reason, version), reason
  end
  -- The numbers of processes that a program in another name space knows are not ours.
  local spaces = (slurp(("/proc/%d/status"):format(pid)) or ""):match "\nNSpid:([^\n]*)"
  local apart = spaces and spaces:find "%d+%s+%d+" and true
  return setmetatable({ view = seen, asked = pid, apart = apart, memory = reason }, program)
end

--- All programs that this user can look at, oldest first, but this one.
---@return table[] programs { pid, command, uptime, strands }
---@return string? message about one of another version
function program.list()
  local found, known, message = {}, {}, nil
  for _, pid in ipairs(view.processes()) do
    local one, why, reason = program.open(pid)
    message = reason == "version" and not message and why or message
    local seen = one and not known[one.memory] and one:look()
    if seen then
      known[one.memory] = true
      found[#found + 1] = { pid = seen.pid, command = seen.command, uptime = seen.uptime, strands = #seen.strands }
    end
    if one then
      one:close()
    end
  end
  table.sort(found, function(a, b) return a.uptime > b.uptime end)
  return found, message
end

--------------------------------------------------------------------------- the kernel

-- The state of a thread and the seconds of processor time that it has had.
local function thread(pid, tid)
  local path = ("/proc/%d/task/%d/"):format(pid, tid)
  local text = stat(path .. "stat")
  if not text then
    return "Z"
  end
  local exact = (slurp(path .. "schedstat") or ""):match "^%d+"
  local user, system = text:match("^" .. ("%S+ "):rep(11) .. "(%d+) (%d+)")
  return text:sub(1, 1), exact and exact / 1e9 or (user + system) / 100
end

-- Bytes of a process that are not shared with others.
local function private_memory(pid)
  local kilobytes = (slurp(("/proc/%d/status"):format(pid)) or ""):match "\nRssAnon:%s*(%d+)"
  return kilobytes and kilobytes * 1024
end

local function state_of(strand, letter)
  if strand.state ~= "running" then
    return strand.state -- starting, ending
  elseif letter and letter:find "[ZX]" then
    return "gone"
  elseif letter and letter:find "[Tt]" then
    return "stopped"
  elseif strand.waits then
    return strand.waits.verb == "task" and "idle" or "waiting"
  end
  return letter and letter:find "[SD]" and "calling" or "running"
end

local function ask_kernel(self, seen)
  local memory = {}
  for _, strand in ipairs(seen.strands) do
    local letter
    if not self.apart and strand.tid > 0 then
      letter, strand.cpu = thread(strand.pid, strand.tid)
      memory[strand.pid] = memory[strand.pid] or private_memory(strand.pid)
      strand.memory = memory[strand.pid]
    end
    strand.state = state_of(strand, letter)
  end
end

---------------------------------------------------------------------------- a look

local function add_up(seen)
  local states, tasks = {}, { queued = 0, running = 0, done = 0, failed = 0 }
  local waiting, longest, pools, objects = {}, {}, {}, {}
  for _, strand in ipairs(seen.strands) do
    local waits = strand.waits
    states[strand.state] = (states[strand.state] or 0) + 1
    if waits and waits.id then
      waiting[waits.id] = (waiting[waits.id] or 0) + 1
      longest[waits.id] = math.max(longest[waits.id] or 0, waits.seconds)
    end
  end
  for _, object in ipairs(seen.objects) do
    object.waiting, object.longest = waiting[object.id] or 0, longest[object.id]
    if object.type == "pool" then
      pools[#pools + 1] = object
      for name, sum in pairs(tasks) do
        tasks[name] = sum + object[name]
      end
    else
      objects[#objects + 1] = object
    end
  end
  seen.states, seen.tasks, seen.pools, seen.objects = states, tasks, pools, objects
end

-- Those that keep most waiting first, then the longest queues.
local function by_contention(a, b)
  if a.waiting ~= b.waiting then
    return a.waiting > b.waiting
  elseif (a.size or a.queued or 0) ~= (b.size or b.queued or 0) then
    return (a.size or a.queued or 0) > (b.size or b.queued or 0)
  end
  return a.id < b.id
end

--- What the program does now; nil if it has ended.
---@return table?
function program:look()
  local seen = self.view:look()
  if not seen then
    return nil
  end
  local main = not self.apart and seen.pid or self.asked
  local state = stat(("/proc/%d/stat"):format(main))
  if not state or state:find "^[ZX]" then
    return nil
  end
  seen.pid, seen.command = main, program.command(main)
  seen.stopped = state:find "^[Tt]" and true or false
  ask_kernel(self, seen)
  add_up(seen)
  table.sort(seen.objects, by_contention)
  table.sort(seen.pools, by_contention)
  return seen
end

--- Asks it to print its Lua stacks, as Ctrl-\ does.
---@return string? where they will be: what its standard error is
---@return string? message why it cannot be asked
function program:ask(seen)
  if self.apart then
    return nil, ("process %d is in another name space, where its main process has another number"):format(seen.pid)
  elseif not view.ask(seen.pid) then
    return nil, ("process %d does not listen for Ctrl-\\ (SIGQUIT), which would end it; its stacks cannot be had")
      :format(seen.pid)
  end
  return view.target(("/proc/%d/fd/2"):format(seen.pid)) or "closed"
end

function program:close() self.view:close() end

return program
