-- SPDX-License-Identifier: MIT
--
-- worker: the handles that conrun.thread and conrun.process give out.
--
-- Internal: scripts use those two modules.  The codec requires this one when a
-- worker's handle arrives in a strand that knows none yet.
--
-- What has state is in C (conrun.core.worker).  Here are the timers: a timer is
-- a thread that waits for an event before it calls its function, and to cancel
-- it is to set the event.  The strand that made the timer knows its event, other
-- strands do not; they are told so.

local check = require "conrun.check"
local core = require "conrun.core.worker"

---@class conrun.Worker
---@field name string
---@field id integer unique in the program
---@field kind "thread"|"process"
---@field daemon boolean it is ended, not waited for, when the program ends
---@field pid integer? process it runs in
---@field exitcode integer? of a process that is over: its code, or minus the signal
---@field state "starting"|"running"|"waiting"|"idle"|"ended"
---@field pool string? the name of the pool that it serves
---@field join fun(self: conrun.Worker, timeout?: number): boolean, string?
---@field result fun(self: conrun.Worker, timeout?: number): any ...
---@field alive fun(self: conrun.Worker): boolean
---@field interrupt fun(self: conrun.Worker): boolean
---@field terminate fun(self: conrun.Worker): boolean
---@field kill fun(self: conrun.Worker): boolean
local methods = core.methods

-- Events of this strand's timers; an entry goes when its worker does.
local timers = setmetatable({}, { __mode = "k" })

--- Starts a thread that calls `fn(...)` after a time, unless it is cancelled.
---@param seconds number
---@param fn fun(...)
---@return conrun.Worker
function core.public.timer(seconds, fn, ...)
  if type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds then
    check.fail(1, "timer", "seconds, not negative,", seconds)
  end
  check.callable(fn, 2, "timer")
  local cancelled = require("conrun.event").new()
  local timer = core.public.start_thread(function(...) -- errors count the arguments as the caller does
    if not cancelled:wait(seconds) then return fn(...) end -- set by cancel, and by nobody else
  end, ...)
  timers[timer] = cancelled
  return timer
end

--- The workers of the program that are not over, those of pools too, in the order of their birth.
---@param name? string only those that are called so
---@return conrun.Worker[]
function core.public.workers(name)
  if name ~= nil and type(name) ~= "string" then
    check.fail(1, "workers", "name", name)
  end
  local list = {}
  for _, worker in ipairs(core.all()) do
    if not name or worker.name == name then
      list[#list + 1] = worker
    end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

--- Keeps a timer from calling its function; one that has called it stays as it
--- is.  It may be cancelled again.
function methods:cancel()
  local cancelled = timers[self]
  if not cancelled then
    check.raise "bad call of 'cancel' (not a timer that this strand made)"
  end
  cancelled:set()
end

return core
