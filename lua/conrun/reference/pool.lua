-- SPDX-License-Identifier: MIT
---@meta conrun.pool
-- luacheck: ignore

--- Pools: workers that call functions for others, threads or processes. Workers are started when there is work for
--- them, take their tasks themselves, and are used again.
---
--- A task may be any Lua function, or a C function of a loaded module such as `math.sqrt`; function and arguments are
--- copied, and the globals that the function names are taken along.
---
--- A worker that dies fails only the task it ran (kind "worker_died", with pid and signal or exit code), and is
--- replaced. If the initializer fails, the pool is **broken**: every task fails with that error.
---
--- With the option `task_timeout`, a task that takes longer fails with kind "timeout": a process is killed and
--- replaced; a thread is interrupted in its Lua code or in its wait, but not in a C function. A task that catches
--- the interruption, or ends too late by itself, has failed all the same.
---
--- ```lua
--- local pool <close> = conrun.pool.new { workers = 1, kind = "process", task_timeout = 0.05 }
--- print(pool:submit(conrun.sleep, 3600):error().kind) --> timeout
--- ```
---
--- With the option `libs`, tasks may use only the standard libraries of that list: package, coroutine, table, io, os,
--- string, math, utf8, debug. The base functions are always there, without `dofile` and `loadfile` unless "io" is
--- listed, and `load` takes text only. `require` finds only conrun's modules unless "package" is listed. Nobody gives
--- more than he has: without the option, workers may use what their maker may, and a worker can only submit to pools
--- whose workers may use no more. `require` gives the public modules of conrun, those of this reference.
---
--- What such a worker sends, as a result, an error, by a queue or into a shared dict, is data: a function, a metatable or
--- a `__transfer` that it has made is an error ("cannot send a function of a sandbox"). What the receiver has itself, by
--- a module's name or because it came from there, goes back as that. So nothing of a sandbox runs outside of it.
---
--- ```lua
--- local pool <close> = conrun.pool.new { workers = 1, libs = { "string", "math" } }
--- print(pool:apply(function() return io == nil, os == nil, math.type(1) end)) --> true true integer
--- ```
---
--- `sandbox = true`, for processes, raises walls in the kernel around each worker, for C code too: no new files, sockets or
--- programs (no_new_privs, seccomp, and Landlock where the kernel has it). It needs the library libseccomp. Modules in
--- files that the initializer names (as upvalues or globals), or the function of `conrun.process.start`, are loaded before;
--- none can be later, in no thread or process that the worker starts. With `libs` it is the strongest: what the one lets
--- through is stopped by the other.
---
--- ```lua
--- local pool <close> = conrun.pool.new { workers = 1, kind = "process", sandbox = true }
--- print(pool:apply(io.open, "/etc/hostname")) --> nil /etc/hostname: Operation not permitted 1
--- ```
---
--- Limits that remain: a sandbox can use up processor time, shared memory and strands (there are `task_timeout`,
--- `memory_limit` and `--memory-limit`); what a task starts goes on when its time is over, within the same limits; what it
--- changes of its worker, the worker's next task finds so (`max_tasks_per_worker = 1` keeps strangers apart); it writes
--- to stdout and stderr, and can use all shared objects that it is given. `libs` is no wall for those who are given
--- "debug" or "package", nor against mistakes in Lua itself. Walls keep a process from the machine, not from the program:
--- who takes over the C code of a worker can write into the memory that all strands share. Behind walls nobody looks
--- for deadlocks, only outside of them, and no other process can be killed.
---
--- A pool of kind "cluster" gives its tasks to agents on other machines (`conrun --agent=URL`), by a server (`conrun --hub`)
--- whose address is the option `url` or in CONRUN_CLUSTER. All calls are the same; shared objects cannot be sent. What it takes,
--- its options and what becomes of faults are in the page "Many machines" (doc/cluster.md).
---
--- A task may give its own pool tasks and wait for them: if no other worker is free, the waiting one runs them itself.
---
--- With `local pool <close>`, leaving the block waits until all tasks are finished; leaving it by an error ends
--- them. A pool that is never closed finishes its tasks at the end of the script.
---@class conrun.pool
local pool = {}

