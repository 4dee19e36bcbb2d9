-- SPDX-License-Identifier: MIT
---@meta conrun.scope
-- luacheck: ignore

--- Structured concurrency: what is started in a scope ends with it. A scope is a `<close>` variable, and at the end of its
--- block all of its workers and tasks are over.
---
--- - Left normally, it waits for them.
--- - When one of them fails, the others are cancelled, and the end raises the failure: an error object like that of the
---   first that failed, with all of them in its field `errors`. A body that waits in conrun is left at once; one that
---   computes is left when it next waits.
--- - Left by an error, it cancels them, waits, and lets the error go on.
--- - With a timeout or a deadline, the body and all of them have that long; then the end raises an error of kind
---   "timeout".
---
--- To cancel a worker is to make it raise an error of kind "cancelled" wherever it is; a process that has not ended one second
--- later is killed. Tasks are cancelled as by `future:cancel { running = true }`. A thread in a C function that does not end is
--- waited for. Scopes nest, also in workers and tasks: when an outer scope fails, the inner ones are left in turn.
---@class conrun.scope
local scope = {}

---@class conrun.ScopeOptions
---@field timeout? number seconds for the body and everything that is started in it
---@field deadline? number the same as a moment of `conrun.clock`
---@field name? string for messages

--- A scope, to be a `<close>` variable.
---
--- ```lua
--- local q = conrun.queue.new()
--- do
---   local scope <close> = conrun.scope.new()
---   scope:thread(function() q:put "from a thread" end)
---   scope:process(function() q:put "from a process" end)
--- end -- both are over
--- print(#q) --> 2
--- ```
---@param options? conrun.ScopeOptions
---@return conrun.Scope scope
function scope.new(options) end

--- Calls `fn(scope, ...)` in a scope of its own and returns what it returns, as soon as all is over. Options may come first.
---
--- ```lua
--- local ok, e = pcall(conrun.scope.run, { timeout = 10 }, function(scope)
---   scope:thread(function() conrun.sleep(3600) end) -- is cancelled
---   scope:thread(function() error { code = 7 } end)
---   conrun.sleep(3600)                              -- and this left
--- end)
--- print(ok, e.kind, e.value.code, #e.errors) --> false task 7 1
--- ```
---@overload fun(fn: fun(scope: conrun.Scope, ...: any): any, ...: any): any
---@param options conrun.ScopeOptions
---@param fn fun(scope: conrun.Scope, ...: any): any
---@param ... any
---@return any ...
function scope.run(options, fn, ...) end

--- Belongs to the strand that made it, and cannot be sent.
---@class conrun.Scope
---@field name string
local Scope = {}

--- Starts a thread that ends with the scope; the arguments are those of `conrun.thread.start`.
---
--- ```lua
--- local scope <close> = conrun.scope.new()
--- local worker = scope:thread({ name = "adder" }, function(a, b) return a + b end, 3, 4)
--- print(worker:result()) --> 7
--- ```
---@param ... any
---@return conrun.Worker worker
function Scope:thread(...) end

--- Starts a process that ends with the scope; the arguments are those of `conrun.process.start`.
---
--- ```lua
--- local scope <close> = conrun.scope.new()
--- print(scope:process(math.max, 3, 4):result()) --> 4
--- ```
---@param ... any
---@return conrun.Worker worker
function Scope:process(...) end

--- Gives a task to a pool; it ends with the scope, the pool goes on.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- local scope <close> = conrun.scope.new()
--- print(scope:submit(pool, math.max, 3, 4):result()) --> 4
--- ```
---@param pool conrun.Pool
---@param fn function
---@param ... any
---@return conrun.Future task
function Scope:submit(pool, fn, ...) end

--- Watches a worker or future that was made elsewhere as one of the scope's own.
---
--- ```lua
--- local pool <close> = conrun.pool.threads(2)
--- local list
--- do
---   local scope <close> = conrun.scope.new()
---   list = scope:add(pool:map_async(math.abs, { -1, -2 }))
--- end
--- print(list:done()) --> true
--- ```
---@param child conrun.Worker|conrun.Future
---@return conrun.Worker|conrun.Future child
function Scope:add(child) end

--- Waits until everything that was started in the scope so far is over, and raises what has failed, as the end does. More can
--- be started afterwards.
---
--- ```lua
--- local scope <close> = conrun.scope.new()
--- local go = conrun.event.new()
--- scope:thread(function() go:wait() end)
--- print(scope:join(0.01)) --> false timeout
--- go:set()
--- print(scope:join()) --> true
--- ```
---@param timeout? number
---@return boolean over
---@return string? why "timeout"
function Scope:join(timeout) end

--- Cancels everything that was started in the scope. That is no failure: the end waits and raises nothing.
---
--- ```lua
--- local scope <close> = conrun.scope.new()
--- scope:thread(function() conrun.sleep(3600) end)
--- scope:cancel()
--- print(scope:join()) --> true
--- ```
function Scope:cancel() end

return scope
