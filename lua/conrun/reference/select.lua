-- SPDX-License-Identifier: MIT
---@meta conrun.select
-- luacheck: ignore

--- Waits for the first of several things. The module itself is the function: `conrun.select(list, timeout)`.
---
--- ```lua
--- local stop, work = conrun.event.new(), conrun.queue.new()
--- work:put "a job"
--- local ready, i = conrun.select { stop, work }
--- print(ready == work, i, ready:get()) --> true 2 a job
--- ```
---@class conrun.select
---@overload fun(list: table, timeout?: number): any, integer|string
local select = {}

--- Waits until one of the list is ready: a queue or pipe end has something to take or is closed, an event is set, a
--- future is final, a worker is over. If several are, the first of the list is returned. It takes nothing away: another
--- strand may be quicker, so take with timeout 0 if there are others. Anything else in the list is an error, so is an
--- empty list.
---
--- ```lua
--- local orders, stop = conrun.queue.new(), conrun.event.new()
--- stop:set()
--- print(conrun.select({ orders, stop }) == stop) --> true
--- print(conrun.select({ orders }, 0))            --> nil timeout
--- ```
---@param list (conrun.Worker|conrun.Future|conrun.Queue|conrun.Pipe|conrun.Event)[]
---@param timeout? number
---@return any? ready nil when the time is over
---@return integer|string i its place in the list, or "timeout"
function select.select(list, timeout) end

return select
