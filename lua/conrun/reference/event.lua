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
function Event:set() end

--- Takes the flag back.
function Event:clear() end

--- Is the flag set?
---@return boolean set
function Event:is_set() end

--- Waits until the flag is set.
---@param timeout? number
---@return boolean set
---@return string? why "timeout"
function Event:wait(timeout) end

return event
