-- SPDX-License-Identifier: MIT
--
-- scope: what was started together ends together.
--
-- A scope belongs to the strand that made it and watches children: workers that it starts,
-- and futures of tasks.  Each child is a future here, a worker by that of its call, with a
-- callback (state/callback.c).  So the scope hears of an end when its strand waits in conrun.
--
--   a child fails   the others are cancelled.  If the strand is in the body of the scope, and
--                   not in its end, the wait there is made to raise "interrupted!", so that
--                   the body is left and comes to the end.
--   the time is over   the same; a timer, which is a thread, settles a future for that.
--   the end         waits until every child is final and every worker over.  Workers that are
--                   cancelled are asked to end and cannot catch that for good; processes that
--                   are still there after `grace` are killed.  Then the failure is raised in
--                   place of the interruption.
--
-- An inner scope is left like any other code: what interrupts it comes from the outer scope's
-- callback, ends the inner one's children, and goes on to the outer end.

local check = require "conrun.check"
local core = require "conrun.core"
local errors = require "conrun.errors"
local future = require "conrun.future"
local future_core = require "conrun.core.future"
local worker_core = require "conrun.worker"

local grace = 1 -- seconds that a cancelled process has to end by itself

---@class conrun.Scope
---@field name string
local methods = {}

-- A strand of its own would have a copy, which watches nobody.
local metatable = {
  __index = methods,
  __name = "scope",
  __transfer = function() error("a scope cannot be sent: it belongs to the strand that made it", 0) end,
}

local scope = { methods = methods }

---@class conrun.ScopeOptions
---@field timeout? number seconds for the body and everything that was started in it
---@field deadline? number the same as a moment of conrun.clock()
---@field name? string for messages; default "scope"

local scope_options = { timeout = true, deadline = true, name = true }

------------------------------------------------------------------------ children

local function is_child_alive(child)
  return not child.final
end

-- Calls `act` for every child that is not final.
local function each_left(self, act)
  for _, child in ipairs(self.children) do
    if is_child_alive(child) then act(child) end
  end
end

-- What waits goes before what runs, so that nothing is begun that is cancelled at once.
local function cancel_children(self)
  self.cancelled = true
  each_left(self, function(child)
    if not child.worker then child.future:cancel() end
  end)
  each_left(self, function(child)
    if child.worker then
      worker_core.ask_end(child.worker)
    else
      child.future:cancel { running = true }
    end
  end)
end

-- The body is left by its next wait; at the end of the scope there is nobody to interrupt.
local function stop_body(self)
  cancel_children(self)
  if not self.ending and not self.interrupting then
    self.interrupting = true
    core.interrupt_me()
  end
end

-- Was it our own cancelling that failed it?
local function is_wanted(self, e)
  return self.cancelled and (errors.is(e, "cancelled") or errors.is(e, "interrupted"))
end

-- The error of a child that has failed, or nil.  A thread that left by os.exit has not.
local function error_of(child)
  if child.worker then
    local ok, e = pcall(child.worker.result, child.worker, 0)
    return not ok and e or nil
  end
  return child.future.state == "failed" and child.future:error() or nil
end

