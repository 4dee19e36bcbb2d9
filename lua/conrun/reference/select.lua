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

--- A selector: a list that is kept, for who waits for the next of many things again and again, as a server does. What a
--- wait costs does not depend on how many there are. It belongs to the strand that made it, and cannot be sent.
---
--- ```lua
--- local inbox = {}
--- for i = 1, 100 do inbox[i] = conrun.queue.new() end
--- local selector = conrun.select.new(inbox)
--- inbox[42]:put "for you"
--- local q, i = selector:wait()
--- print(i, q:get()) --> 42 for you
--- ```
---@param list? (conrun.Worker|conrun.Future|conrun.Queue|conrun.Pipe|conrun.Event)[] what `conrun.select` takes; none: empty
---@return conrun.Selector selector
function select.new(list) end

--- A kept list of things to wait for. `#selector` is how many there are.
---@class conrun.Selector
local Selector = {}

--- Waits for the next one that is ready, as `conrun.select` says what that is. Of several that stay ready each has its
--- turn. It takes nothing away.
---
--- ```lua
--- local a, b = conrun.queue.new(), conrun.queue.new()
--- local selector = conrun.select.new { a, b }
--- a:put(1)
--- b:put(2)
--- print((selector:wait()):get() + (selector:wait()):get()) --> 3
--- print(selector:wait(0))                                  --> nil timeout
--- ```
---@param timeout? number
---@return any? ready nil when the time is over
---@return integer|string place of it, or "timeout"
function Selector:wait(timeout) end

--- Adds one. Its place is the next number, and stays its own; that of one that is there already is returned again.
---
--- ```lua
--- local selector = conrun.select.new { conrun.queue.new() }
--- print(selector:add(conrun.event.new()), #selector) --> 2 2
--- ```
---@param object conrun.Worker|conrun.Future|conrun.Queue|conrun.Pipe|conrun.Event
---@return integer place
function Selector:add(object) end

--- Removes one: a queue that is closed and empty, for example, which would be ready for ever.
---
--- ```lua
--- local q = conrun.queue.new()
--- local selector = conrun.select.new { q }
--- print(selector:remove(q), selector:remove(q), #selector) --> true false 0
--- ```
---@param object conrun.Worker|conrun.Future|conrun.Queue|conrun.Pipe|conrun.Event
---@return boolean removed false: it was not there
function Selector:remove(object) end

return select