---@class conrun.PoolOptions
---@field workers? integer how many at most; default: as many as processors, or as `--workers` says
---@field kind? "thread"|"process"|"cluster" default "thread"
---@field name? string default "pool-1" and so on; workers are called after it
---@field initializer? function every worker calls it before its first task
---@field initargs? any[] its arguments
---@field max_tasks_per_worker? integer after so many tasks a worker ends and another takes its place
---@field retries? integer how often a task whose worker died is tried again; default 0
---@field memory_limit? integer bytes of Lua memory of each worker; a task beyond them fails with "not enough memory"
---@field task_timeout? number seconds that a task may take; then it fails with kind "timeout"
---@field max_queued? integer how many tasks may wait for a worker; who would add more waits until there is room. Not the pool's own tasks, which would wait for themselves
---@field idle_timeout? number seconds without a task, after which a worker ends; others are started when there are tasks again
---@field libs? string[] standard libraries that tasks may use, see above
---@field sandbox? boolean walls around each process, see above

--- A pool.
---
--- ```lua
--- local pool <close> = conrun.pool.new { workers = 2, kind = "process", name = "squares" }
--- print(pool) --> pool 'squares' (2 processes: 0 busy, 0 tasks queued)
--- print(table.concat(pool:map(function(n) return n * n end, { 1, 2, 3 }), " ")) --> 1 4 9
--- ```
---@param options? conrun.PoolOptions
---@return conrun.Pool pool
function pool.new(options) end

--- A pool of threads.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- print(pool:apply(function() return conrun.current().kind end)) --> thread
--- ```
---@param n? integer how many; default: as many as processors
---@param options? conrun.PoolOptions
---@return conrun.Pool pool
function pool.threads(n, options) end

--- A pool of processes.
---
--- ```lua
--- local pool <close> = conrun.pool.processes(2, { name = "crunchers" })
--- print(pool:apply(function() return conrun.current().kind end)) --> process
--- ```
---@param n? integer how many; default: as many as processors
---@param options? conrun.PoolOptions
---@return conrun.Pool pool
function pool.processes(n, options) end

---@class conrun.MapOptions
---@field chunksize? integer items in one task; default: for `map` what gives every worker four tasks, for `imap` 1
---@field buffersize? integer items that are sent ahead of the results; default for `imap`: four chunks for each worker
---@field collect_errors? boolean an error object stands in the place of a result, instead of being raised
---@field progress? boolean|string shows on stderr how many items are done, with a label if it is a string
---@field timeout? number seconds for the whole call; then an error of kind "timeout" is raised
---@field priority? integer of its tasks, see `pool:submit`

---@class conrun.AsyncOptions
---@field chunksize? integer as for `map`
---@field collect_errors? boolean as for `map`
---@field priority? integer of its tasks, see `pool:submit`

---@class conrun.SubmitOptions
---@field priority? integer from -3 to 3; tasks of a lower number are begun before all others, in order among themselves; default 0
---@field timeout? number seconds to wait for room in the line of a pool with max_queued; then there is no task
---@field await? boolean futures among the arguments stand for their (first) results: the worker that takes the task waits for them, or computes them, and an error of one is that of the task

--- The handle of a pool. It can be sent to other strands, which may then give it tasks.
---@class conrun.Pool
local Pool = {}

--- Gives the pool a call to make, and returns at once. Raises if function or arguments cannot be sent, and an error of
--- kind "closed" or "broken" if the pool takes no tasks.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- local future = pool:submit(string.rep, "ab", 3)
--- print(future:result()) --> ababab
--- ```
---
--- Options may come first:
---
--- ```lua
--- local pool <close> = conrun.pool.new { workers = 1, max_queued = 2 }
--- local began, go = conrun.event.new(), conrun.event.new()
--- local first = pool:submit(function() began:set() go:wait() return 3 end)
--- began:wait()
--- local sum = pool:submit({ await = true }, function(a, b) return a + b end, first, 4)
--- pool:submit({ priority = -1 }, print, "goes before the sum")
--- print(pool:submit({ timeout = 0 }, print, "finds no room")) --> nil timeout
--- go:set()
--- print(sum:result()) --> goes before the sum
---                     --> 7
--- ```
---@overload fun(self: conrun.Pool, options: conrun.SubmitOptions, fn: function, ...: any): conrun.Future?, string?
---@param fn function
---@param ... any arguments
---@return conrun.Future future of all the values that it returns; with the option `timeout` perhaps nil and "timeout"
function Pool:submit(fn, ...) end

