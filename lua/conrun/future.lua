-- SPDX-License-Identifier: MIT
--
-- future: results that come later.
--
-- One future is C (conrun.core.future); here is what concerns several: wait, all
-- and as_completed.  None of them polls.  The C function `gather` moves futures
-- that are final from one list to another, and sleeps until there is one; what it
-- remembers of the list from one call to the next is in a table of ours.
--
-- Timeouts are turned into a deadline once, at the start of a call, so waiting
-- in several steps takes no longer than was asked.

local check = require "conrun.check"
local core = require "conrun.core.future"
local errors = require "conrun.errors"

---@class conrun.Future
---@field state "pending"|"running"|"done"|"failed"|"cancelled"
---@field result fun(self: conrun.Future, timeout?: number): any ...
---@field error fun(self: conrun.Future, timeout?: number): table?
---@field done fun(self: conrun.Future): boolean
---@field running fun(self: conrun.Future): boolean
---@field cancelled fun(self: conrun.Future): boolean
---@field cancel fun(self: conrun.Future, options?: { running?: boolean }): boolean
---@field on_done fun(self: conrun.Future, callback: fun(future: conrun.Future))
---@field set_result fun(self: conrun.Future, ...)
local methods = core.methods

local future = {
  --- A future that any strand may settle.
  ---@type fun(): conrun.Future
  new = core.public.new,
}

-- What a task with `await = true` calls: the function with results in place of the futures
-- among its arguments, which it waits for.  An error of one is that of the task.  It is kept
-- where no module has it, and so is sent as a function of its own.
local function awaited(fn, ...)
  local arguments = table.pack(...)
  for i = 1, arguments.n do
    if core.is_future(arguments[i]) then
      arguments[i] = (arguments[i]:result())
    end
  end
  return fn(table.unpack(arguments, 1, arguments.n))
end

core.keep_awaited(awaited)

local function follow(fn, f)
  return fn(f:result())
end

--- A task of the same pool that calls `fn` with the results.
---@param fn fun(...): any
---@param pool? conrun.Pool default: the one that computes this future
---@return conrun.Future
function methods:next(fn, pool)
  check.callable(fn, 1, "next")
  if pool ~= nil and not require("conrun.core.pool").is_pool(pool) then
    check.fail(2, "next", "pool", pool)
  end
  pool = pool or core.pool_of(self)
  if not pool then
    check.raise "cannot tell in which pool the next task is to run: write future:next(fn, pool)"
  end
  return pool:submit(follow, fn, self)
end

local function is_error_object(e)
  return type(e) == "table" and getmetatable(e) == errors.metatable
end

--- Settles the future as failed.  What is no error object becomes the `value`
--- of one.
---@param e any
function methods:set_error(e)
  if not is_error_object(e) then
    e = errors.new { kind = "task", message = core.text(e), value = e }
  end
  core.settle_error(self, e)
end

