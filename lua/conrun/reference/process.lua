-- SPDX-License-Identifier: MIT
---@meta conrun.process
-- luacheck: ignore

--- Workers that are processes. They are used as threads are, through the same methods (`conrun.Worker`) and with
--- the same shared objects, and besides they can be killed, have an exit code, and take nobody with them when C code
--- crashes. They are forked from a small process that was made before any thread, so starting one is safe at any time.
---
--- When the main process ends, however it ends, its worker processes end too.
---@class conrun.process
local process = {}

--- Starts a process that calls `fn(...)`. Options may come first. The exit code is 0, 1 if an error was left
--- uncaught, or what `os.exit` was given, modulo 256; `os.exit "text"` prints the text on stderr, and the code is
--- 1.
---
--- ```lua
--- local worker = conrun.process.start({ name = "quitter" }, os.exit, 300)
--- worker:join()
--- print(worker.kind, worker.exitcode) --> process 44
--- ```
---@overload fun(fn: function, ...: any): conrun.Worker
---@param options conrun.StartOptions
---@param fn function or anything that can be called
---@param ... any arguments, which are copied
---@return conrun.Worker worker
function process.start(options, fn, ...) end

return process