--- Another name of `submit`.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(1)
--- print(pool:apply_async(math.max, 1, 2):result()) --> 2
--- ```
---@param fn function
---@param ... any arguments
---@return conrun.Future future
function Pool:apply_async(fn, ...) end

--- Makes a call in a worker and waits for it.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(1)
--- print(pool:apply(string.format, "%d + %d", 1, 2)) --> 1 + 2
--- ```
---@param fn function
---@param ... any arguments
---@return any ... what it returned
function Pool:apply(fn, ...) end

--- Applies `fn` to each item; the results come in the order of the items, the first value of each call. Raises the
--- first error in that order, after all tasks of the call have ended.
---
--- ```lua
--- local pool <close> = conrun.pool.processes(2)
--- local halves = pool:map(function(n) return n % 2 == 0 and n // 2 or error "odd" end,
---   conrun.range(2, 4), { collect_errors = true })
--- print(halves[1], conrun.errors.is(halves[2], "task"), halves[3]) --> 1 true 2
--- ```
---@param fn fun(x: any): any
---@param xs any[]|conrun.Range|fun(): any a list, anything with a length and items, or an iterator function
---@param options? conrun.MapOptions
---@return any[] results where a call returned nothing there is nil, and `n` is then their number
function Pool:map(fn, xs, options) end

--- As `map`, but returns at once. The future is settled by this strand, whenever it waits in conrun or asks a
--- future.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- local roots = pool:map_async(math.sqrt, { 1, 4 })
--- print(table.concat(roots:result(), " ")) --> 1.0 2.0
--- ```
---@param fn fun(x: any): any
---@param xs any[]|conrun.Range|fun(): any
---@param options? conrun.AsyncOptions
---@return conrun.Future future of the list of results
function Pool:map_async(fn, xs, options) end

--- As `map`, but each item is a list of arguments; `table.pack(...)` keeps a nil at the end.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- print(table.concat(pool:starmap(math.max, { { 1, 2 }, { 9, 3, 5 } }), " ")) --> 2 9
--- ```
---@param fn fun(...: any): any
---@param xs any[][]|fun(): any[]
---@param options? conrun.MapOptions
---@return any[] results
function Pool:starmap(fn, xs, options) end

--- As `map_async`, but each item is a list of arguments.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- print(table.concat(pool:starmap_async(math.max, { { 1, 2 }, { 4, 3 } }):result(), " ")) --> 2 4
--- ```
---@param fn fun(...: any): any
---@param xs any[][]|fun(): any[]
---@param options? conrun.AsyncOptions
---@return conrun.Future future of the list of results
function Pool:starmap_async(fn, xs, options) end

--- Iterates over `i, result` in the order of the items, while workers go on with the next ones. An error is raised
--- when its place comes, or that of the first item of its chunk. Items are read only as far ahead as `buffersize`
--- says, so an iterator function may be endless; leaving the loop cancels what has not been started.
---
--- ```lua
--- local n = 0
--- local function naturals()
---   n = n + 1
---   return n
--- end
--- local pool <close> = conrun.pool.threads(2)
--- for i, square in pool:imap(function(x) return x * x end, naturals) do
---   if i > 3 then break end
---   io.write(square, " ")
--- end
--- print "..." --> 1 4 9 ...
--- ```
---@param fn fun(x: any): any
---@param xs any[]|conrun.Range|fun(): any
---@param options? conrun.MapOptions
---@return fun(): integer?, any iterator for a `for` loop, with what closes it
function Pool:imap(fn, xs, options) end

--- As `imap`, but in the order in which results are ready. `i` is the number of the item.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- local sum = 0
--- for _, root in pool:imap_unordered(math.sqrt, { 1, 4, 9 }) do sum = sum + root end
--- print(sum) --> 6.0
--- ```
---@param fn fun(x: any): any
---@param xs any[]|conrun.Range|fun(): any
---@param options? conrun.MapOptions
---@return fun(): integer?, any iterator
function Pool:imap_unordered(fn, xs, options) end

