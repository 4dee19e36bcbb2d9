-- SPDX-License-Identifier: MIT
---@meta conrun.event
-- luacheck: ignore

--- Events: a flag that strands can wait for.
---@class conrun.event
local event = {}

--- An event that is not set.
---
--- ```lua
--- local go = conrun.event.new()
--- local runner = conrun.process.start(function() return go:wait() end)
--- go:set()
--- print(runner:result()) --> true
--- ```
---@return conrun.Event event
function event.new() end

--- The handle of an event. `conrun.select` takes events: one is ready when it is set.
---@class conrun.Event
local Event = {}

--- Sets the flag and wakes all who wait. Setting it again changes nothing.
---
--- ```lua
--- local e = conrun.event.new()
--- local t = conrun.thread.start(function() return e:wait() end)
--- e:set()
--- print(t:result()) --> true
--- ```
function Event:set() end

--- Takes the flag back.
---
--- ```lua
--- local e = conrun.event.new()
--- e:set()
--- e:clear()
--- print(e:is_set()) --> false
--- ```
function Event:clear() end

--- Is the flag set?
---
--- ```lua
--- local e = conrun.event.new()
--- print(e:is_set()) --> false
--- ```
---@return boolean set
function Event:is_set() end

--- Waits until the flag is set.
---
--- ```lua
--- local e = conrun.event.new()
--- print(e:wait(0.01)) --> false timeout
--- e:set()
--- print(e:wait())     --> true
--- ```
---@param timeout? number
---@return boolean set
---@return string? why "timeout"
function Event:wait(timeout) end

return event