-- Futures may be the items of a list, the values of any keys, or keys themselves, as in
-- { [pool:submit(f, x)] = x }.  The entries { key, future } of such a table: its list
-- first, then the others in the order in which their futures were made.
local function entries_of(t, name)
  if type(t) == "function" then
    local list = {}
    for f in t do list[#list + 1] = f end
    t = list
  end
  if type(t) ~= "table" then
    check.fail(1, name, "list of futures", t)
  end
  local entries, others, length = {}, {}, #t
  for i = 1, length do
    if not core.is_future(t[i]) then
      check.fail(1, name, ("future in element [%d]"):format(i), t[i])
    end
    entries[i] = { i, t[i] }
  end
  for key, value in next, t do
    local f = core.is_future(value) and value or core.is_future(key) and key
    if f and not (math.type(key) == "integer" and key >= 1 and key <= length) then
      others[#others + 1] = { key, f }
    elseif not f and key ~= "n" then -- that of table.pack
      check.fail(1, name, ("future as key or value in [%s]"):format(core.text(key)), value)
    end
  end
  table.sort(others, function(a, b) return core.serial(a[2]) < core.serial(b[2]) end)
  return table.move(others, 1, #others, length + 1, entries)
end

-- The futures of a table, each once, in a list of our own; its length, and the entries.
local function distinct(t, name)
  local entries = entries_of(t, name)
  local futures, seen, n = {}, {}, 0
  for _, entry in ipairs(entries) do
    local f = entry[2]
    if not seen[f] then
      seen[f], n = true, n + 1
      futures[n] = f
    end
  end
  return futures, n, entries
end

-- What `gather` (lib/gather.c) remembers of a list of so many futures: under LEFT, how many
-- of them are pending; under FOUND, how many have been found final.
local LEFT, FOUND = 0, -3

local function tally(n)
  return { [LEFT] = n, [FOUND] = 0 }
end

-- Where `gather` has taken a future out, it leaves false.
local function remaining(pending)
  local list = {}
  for _, f in ipairs(pending) do
    list[#list + 1] = f or nil
  end
  return list
end

-- A cancelled future counts as no error, since somebody wanted that.
local function any_failed(ready, first, last)
  for i = first, last do
    if ready[i].state == "failed" then
      return true
    end
  end
  return false
end

-- Each policy says whether to go on waiting after those from `first` to `last` became final.
local go_on = {
  all = function() return true end,
  first = function() return false end,
  error = function(ready, first, last) return not any_failed(ready, first, last) end,
}

local wait_options = { timeout = true, when = true }

--- Waits for several futures.  The timeout is no error: what is not final by
--- then is in the second list.
---@param list conrun.Future[]
---@param options? { timeout?: number, when?: "all"|"first"|"error" } default "all"
---@return conrun.Future[] done in order of completion
---@return conrun.Future[] pending in the order given
function future.wait(list, options)
  local pending, n = distinct(list, "wait")
  options = check.options(options, wait_options, 2, "wait")
  local more = go_on[options.when or "all"]
  if not more then
    check.raise("bad option 'when' ('all', 'first' or 'error' expected, got '%s')", options.when)
  end
  local deadline = check.deadline(options.timeout, "option 'timeout'")
  local done, known, count = {}, tally(n), 0
  repeat
    local before = count
    n, count = core.gather(pending, done, known, deadline)
  until n == 0 or count == before or not more(done, before + 1, count)
  return done, remaining(pending)
end

local function raise_timeout(n)
  local message = ("%d of the futures were not final within the timeout"):format(n)
  error(errors.new { kind = "timeout", message = message }, 0)
end

--- Iterates over the futures as they become final; raises an error of kind
--- "timeout" if one is not by then.
---@param list conrun.Future[]|fun(): conrun.Future? a list or an iterator function
---@param timeout? number for the whole iteration, from now
---@return fun(): conrun.Future?
function future.as_completed(list, timeout)
  local pending, n = distinct(list, "as_completed")
  local deadline = check.deadline(timeout, "argument #2 to 'as_completed'")
  local ready, known, given = {}, tally(n), 0
  return function()
    while given == known[FOUND] do -- a callback within the wait may call this, too
      if known[LEFT] == 0 then
        return nil
      end
      given, known[FOUND] = 0, 0
      local left, _, in_time = core.gather(pending, ready, known, deadline)
      if not in_time and given == known[FOUND] then
        raise_timeout(left)
      end
    end
    given = given + 1
    local f = ready[given]
    ready[given] = nil -- the caller may be the last who wants it
    return f
  end
end

--- Waits for all and returns their results (the first value of each), or raises
--- the first error in the order of the list, after all are final.
---@param list conrun.Future[]|table futures as items, as values or as keys
---@param timeout? number
---@return table results under the same keys
function future.all(list, timeout)
  local futures, n, entries = distinct(list, "all")
  local deadline = check.deadline(timeout, "argument #2 to 'all'")
  for i = 1, n do
    if not core.await(futures[i], deadline) then
      raise_timeout(n)
    end
  end
  local results, hole = {}, false
  for _, entry in ipairs(entries) do
    results[entry[1]] = (entry[2]:result())
    hole = hole or results[entry[1]] == nil
  end
  if hole and #list > 0 then
    results.n = #list
  end
  return results
end

return require("conrun.core").answers_module(future, "conrun.future")