--- Takes no more tasks; those that are there are finished. Closing twice is no error.
---
--- ```lua
--- local pool = conrun.pool.threads(1)
--- pool:close()
--- local ok, e = pcall(pool.submit, pool, print)
--- print(ok, e.kind) --> false closed
--- ```
function Pool:close() end

--- Waits until the workers are gone, which they are when a closed pool has finished its tasks, and with them all that
--- they held: locks, permits, ends of pipes, processes. An error if the pool is open, and in a task of the pool itself.
---
--- ```lua
--- local pool = conrun.pool.threads(1)
--- local future = pool:submit(math.sqrt, 16)
--- pool:close()
--- print(pool:join(), future:done()) --> true true
--- ```
---@param timeout? number
---@return boolean over
---@return string? why "timeout"
function Pool:join(timeout) end

--- Ends the pool now: waiting tasks are cancelled, and running ones too. Processes are killed; threads are told to end
--- and do so at their next instruction or in their wait. Futures fail with kind "cancelled"; none is left
--- waiting. What waits is cancelled before anything that runs is told.
---
--- ```lua
--- local pool = conrun.pool.processes(1)
--- local future = pool:submit(conrun.sleep, 3600)
--- pool:terminate()
--- print(future:error().kind) --> cancelled
--- ```
function Pool:terminate() end

---@class conrun.ShutdownOptions
---@field cancel? boolean cancel what has not been started

--- Closes the pool and waits until its tasks are finished and its workers gone, as `pool:join` does.
---
--- ```lua
--- local pool = conrun.pool.threads(1)
--- local go = conrun.event.new()
--- local future = pool:submit(function() go:wait() return "finished" end)
--- go:set()
--- pool:shutdown()
--- print(future:result()) --> finished
--- ```
---@param options? conrun.ShutdownOptions
function Pool:shutdown(options) end

---@class conrun.Agent
---@field host string the name of its machine
---@field pid integer its process there
---@field workers integer how many tasks it computes at once
---@field busy integer how many it had when it was heard of last
---@field done integer how many it has computed, for all programs
---@field tags string[] as `--tags` said
---@field seen number seconds since it was heard of
---@field id string unlike that of any other

--- The agents that work for a pool of kind "cluster", as far as this program has heard of them within the last lease.
---
--- ```lua
--- local pool <close> = conrun.pool.new { workers = 2, kind = "process" }
--- local _, why = pcall(pool.agents, pool)
--- print(why:match "%((.*)%)") --> only a pool of kind 'cluster' has agents
--- ```
---@return conrun.Agent[] agents sorted by host
function Pool:agents() end

---@class conrun.PoolStats
---@field name string
---@field kind "thread"|"process"|"cluster"
---@field state "open"|"closed"|"terminated"|"broken"
---@field workers integer how many there may be
---@field started integer how many there are now
---@field running integer tasks that are being computed
---@field queued integer tasks that wait
---@field completed integer tasks that are over

--- Numbers of this moment. A task is counted as completed when its worker turns to the next one, a little after its
--- result is there.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(3)
--- local stats = pool:stats()
--- print(stats.workers, stats.started, stats.queued) --> 3 0 0
--- ```
---@return conrun.PoolStats stats
function Pool:stats() end

return pool
