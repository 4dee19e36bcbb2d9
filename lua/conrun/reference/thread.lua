-- SPDX-License-Identifier: MIT
---@meta conrun.thread
-- luacheck: ignore

--- Workers that are threads of this process, each with a Lua state of its own, so that they run at the same time.
--- Nothing is shared between the states: arguments and results are copied, and what is to be shared is a shared object.
---
--- A thread starts faster than a process. What it cannot do is survive a crash of C code, or be killed: choose
--- `conrun.process` for that.
---@class conrun.thread
local thread = {}

---@class conrun.StartOptions
---@field name? string default: "Thread-1", "Process-1" and so on
---@field daemon? boolean a daemon is ended, not waited for, when the program ends; default: as the starter
---@field memory_limit? integer bytes of Lua memory; beyond them the worker gets Lua's "not enough memory"
---@field libs? string[] standard libraries that it may use, see `conrun.pool`
---@field sandbox? boolean no new files, sockets and programs: walls around a process, see `conrun.pool`

--- Starts a thread that calls `fn(...)`. Options may come first.
---
--- An error of the function goes to `conrun.on_error` when the thread ends, and `worker:result` raises it where it is
--- called. Starting raises if an argument cannot be sent or no more threads can run.
---
--- ```lua
--- local worker = conrun.thread.start(function(a, b) return a + b, a * b end, 3, 4)
--- print(worker:result()) --> 7 12
--- ```
---@overload fun(fn: function, ...: any): conrun.Worker
---@param options conrun.StartOptions
---@param fn function or anything that can be called
---@param ... any arguments, which are copied
---@return conrun.Worker worker
function thread.start(options, fn, ...) end

--- Starts a thread that waits and then calls `fn(...)`, unless `worker:cancel` comes first. Its result is that of `fn`,
--- or nothing when it was cancelled.
---
--- ```lua
--- local timer = conrun.thread.timer(3600, print, "an hour has passed")
--- timer:cancel()
--- print(timer:join()) --> true
--- ```
---@param seconds number 0 or more
---@param fn function
---@param ... any arguments of `fn`
---@return conrun.Worker timer
function thread.timer(seconds, fn, ...) end

--- A thread or process that a strand has started. Its handle can be sent to other strands, which may then wait for it
--- or end it as well. `conrun.select` takes workers: one is ready when it is over.
---
--- As a `<close>` variable it ends with its block: leaving normally waits for it, and leaving by an error makes it raise
--- an error of kind "cancelled" wherever it is, and waits for that. A process that has not ended within a second is
--- killed.
---
--- ```lua
--- do
---   local w <close> = conrun.thread.start(function() conrun.sleep(0.01) end)
---   print(w.state == "ended") --> false
--- end -- it is over here
--- print(#conrun.workers()) --> 0
--- ```
---@class conrun.Worker
---@field name string
---@field id integer unique in the program
---@field kind "thread"|"process"
---@field daemon boolean
---@field pid integer? of the process it runs in; nil while that does not exist yet
---@field exitcode integer? of a process that is over: its code, or minus the signal that ended it; else nil
---@field state "starting"|"running"|"waiting"|"idle"|"ended" what it does about now: "waiting" in conrun, "idle" without a task of its pool
---@field pool string? the name of the pool that it serves
local Worker = {}

--- Waits until the worker is over, however it ended. Several strands may join a worker, and again later. A worker that
--- joins itself gets an error of kind "deadlock".
---
--- ```lua
--- local w = conrun.thread.start(function() return 1 end)
--- print(w:join())        --> true
--- local never = conrun.thread.start({ daemon = true }, function() conrun.event.new():wait(3600) end)
--- print(never:join(0.01)) --> false timeout
--- ```
---@param timeout? number
---@return boolean over false when the time is over first
---@return string? why "timeout"
function Worker:join(timeout) end

--- Waits for the worker's function and returns what it returned. Raises the error object of what it raised: kind
--- "task", or "worker_died" if the process was ended from outside, or "timeout" if it takes longer. May be asked any
--- number of times. A worker of a pool has no result of its own, and a thread that left by `os.exit` returns nothing.
---
--- ```lua
--- conrun.on_error(function() end) -- which is told too
--- local worker = conrun.process.start(function() error { code = 7 } end)
--- local ok, e = pcall(worker.result, worker)
--- print(ok, e.kind, e.value.code) --> false task 7
--- ```
---@param timeout? number
---@return any ... what the function returned
function Worker:result(timeout) end

--- Is it still running?
---
--- ```lua
--- local go = conrun.event.new()
--- local w = conrun.thread.start(function() go:wait() end)
--- print(w:alive()) --> true
--- go:set()
--- w:join()
--- print(w:alive()) --> false
--- ```
---@return boolean alive
function Worker:alive() end

--- Raises the error "interrupted!" in the worker: in the wait it is in, or a few instructions later, where it loses
--- nothing that was just taken. C code that runs cannot be interrupted. The worker may catch the error and go on.
---
--- ```lua
--- local ready = conrun.event.new()
--- local w = conrun.thread.start(function()
---   local _, e = pcall(function()
---     ready:set()
---     conrun.sleep(3600)
---   end)
---   return e.kind
--- end)
--- ready:wait()
--- w:interrupt()
--- print(w:result()) --> interrupted
--- ```
---@return boolean asked false if it was over already
function Worker:interrupt() end

--- Asks a process to end by the signal SIGTERM; its exit code is then -15. A thread refuses: that is an error.
---
--- ```lua
--- local worker = conrun.process.start(conrun.sleep, 3600)
--- worker:terminate()
--- worker:join()
--- print(worker.exitcode) --> -15
--- ```
---@return boolean sent false if it was over already
function Worker:terminate() end

--- Kills a process by the signal SIGKILL; its exit code is then -9. What it held is given back, see `conrun.lock`. A
--- thread refuses: that is an error.
---
--- ```lua
--- local w = conrun.process.start(function() while true do end end)
--- w:kill()
--- w:join()
--- print(w.exitcode) --> -9
--- ```
---@return boolean sent false if it was over already
function Worker:kill() end

--- Keeps a timer from calling its function. One that has called it stays as it is; cancelling twice is no error. Only
--- the strand that made the timer can cancel it, and a worker that is no timer refuses: both are errors.
---
--- ```lua
--- local timer = conrun.thread.timer(3600, print, "never")
--- timer:cancel()
--- print(timer:join()) --> true
--- ```
function Worker:cancel() end

return thread
