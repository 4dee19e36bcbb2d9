-- SPDX-License-Identifier: MIT
---@meta conrun
-- luacheck: ignore

--- The module that gives all others. A part is loaded when its name is first read, so a program pays only for
--- what it uses: `conrun.pool` is the same table as `require "conrun.pool"`.
---
--- Every part keeps to the same manners:
---
--- - A **strand** is one Lua state with the thread or process that runs it; the main script is a strand. A **worker**
---   is a strand that another started. What strands share is a **shared object** (lock, queue, future, dict ...): each
---   strand holds a handle to the same object, and handles can be sent to threads and processes alike.
--- - A **timeout** is the last argument, in seconds. Absent or nil waits for ever, so does `math.huge`; 0 only tries; a
---   negative number or NaN is an argument error.
--- - **Outcomes are values**: what times out or is closed returns nil or false, and `"timeout"` or `"closed"`.
---   **Misuse raises** an ordinary Lua error that names the argument.
--- - **Errors of other strands** arrive as error objects, see `conrun.errors`.
--- - Options come as a table; an option that is not known is an error that names it.
--- - What goes to another strand is **copied**: nil, booleans, numbers, strings, tables (with cycles and shared
---   references), functions with their upvalues, the globals they name and the functions that the program has added
---   to Lua's libraries (methods of strings too, but not what it has changed in their metatable), and modules by
---   name. Shared objects go as handles. A coroutine, an open file or a foreign userdata raises an error that names
---   its path.
--- - **What is copied when**: arguments, results and items with each message; a function with what it names when it is
---   sent, once for all tasks of a `map`; a module never, the worker requires it by its names. A task that assigns to a
---   global or an upvalue changes the worker's copy only; with `-W` a warning names the place. An environment of a
---   function's own travels as a table.
--- - **Copies remember their origin.** A class is a table that is another's metatable, that has a field `__index` or
---   another metamethod, or that can be called and has a field that begins with `__`. It is itself again where it
---   comes from, and any other strand has one copy, which is brought up to date by what is sent later. So is a function
---   itself again where it comes from; elsewhere it is the same function as before while its upvalues are the same
---   values, and another one if they have changed, if one is a table that is no class, or if it assigns to one.
---
--- A type can say how it is sent: a function `__transfer` in its metatable is called with the value and returns a
--- function and arguments; the receiver calls that function with these arguments, and its result is the value there.
---
--- Some of Lua's own functions behave better in company: `print` writes whole lines that are never mixed with
--- those of other strands; `os.exit` in a worker ends that worker only, with the code modulo 256, or 1 after
--- printing a text, and nothing that catches errors can keep it (a thread's files are closed, its finalizers run);
--- `os.execute` and `io.popen` start programs as a shell would, whichever strand calls them, and Ctrl-C still
--- reaches the main strand; `math.random` is seeded anew in every worker, and by `--seed=N` so that each run draws
--- the same numbers.
---
--- **Workers begin as the strand is that starts them**, threads and processes alike, and those of a pool follow the
--- strand that made it, from the next task that it gives them on, where that is cheap:
---
--- | | a new worker has it | a pool's worker follows |
--- | --- | --- | --- |
--- | `package.path`, `cpath`, `searchers`, `preload` | yes | yes |
--- | the metatable of the globals (as of `strict` modules) | yes | yes |
--- | `conrun.on_error`, level and target of `conrun.log` | yes | yes |
--- | warnings (`-W`, `warn "@on"`) | yes | no |
--- | environment variables, and the locale as `os.setlocale` sets it | yes | yes; threads have their process's |
--- | working directory | yes | when `apply`, `map` or one of its kin is called; `submit` does not look |
--- | a global that a function names, also one that is nil by now | with the function | with the task |
--- | other globals, loaded modules, open files, hooks, the collector's settings | no | no |
---
--- What cannot be sent, such as a searcher that is a C function of its own, stays at home.
---
--- **Deadlocks are found.** When strands wait for each other and nobody is left who could wake them, a report with
--- the stack of each goes to stderr, and one of them, the main strand if it is among them, gets an error of kind
--- "deadlock".
---
--- At the end of the main script pools that are still open finish their tasks, workers that are no daemons are
--- joined, and daemons are ended.
---
--- ```lua
--- local pool <close> = conrun.pool.processes(2)
--- print(table.concat(pool:map(math.abs, { -1, 2, -3 }), " ")) --> 1 2 3
--- ```
---@class conrun
---@field version string the version of this conrun
---@field thread conrun.thread
---@field process conrun.process
---@field lock conrun.lock
---@field condition conrun.condition
---@field semaphore conrun.semaphore
---@field event conrun.event
---@field barrier conrun.barrier
---@field queue conrun.queue
---@field pipe conrun.pipe
---@field future conrun.future
---@field pool conrun.pool
---@field shared conrun.shared
---@field select conrun.select
---@field log conrun.log
---@field errors conrun.errors
---@field progress conrun.progress
---@field plot conrun.plot
---@field svg conrun.svg
---@field trace conrun.trace
---@field explore conrun.explore
---@field bench conrun.bench
---@field args conrun.args
---@field scope conrun.scope
local conrun = {}

--- Lets the calling strand rest. Callbacks of `future:on_done` run meanwhile, and an interruption ends it with the
--- error "interrupted!".
---
--- ```lua
--- local start = conrun.clock()
--- conrun.sleep(0.01)
--- print(conrun.clock() - start >= 0.01) --> true
--- ```
---@param seconds number 0 or more
function conrun.sleep(seconds) end

--- The time on a clock that never goes back and is the same for all strands. Only differences mean anything.
---
--- ```lua
--- local started = conrun.clock()
--- conrun.sleep(0.01)
--- print(conrun.clock() - started >= 0.01) --> true
--- ```
---@return number seconds
function conrun.clock() end

--- How many processors this process may use: by its affinity mask, and in a container by the quota of its processor
--- time, rounded up. It is the default size of a pool, unless
--- `--workers=N` says another.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(conrun.cpu_count())
--- print(conrun.cpu_count() >= 1) --> true
--- ```
---@return integer count
function conrun.cpu_count() end

--- What is known of the calling strand.
---
--- ```lua
--- print(conrun.current().kind)                                  --> main
--- local worker = conrun.thread.start({ name = "helper" }, function()
---   return conrun.current().name
--- end)
--- print(worker:result())                                        --> helper
--- ```
---@return conrun.Strand strand
function conrun.current() end

--- The workers of the program that are not over, whoever started them: threads, processes, and those of pools. In the
--- order of their birth. Not for a sandbox.
---
--- ```lua
--- local go = conrun.event.new()
--- for i = 1, 2 do
---   conrun.thread.start({ name = "reader-" .. i }, function() go:wait() end)
--- end
--- for _, worker in ipairs(conrun.workers()) do print(worker.name, worker.kind) end
--- --> reader-1 thread
--- --> reader-2 thread
--- go:set()
--- ```
---@param name? string only those that are called so
---@return conrun.Worker[] workers
function conrun.workers(name) end

--- Was the calling strand asked to stop what it does? By `worker:interrupt()`, `future:cancel{ running = true }`, a
--- task_timeout, Ctrl-C, the end of its pool, its scope or the program. Such an asking is also raised as an error; so this
--- is for code that cleans up, and does so in another way if its work was stopped. It stays true until the task ends, or
--- in a worker that `start` has started until the worker ends.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(1)
--- local began, how = conrun.event.new(), conrun.queue.new()
--- local function work()
---   local cleanup <close> = setmetatable({}, { __close = function() how:put(conrun.stopping()) end })
---   began:set()
---   conrun.sleep(3600)
--- end
--- local task = pool:submit(work)
--- began:wait()
--- task:cancel { running = true }
--- print(how:get()) --> true
--- ```
---@return boolean stopping
function conrun.stopping() end

---@class conrun.Strand
---@field name string "main", "Thread-1", or what the options of `start` said
---@field kind "main"|"thread"|"process"
---@field id integer unique in the program; 0 for the main strand
---@field pid integer of the process that it runs in
---@field daemon boolean

--- Prints values as the prompt shows them: a table with what is in it, a string in quotes. `print` stays Lua's own.
---
--- ```lua
--- conrun.show({ 1, 2, name = "x" }, "a") --> { 1, 2, name = "x" } "a"
--- ```
---@param ... any
function conrun.show(...) end

--- A row of integers that is never built; see `conrun.range.new`, which this is. One argument alone is the last of
--- the row, which begins with 1; `for i in conrun.range(10) do` goes through it.
---
--- ```lua
--- for i in conrun.range(10, 1, -4) do print(i) end
--- --> 10
--- --> 6
--- --> 2
--- ```
---@param first integer
---@param last? integer
---@param step? integer not 0; 1 unless given
---@return conrun.Range range
function conrun.range(first, last, step) end

--- Sets who is told of an error that nobody caught in a worker. It is called in the worker that failed, at its end,
--- with the error object and the worker's name; an error in the handler itself is written to stderr, and so is
--- the original one. Without a handler the worker's error and its traceback go to stderr.
---
--- The handler belongs to the strand that sets it and is handed on to the workers which that strand starts from then
--- on. A task of a pool is no worker: its error belongs to its future.
---
--- ```lua
--- conrun.on_error(function(e, name) print(name, e.message:match "no luck") end)
--- conrun.thread.start({ name = "gambler" }, function() error "no luck" end):join() --> gambler no luck
--- ```
---@param handler? fun(e: conrun.Error, name: string) nil: back to stderr
---@return function? before the handler that was set before
function conrun.on_error(handler) end

return conrun
