-- SPDX-License-Identifier: MIT
---@meta conrun.queue
-- luacheck: ignore

--- Queues: values on their way between strands. Any number of strands may put and get, threads and processes at once.
---
--- A value is copied when it is put; one that cannot be sent raises there and leaves the queue as it was. An item is
--- taken by one strand, once. nil and false can be items, but `items` cannot tell a nil from the end.
---@class conrun.queue
local queue = {}

--- A queue that is first in, first out.
---
--- ```lua
--- local work, results = conrun.queue.new(), conrun.queue.new()
--- local worker = conrun.process.start(function()
---   for n in work:items() do results:put(n * n) end
--- end)
--- work:put_many { 2, 3, 4 }
--- work:close()
--- worker:join()
--- print(results:get(), results:get(), results:get()) --> 4 9 16
--- ```
---@param maxsize? integer how many items it holds before `put` waits; none, 0 or less: no bound
---@return conrun.Queue queue
function queue.new(maxsize) end

--- A queue that is last in, first out.
---
--- ```lua
--- local stack = conrun.queue.lifo()
--- stack:put_many { "first", "last" }
--- print(stack:get(), stack:get()) --> last first
--- ```
---@param maxsize? integer
---@return conrun.Queue queue
function queue.lifo(maxsize) end

--- A queue that gives the lowest priority first, and equal ones in the order in which they were put. Priorities are
--- numbers and compare as in Lua, integers of any size included.
---
--- ```lua
--- local q = conrun.queue.priority()
--- q:put("sleep", 9)
--- q:put("breathe", 1)
--- print(q:get()) --> breathe
--- ```
---@param maxsize? integer
---@return conrun.Queue queue
function queue.priority(maxsize) end

--- The handle of a queue. `conrun.select` takes queues: one is ready when it has an item or is closed.
---
--- As a `<close>` variable it is closed at the end of its block, so that who reads it comes to an end; after an error the
--- items that are left are dropped.
---
--- ```lua
--- local reader
--- do
---   local q <close> = conrun.queue.new()
---   reader = conrun.thread.start(function() for item in q do print(item) end end)
---   q:put "the only one"
--- end
--- reader:join() --> the only one
--- ```
---@class conrun.Queue
---@operator len: integer
local Queue = {}

--- Puts a value, waiting while the queue is full. A priority queue takes the priority before the timeout:
--- `q:put(value, priority, timeout)`.
---
--- ```lua
--- local q = conrun.queue.new(1)
--- print(q:put "a")      --> true
--- print(q:put("b", 0))  --> false timeout
--- q:close()
--- print(q:put "c")      --> false closed
--- ```
---@overload fun(self: conrun.Queue, value: any, priority: number, timeout?: number): boolean, string?
---@param value any also nil
---@param timeout? number
---@return boolean put
---@return string? why "timeout" or "closed"
function Queue:put(value, timeout) end

--- Takes the next item, waiting for one if there is none.
---
--- ```lua
--- local q = conrun.queue.new()
--- q:put { 1, 2 }
--- print(#q:get(), q:get(0)) --> 2 nil timeout
--- q:close()
--- print(q:get())            --> nil closed
--- ```
---@param timeout? number
---@return any item nil also if there was none
---@return string? why "timeout"; "closed" if it is closed and empty
function Queue:get(timeout) end

--- The item that `get` would give, waiting for one if there is none; it stays in the queue. With a timeout of 0 it is a
--- look. Another strand may have taken the item by the time one has seen it.
---
--- ```lua
--- local q = conrun.queue.new()
--- q:put { job = 7 }
--- print(q:peek().job, #q)      --> 7 1
--- print(q:get().job, q:peek(0)) --> 7 nil timeout
--- ```
---@param timeout? number
---@return any item a copy; nil also if there was none
---@return string? why "timeout"; "closed" if it is closed and empty
function Queue:peek(timeout) end

--- Puts the items of a list, in order; many at once are cheaper than one by one. Not for priority queues.
---
--- ```lua
--- local q = conrun.queue.new(2)
--- print(q:put_many({ "a", "b", "c" }, 0)) --> false timeout 2
--- ```
---@param list any[]
---@param timeout? number for all of them
---@return boolean put all of them
---@return string? why "timeout" or "closed"
---@return integer? count how many were put, when not all were
function Queue:put_many(list, timeout) end

--- Waits until there is an item, then takes what is there, up to `max` items.
---
--- ```lua
--- local q = conrun.queue.new()
--- q:put_many { "a", "b", "c" }
--- print(#q:get_many(2), #q:get_many(10)) --> 2 1
--- print(q:get_many(10, 0))               --> nil timeout
--- ```
---@param max integer 1 or more
---@param timeout? number
---@return any[]? items 1 to max of them
---@return string? why "timeout" or "closed"
function Queue:get_many(max, timeout) end

--- Iterates over the items, waiting for each, until the queue is closed and empty. Raises when an item is nil.
--- `for item in queue do` is the same.
---
--- ```lua
--- local q = conrun.queue.new()
--- q:put_many { "a", "b" }
--- q:close()
--- for item in q:items() do print(item) end
--- --> a
--- --> b
--- ```
---@return fun(): any iterator
function Queue:items() end

--- How many items wait; `#q` is the same. Others may change it at any moment.
---
--- ```lua
--- local q = conrun.queue.new()
--- q:put "item"
--- print(q:size(), #q) --> 1 1
--- ```
---@return integer count
function Queue:size() end

--- Has it no item now?
---
--- ```lua
--- print(conrun.queue.new():empty()) --> true
--- ```
---@return boolean empty
function Queue:empty() end

--- Has it as many items as it may have?
---
--- ```lua
--- local q = conrun.queue.new(1)
--- q:put "item"
--- print(q:full()) --> true
--- ```
---@return boolean full never true of a queue without a bound
function Queue:full() end

--- Its bound.
---
--- ```lua
--- print(conrun.queue.new(10):maxsize(), conrun.queue.new():maxsize()) --> 10 0
--- ```
---@return integer maxsize 0: none
function Queue:maxsize() end

--- Was it closed?
---
--- ```lua
--- local q = conrun.queue.new()
--- q:close()
--- print(q:closed()) --> true
--- ```
---@return boolean closed
function Queue:closed() end

--- Says that an item that was taken is dealt with, for `join`. An error when said more often than items were put.
---
--- ```lua
--- local q = conrun.queue.new()
--- q:put "job"
--- q:get()
--- q:task_done()
--- print(q:join()) --> true
--- ```
function Queue:task_done() end

--- Waits until `task_done` was called for every item that was put.
---
--- ```lua
--- local jobs = conrun.queue.new()
--- jobs:put_many { 1, 2, 3 }
--- local worker = conrun.thread.start(function()
---   for _ in jobs do jobs:task_done() end
--- end)
--- print(jobs:join()) --> true
--- jobs:close()
--- ```
---@param timeout? number
---@return boolean done
---@return string? why "timeout"
function Queue:join(timeout) end

---@class conrun.CloseOptions
---@field now? boolean drop the items that wait; each counts as done

--- Ends the queue: puts are refused from now on, also those that wait, and gets go on until it is empty. Closing
--- twice is no error.
---
--- ```lua
--- local q = conrun.queue.new()
--- q:put "last"
--- q:close()
--- print(q:get(), q:get()) --> last nil closed
--- ```
---@param options? conrun.CloseOptions
function Queue:close(options) end

return queue
