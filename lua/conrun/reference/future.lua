-- SPDX-License-Identifier: MIT
---@meta conrun.future
-- luacheck: ignore

--- Futures: results that come later. `pool:submit` makes one for each task; one that is made here may be settled by
--- any strand that has it.
---
--- A future is **pending**, then **running**, and finally **done**, **failed** or **cancelled**; what is final stays
--- so. Its values are kept in the future: any number of strands may ask for them, any number of times, and each gets
--- copies of its own.
---
--- What takes several futures takes a list, or a table whose values or keys are futures: `{ [pool:submit(f, x)] = x }`.
--- Those that are not in its list come behind it, in the order in which they were made.
---@class conrun.future
local future = {}

--- A future that waits to be settled by `set_result` or `set_error`.
---
--- ```lua
--- local answer = conrun.future.new()
--- local worker = conrun.thread.start(function() answer:set_result(6 * 7) end)
--- print(answer:result()) --> 42
--- worker:join()
--- ```
---@return conrun.Future future
function future.new() end

---@class conrun.WaitOptions
---@field timeout? number seconds; when they are over, the lists are returned as they are
---@field when? "all"|"first"|"error" default "all"; "error": until one failed, which a cancelled one has not

--- Waits for several futures. Duplicates count once; an empty list returns at once.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- local quick, never = pool:submit(math.abs, -1), conrun.future.new()
--- local done, pending = conrun.future.wait({ never, quick }, { when = "first" })
--- print(done[1] == quick, pending[1] == never) --> true true
--- ```
---@param list conrun.Future[]|table<any, conrun.Future>|table<conrun.Future, any>
---@param options? conrun.WaitOptions
---@return conrun.Future[] done those that are final, in the order in which they became so
---@return conrun.Future[] pending the others, in the order of the list
function future.wait(list, options) end

--- Iterates over futures in the order in which they become final. Raises an error of kind "timeout" if not all are
--- in time.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- local futures = { pool:submit(math.sqrt, 4), pool:submit(math.sqrt, 9) }
--- local sum = 0
--- for f in conrun.future.as_completed(futures) do sum = sum + f:result() end
--- print(sum) --> 5.0
--- ```
---@param list conrun.Future[]|table<any, conrun.Future>|table<conrun.Future, any>
---@param timeout? number for the whole iteration, from the call on
---@return fun(): conrun.Future? iterator
function future.as_completed(list, timeout) end

--- Waits until all are final and returns the first value of each, under the key that its future had or was. Raises the
--- first error in the order of the list, or one of kind "timeout". If a value of a list is nil, `n` is their number.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- local futures = { pool:submit(math.max, 1, 2), pool:submit(math.min, 1, 2) }
--- print(table.unpack(conrun.future.all(futures))) --> 2 1
--- ```
---@param list conrun.Future[]|table<any, conrun.Future>|table<conrun.Future, any>
---@param timeout? number
---@return table results
function future.all(list, timeout) end

--- The handle of a future. `conrun.select` takes futures: one is ready when it is final.
---@class conrun.Future
---@field state "pending"|"running"|"done"|"failed"|"cancelled"
local Future = {}

--- Waits for the values and returns them, or raises: the error object of a task that failed, or one of kind "cancelled"
--- or "timeout".
---
--- ```lua
--- local pool <close> = conrun.pool.threads(1)
--- print(pool:submit(math.type, 1):result()) --> integer
--- local ok, e = pcall(function() return pool:submit(error, "no"):result() end)
--- print(ok, e.kind)                         --> false task
--- ```
---@param timeout? number
---@return any ... all the values that the function returned
function Future:result(timeout) end

--- Waits for the outcome and returns the error object; only a timeout is raised.
---
--- ```lua
--- local pool <close> = conrun.pool.processes(1)
--- local future = pool:submit(os.exit, 3)
--- print(future:error().kind) --> worker_died
--- ```
---@param timeout? number
---@return conrun.Error? e nil if there was no error; kind "cancelled" for a cancelled future
function Future:error(timeout) end

--- Is it final: done, failed or cancelled?
---
--- ```lua
--- local f = conrun.future.new()
--- print(f:done()) --> false
--- f:set_result(1)
--- print(f:done()) --> true
--- ```
---@return boolean done
function Future:done() end

--- Is a worker computing it now?
---
--- ```lua
--- print(conrun.future.new():running()) --> false
--- ```
---@return boolean running
function Future:running() end

--- Was it cancelled?
---
--- ```lua
--- local f = conrun.future.new()
--- f:cancel()
--- print(f:cancelled()) --> true
--- ```
---@return boolean cancelled
function Future:cancelled() end

---@class conrun.CancelOptions
---@field running? boolean a task that runs is interrupted, as by `worker:interrupt`, and ends cancelled

--- Cancels what has not been started.
---
--- ```lua
--- local f = conrun.future.new()
--- print(f:cancel(), f:error().kind) --> true cancelled
--- ```
---@param options? conrun.CancelOptions
---@return boolean cancelled true if it is cancelled, now or before, or its running task was asked to stop
function Future:cancel(options) end

--- Calls `fn(future)` when the future is final; at once if it is already. Callbacks run in the strand that set them,
--- whenever it waits in conrun, asks a future, queue or worker anything, or ends, in the order in which the futures
--- became final, and one after the other: only while a callback has to wait may the next one run. None is lost: a strand
--- that ends waits for its callbacks on tasks of pools (not for those on bare futures, which nobody may ever settle). An
--- error in one is written to stderr.
---
--- ```lua
--- local future = conrun.future.new()
--- future:on_done(function(f) print("got " .. f:result()) end)
--- conrun.thread.start(function() future:set_result "it" end):join()
--- print(future:done()) --> got it
---                      --> true
--- ```
---@param fn fun(future: conrun.Future)
function Future:on_done(fn) end

--- A task that goes on from here: a future of `fn(...)` with the results, computed in the pool that computes this one. An
--- error of this one is that of the next, whose function is not called then. The worker that takes the task waits for
--- this one, or computes it.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- local length = pool:submit(string.rep, "ab", 3):next(string.upper):next(function(s) return s, #s end)
--- print(length:result()) --> ABABAB 6
--- ```
---@param fn function
---@param pool? conrun.Pool to be given for a future that this strand has not got from a pool of its own
---@return conrun.Future next
function Future:next(fn, pool) end

--- Settles the future with values. An error if it is final already; the first values stay.
---
--- ```lua
--- local f = conrun.future.new()
--- conrun.thread.start(function() f:set_result("a", "b") end)
--- print(f:result()) --> a b
--- ```
---@param ... any
function Future:set_result(...) end

--- Settles the future as failed. What is no error object becomes the `value` of one of kind "task".
---
--- ```lua
--- local future = conrun.future.new()
--- future:set_error { code = 5 }
--- print(future:error().kind, future:error().value.code) --> task 5
--- ```
---@param e any
function Future:set_error(e) end

return future