local function on_final(self, child)
  child.final = true
  self.left = self.left - 1
  local e = error_of(child)
  local killed = self.killed and errors.is(e, "worker_died")
  if e == nil or killed or is_wanted(self, e) then return end
  self.failures[#self.failures + 1] = e
  stop_body(self)
end

local function watch(self, child)
  self.children[#self.children + 1] = child
  self.left = self.left + 1
  future_core.call_back(child.future, function() on_final(self, child) end)
end

local function check_open(self, name)
  if getmetatable(self) ~= metatable then
    check.raise("bad call of '%s' (it is a method of a scope): write scope:%s(...), with a colon", name, name)
  elseif self.over then
    check.raise("%s '%s' is over: nothing can be started in it", metatable.__name, self.name)
  elseif self.cancelled then
    local message = ("%s '%s' is cancelled: nothing can be started in it"):format(metatable.__name, self.name)
    self.refusal = errors.new { kind = "cancelled", message = message }
    error(self.refusal, 0)
  end
end

local function start(self, name, how, ...)
  check_open(self, name)
  local worker = how(...)
  watch(self, { worker = worker, future = worker_core.call(worker) })
  return worker
end

--- Starts a thread that ends with the scope: `scope:thread([options,] fn, ...)`.
---@return conrun.Worker
function methods:thread(...)
  return start(self, "thread", worker_core.heard_thread, ...)
end

--- Starts a process that ends with the scope: `scope:process([options,] fn, ...)`.
---@return conrun.Worker
function methods:process(...)
  return start(self, "process", worker_core.heard_process, ...)
end

--- Gives a task to a pool, of which the scope is to be the end.
---@param pool conrun.Pool
---@param fn function
---@return conrun.Future?
---@return string? why "timeout": the pool's line had no room in the time that options give
function methods:submit(pool, fn, ...)
  check_open(self, "submit")
  local task, why = require("conrun.core.pool").methods.submit(pool, fn, ...)
  if not task then return nil, why end
  watch(self, { future = task })
  return task
end

--- Watches a future or worker that was made elsewhere.
---@generic T
---@param child T
---@return T child
function methods:add(child)
  check_open(self, "add")
  local is_future = future_core.is_future(child)
  local call = not is_future and worker_core.is_worker(child) and worker_core.call(child)
  if not is_future and not call then
    check.fail(1, "add", "future, or worker that is of no pool,", child)
  end
  watch(self, { worker = not is_future and child or nil, future = is_future and child or call })
  return child
end

------------------------------------------------------------------------- waiting

local function pending(self)
  local list = {}
  each_left(self, function(child) list[#list + 1] = child.future end)
  return list
end

-- The seconds that are left, or nil for ever.
local function remaining(moment)
  return moment and math.max(0, moment - core.public.clock())
end

-- Returns when all are final, one has failed, or the time is over.  The callbacks run
-- meanwhile.
local function wait(self, seconds)
  future.wait(pending(self), { timeout = seconds, when = self.cancelled and "all" or "error" })
end

local function kill_processes(self)
  self.killed = true
  each_left(self, function(child)
    if child.worker and child.worker.kind == "process" then child.worker:kill() end
  end)
end

local function expire(self)
  if self.over or self.late then return end
  self.late = true
  stop_body(self)
end

-- Until every child is final, or `moment` (nil: whatever it takes).
local function drain(self, moment)
  while self.left > 0 and not (moment and core.public.clock() >= moment) do
    if self.cancelled and not self.killed then
      wait(self, grace)
      if self.left > 0 then kill_processes(self) end
    elseif self.cancelled then
      wait(self)
    else
      local first = math.min(moment or math.huge, self.moment or math.huge)
      wait(self, remaining(first < math.huge and first or nil))
      if self.moment and core.public.clock() >= self.moment and self.left > 0 then expire(self) end
    end
  end
  if self.left > 0 then return false end
  for _, child in ipairs(self.children) do
    if child.worker then child.worker:join() end
  end
  return true
end

-------------------------------------------------------------------------- the end

-- An error object of its own: the first failure, with all of them in `errors`.
local function failure_of(self)
  local all = self.failures
  local first = all[1]
  if first == nil then
    local message = ("%s '%s' took longer than its timeout"):format(metatable.__name, self.name)
    return errors.new { kind = "timeout", message = message }
  end
  local object = errors.is(first) and first or { kind = "task", message = future_core.text(first), value = first }
  local more = #all > 1 and (" (and %d more %s)"):format(#all - 1, #all == 2 and "error" or "errors") or ""
  local e = errors.new {
    kind = object.kind,
    message = object.message .. more,
    value = object.value,
    traceback = object.traceback,
    strand = object.strand,
  }
  e.errors = table.move(all, 1, #all, 1, {})
  return e
end

local function has_failed(self)
  return #self.failures > 0 or self.late
end

-- Takes back what was to interrupt the body.
local function spare(self)
  if self.interrupting then
    self.interrupting = false
    core.spare_me()
  end
end

-- The end of the scope, with the error that has left its body or nil.  What interrupts the
-- waiting here, Ctrl-C or an outer scope, ends the children; a second time it ends the wait.
local function finish(self, e)
  self.ending = true
  spare(self)
  if e ~= nil then cancel_children(self) end
  local ok, why = pcall(drain, self)
  if not ok then
    cancel_children(self)
    pcall(drain, self)
  end
  self.over = true
  if self.timer then self.timer:cancel() end
  return ok, why
end

-- Has the body been left because the scope was cancelled: by our interruption, or because it
-- wanted to start something?
local function is_own(self, e)
  if e == nil then return false end
  local interrupted = errors.is(e, "interrupted") or type(e) == "string" and e:find "interrupted!$" ~= nil
  return rawequal(e, self.refusal) or self.interrupting and interrupted
end

function metatable.__close(self, e)
  if self.over then return end
  local own = is_own(self, e)
  local failed = has_failed(self)
  local ok, why = finish(self, e)
  if e ~= nil and failed and not own then self.failures[#self.failures + 1] = e end
  if has_failed(self) and (e == nil or failed) then error(failure_of(self), 0) end
  if not ok then error(why, 0) end
end

--- Waits until everything that was started in the scope is over; raises what has failed.
---@param timeout? number
---@return boolean over
---@return string? why "timeout"
function methods:join(timeout)
  if getmetatable(self) ~= metatable then
    check.raise "bad call of 'join' (it is a method of a scope): write scope:join(), with a colon"
  end
  check.deadline(timeout, "argument #1 to 'join'")
  local moment = timeout and core.public.clock() + timeout
  local outer = self.ending
  self.ending = true
  spare(self)
  local ok, over = pcall(drain, self, moment)
  self.ending = outer
  if not ok then error(over, 0) end
  if has_failed(self) then
    finish(self)
    error(failure_of(self), 0)
  end
  if over then return true end
  return false, "timeout"
end

--- Cancels everything that was started in the scope. That is no failure: the scope ends as usual.
function methods:cancel()
  if not self.over then cancel_children(self) end
end

--------------------------------------------------------------------------- making

local function moment_of(options)
  if options.timeout ~= nil then check.deadline(options.timeout, "option 'timeout'") end
  local deadline = options.deadline
  if deadline ~= nil and (type(deadline) ~= "number" or deadline ~= deadline) then
    check.raise("bad option 'deadline' (a moment of conrun.clock() expected, got %s)", type(deadline))
  end
  local moment = deadline or math.huge
  if options.timeout then moment = math.min(moment, core.public.clock() + options.timeout) end
  return moment < math.huge and moment or nil
end

local function settle(expired)
  expired:set_result()
end

-- For the body; the end of the scope keeps the time by itself.
local function keep_time(self)
  local expired = future.new()
  future_core.call_back(expired, function() expire(self) end)
  self.timer = worker_core.public.timer(remaining(self.moment), settle, expired)
end

--- A scope, to be a `<close>` variable.
---@param options? conrun.ScopeOptions
---@return conrun.Scope
function scope.new(options)
  options = check.options(options, scope_options, 1, "new")
  if options.name ~= nil and type(options.name) ~= "string" then
    check.raise("bad option 'name' (string expected, got %s)", type(options.name))
  end
  local self = setmetatable({
    name = options.name or "scope",
    moment = moment_of(options),
    children = {}, -- each a future, and the worker whose call that is
    failures = {}, -- errors in the order in which this strand heard of them
    left = 0, -- children that are not final
    cancelled = false, -- the children were asked to end
    interrupting = false, -- the body was asked to, by us
    ending = false, -- the strand is at the end of the scope, or in a join
    over = false,
  }, metatable)
  if self.moment then keep_time(self) end
  return self
end

--- Calls `fn(scope, ...)` in a scope of its own and returns what it returns, when all is over.
---@param options? conrun.ScopeOptions may come first
---@param fn fun(scope: conrun.Scope, ...): any
function scope.run(options, fn, ...)
  if check.is_callable(options) then
    return scope.run(nil, options, fn, ...)
  end
  check.callable(fn, options == nil and 1 or 2, "run")
  local self <close> = scope.new(options)
  return fn(self, ...)
end

function metatable.__tostring(self)
  local state = self.over and "over" or self.cancelled and "cancelled" or "open"
  return ("%s '%s' (%s, %d of %d left)"):format(metatable.__name, self.name, state, self.left, #self.children)
end

return setmetatable(scope, {
  __call = function(_, ...) return scope.new(...) end,
  __index = core.answers_index "conrun.scope",
})
