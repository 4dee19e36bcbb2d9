-- SPDX-License-Identifier: MIT
---@meta conrun.errors
-- luacheck: ignore

--- Errors of other strands are objects. `tostring(e)` is the message; uncaught, the traceback of the strand that asked
--- is printed below it, and then that of each strand that the error has come through. What fails without a stack, as
--- want of memory does, names the function that was called. A table that was raised is shown as the prompt shows it.
--- The kinds are:
---
--- - "task": a function raised an error; `value` is what it raised, `traceback` says where; an interruption too
--- - "timeout": a result was not there in time, or the task took longer than the pool's `task_timeout`
--- - "cancelled": the future was cancelled, or its pool was terminated
--- - "worker_died": the worker was killed or left by `os.exit`; the message has its pid and signal or exit code
--- - "closed": the pool takes no more tasks
--- - "broken": the pool's initializer failed, or no worker could be started; every task of it gets this
--- - "deadlock": waiting would never have ended
--- - "transfer": arguments or results could not be sent, or not be rebuilt where they arrived
---
--- ```lua
--- local pool <close> = conrun.pool.threads(1)
--- local ok, e = pcall(pool.apply, pool, error, { code = 42 })
--- print(conrun.errors.is(e, "task"), e.value.code, e.strand) --> true 42 pool-1-1
--- ```
---@class conrun.errors
local errors = {}

--- An error object. It is a table, and can be raised, kept, compared by its fields, and sent.
---@class conrun.Error
---@field kind string
---@field message string
---@field value any what was raised, if it can be sent
---@field traceback string? of the strand in which it was raised
---@field strand string? the name of that strand

--- Is it an error object, of this kind if one is given?
---
--- ```lua
--- local pool <close> = conrun.pool.threads(1)
--- local e = pool:submit(error, "no"):error()
--- print(conrun.errors.is(e), conrun.errors.is(e, "timeout"), conrun.errors.is "no") --> true false false
--- ```
---@param e any
---@param kind? string
---@return boolean is
function errors.is(e, kind) end

---@class conrun.ErrorFields
---@field kind string
---@field message string
---@field value? any
---@field traceback? string
---@field strand? string

--- Makes an error object, which `error(e, 0)` raises. `future:set_error` takes it as it is. Raised in a task or worker,
--- it becomes the `value` of that one's error of kind "task"; with `collect_errors` it is the result itself.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(1)
--- local future = pool:submit(function()
---   error(conrun.errors.new { kind = "closed", message = "the shop is closed" }, 0)
--- end)
--- local e = future:error()
--- print(e.kind, e.message, e.value.kind) --> task the shop is closed closed
--- ```
---@param fields conrun.ErrorFields
---@return conrun.Error e
function errors.new(fields) end

return errors
