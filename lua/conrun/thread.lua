-- SPDX-License-Identifier: MIT
--
-- thread: workers that are threads of this process, each with a Lua state of
-- its own.  What they are given is copied; what they share is a shared object.

local worker = require "conrun.worker"

local thread = {}

---@class conrun.StartOptions
---@field name? string default "Thread-1", "Process-1" ...
---@field daemon? boolean default: as the starter
---@field memory_limit? integer bytes of Lua memory, upon which "not enough memory" is raised
---@field libs? string[] standard libraries that it may use
---@field sandbox? boolean of a process: no new files, sockets, programs

--- Starts a thread that calls a function: `start([options,] fn, ...)`.
---@type fun(...): conrun.Worker
thread.start = worker.public.start_thread

--- Starts a thread that calls `fn(...)` after `seconds`, unless `:cancel()` comes first.
---@type fun(seconds: number, fn: function, ...): conrun.Worker
thread.timer = worker.public.timer

return setmetatable(thread, { __index = require("conrun.core").answers_index "conrun.thread" })
