-- SPDX-License-Identifier: MIT
--
-- kinds: what the specs of the primitives share.
--
-- Every primitive is to behave alike for threads and for processes, so a spec
-- runs the same body for each kind:
--
--   for _, kind in ipairs(kinds) do
--     describe("a lock between strands (" .. kind .. ")", function() ... end)
--   end
--
-- A spec never sleeps to let something happen.  It waits for an event, a queue,
-- a barrier or a join, each with the generous deadline LONG, so that a hang is a
-- failure with a line number and not a spec that is killed.  Where it asserts
-- that something does *not* happen it offers a short time (BRIEF) in which a
-- wrong program may show itself; a right one passes however slow it is.

local helpers = require "spec.helpers"

---@class kinds
---@field LONG number deadline of what must happen, in seconds
---@field BRIEF number time in which something must not happen, in seconds
local kinds = { "thread", "process", LONG = 30, BRIEF = 0.05 }

--- True in a program that was built with ThreadSanitizer.
---@type boolean
kinds.tsan = helpers.slurp("/proc/self/maps"):find("libtsan", 1, true) ~= nil

--- True in a program that was built with any sanitizer; such a one needs terabytes of
--- addresses.
---@type boolean
kinds.sanitized = kinds.tsan or helpers.slurp("/proc/self/maps"):find("libasan", 1, true) ~= nil

--- Starts a worker of the given kind.
---@param kind "thread"|"process"
---@return table worker
function kinds.start(kind, ...)
  return require("conrun." .. kind).start(...)
end

--- Starts `n` workers that run the same call.
---@return table workers
function kinds.start_many(kind, n, ...)
  local workers = {}
  for i = 1, n do
    workers[i] = kinds.start(kind, ...)
  end
  return workers
end

--- Waits for a worker and returns its values; raises what it raised.
function kinds.finish(worker)
  if not worker:join(kinds.LONG) then
    error("worker did not end within " .. kinds.LONG .. " s", 2)
  end
  return worker:result(0)
end

--- Waits for every worker of a list and returns the first value of each.
function kinds.finish_all(workers)
  local values = {}
  for i, worker in ipairs(workers) do
    values[i] = kinds.finish(worker)
  end
  return values
end

--- Opens a pool of `n` workers of the given kind.
function kinds.pool(kind, n, options)
  local settings = { kind = kind, workers = n }
  for key, value in pairs(options or {}) do
    settings[key] = value
  end
  return require("conrun.pool").new(settings)
end

--- Waits until a worker waits for something itself, which it does next.
function kinds.until_it_waits(worker)
  assert(kinds.eventually(function() return worker.state == "waiting" end))
end

--- A task that tells when it runs, and ends when it may.  It waits without a deadline: what
--- never lets it go shows.
function kinds.hold(began, go)
  began:set()
  go:wait()
end

--- Keeps one worker of a pool at work until the event is set.
---@return table event
---@return table future of the task that does it
function kinds.occupy(pool, options)
  local began, go = require("conrun.event").new(), require("conrun.event").new()
  local task = pool:submit(options or {}, kinds.hold, began, go)
  assert(began:wait(kinds.LONG))
  return go, task
end

--- Calls a function that must raise and returns what it raised.
function kinds.raised(fn, ...)
  local ok, raised = pcall(fn, ...)
  if ok then
    error("expected an error, none was raised", 2)
  end
  return raised
end

--- Calls a function that must raise an error object of this kind, and returns it.
function kinds.raised_kind(kind, fn, ...)
  local raised = kinds.raised(fn, ...)
  if not require("conrun.errors").is(raised, kind) then
    error("expected an error object of kind '" .. kind .. "', got: " .. tostring(raised), 2)
  end
  return raised
end

--- Calls a function that must raise an ordinary argument error for argument `n`.
function kinds.bad_argument(n, fn, ...)
  local message = tostring(kinds.raised(fn, ...))
  if not message:find("bad argument #" .. n, 1, true) then
    error("expected a bad argument #" .. n .. ", got: " .. message, 2)
  end
  return message
end

--- The same for a method, called as one: Lua does not count self then.
function kinds.bad_method(n, object, method, ...)
  local call = assert(load(("local object = ... object:%s(select(2, ...))"):format(method)))
  local message = kinds.bad_argument(n, call, object, ...)
  if not message:find("to '" .. method .. "'", 1, true) then
    error("expected the name '" .. method .. "', got: " .. message, 2)
  end
  return message
end

--- Polls until `condition()` is true; false if it never was.  The poll waits in
--- conrun, so callbacks run.
function kinds.eventually(condition)
  return helpers.eventually(condition, kinds.LONG) and true or false
end

--- Sends a signal ("KILL", "TERM", "INT") to a process; true if it existed.
function kinds.signal(name, pid)
  return (os.execute(("kill -%s %d 2>/dev/null"):format(name, pid)))
end

--- True while a process exists and is no zombie.
function kinds.process_alive(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  if not file then
    return false
  end
  local stat = file:read("a")
  file:close()
  local state = stat and stat:match("^%d+ %(.*%) (%a)")
  return state ~= nil and state ~= "Z" and state ~= "X"
end

local function read_away(path)
  local file = io.open(path)
  local text = file and file:read("a") or ""
  if file then
    file:close()
  end
  os.remove(path)
  return text
end

---@class child a conrun started by a spec, in a session of its own
local child = {}
child.__index = child

--- The next line of its output.
function child:line()
  return self.output:read("l")
end

--- Reads the rest of its output and waits for its end.
---@return string stdout, string stderr, integer status the exit code, or -signal
function child:finish()
  local out = self.output:read("a")
  self.output:close()
  local err = read_away(self.errors)
  local status = tonumber(read_away(self.status)) or -9999
  os.remove(self.script)
  return out, err, status > 128 and 128 - status or status
end

--- Starts a child conrun that runs `source`; its first words may be options.
--- In the script, `conrun` is the module and `pid` the child's process.
---@param source string
---@return child
---@param options? string of the command line
---@param environment? string assignments as in the shell
function kinds.child(source, options, environment)
  local script = os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write('local conrun = require "conrun"; local pid = conrun.current().pid; ')
  file:write("io.stdout:setvbuf('line') ", source)
  file:close()
  local self = setmetatable({ script = script, errors = os.tmpname(), status = os.tmpname() }, child)
  local command = ("%s %s %s %s 2>%s; echo $? >%s"):format(environment or "",
    helpers.quote(helpers.conrun), options or "", script, self.errors, self.status)
  self.output = assert(io.popen(command))
  return self
end

--- Runs a child to its end.
---@return string stdout, string stderr, integer status
function kinds.run(source, options, environment)
  return kinds.child(source, options, environment):finish()
end

--- Runs a child in which a process is to die of SIGSEGV.  The sanitizers would
--- catch the signal and report the death that the spec wants to see.
function kinds.run_crashing(source)
  return kinds.run(source, nil,
    'ASAN_OPTIONS="$ASAN_OPTIONS:handle_segv=0" TSAN_OPTIONS="$TSAN_OPTIONS:handle_segv=0"')
end

return kinds
