-- SPDX-License-Identifier: MIT
--
-- pool: workers that apply functions to arguments.
--
-- The road of a call, downwards once; `map` and `submit` take the same one:
--
--   1 lua/conrun/pool.lua   map      cut the list into chunks, put the results in order
--   2 src/lib/poollib.c     submit   check the arguments, call down (maplib.c for chunks)
--   3 src/line/pool.c       post     the future joins the line
--   - - - - - - - - - - - - - - - - the line: another thread or another process - - - - - - -
--   4 src/task/loop.c       serve    a worker takes a task, until the pool says stop
--   5 src/task/task.c       run      decode, call, encode; the future is done or failed
--   - - - - - - - - - - - - - - - - the gate in sync/future.c wakes who waits for it - - - -
--   6 src/lib/futurelib.c   result   decode the values, or raise with the worker's traceback
--
-- Here is the policy: sizes of chunks, order, how far to read ahead, and what to
-- do with errors.  A chunk is a task.  The mapping (src/lib/maplib.c) keeps the
-- chunks that are on their way; it is closed with the call that made it, and so
-- cancels what an error, a break or a timeout leaves behind.
--
-- Refused: a list without a length, and chunks that depend on measured times,
-- which would make two runs of one program differ.

local check = require "conrun.check"
local core = require "conrun.core.pool"
local errors = require "conrun.errors"
local future = require "conrun.future"
local future_core = require "conrun.core.future"

-- Chunks per worker of a map: enough to even out tasks of unequal length.
local chunks_per_worker = 4

-- Chunks of one map in the line at a time: bounds what a long list with small
-- chunks puts into memory at once.
local most_chunks = 4096
local most_ahead = 65536 -- of an imap: as many as a mapping has room for

---@class conrun.Pool
---@field submit fun(self: conrun.Pool, ...): conrun.Future?, string? options may come before the function
---@field apply fun(self: conrun.Pool, fn: function, ...): any ...
---@field apply_async fun(self: conrun.Pool, fn: function, ...): conrun.Future
---@field close fun(self: conrun.Pool)
---@field terminate fun(self: conrun.Pool)
---@field join fun(self: conrun.Pool, timeout?: number): boolean, string?
---@field stats fun(self: conrun.Pool): table
local methods = core.methods

local pool = {}

---@class conrun.PoolOptions
---@field workers? integer default: as many as processors
---@field kind? "thread"|"process"|"cluster" default "thread"
---@field name? string
---@field initializer? function every worker calls it first
---@field initargs? any[] its arguments
---@field max_tasks_per_worker? integer then the worker is replaced
---@field max_queued? integer tasks in the line, beyond which submit and the others wait
---@field idle_timeout? number seconds without a task, after which a worker leaves
---@field retries? integer how often a task whose worker died is tried again
---@field memory_limit? integer bytes of Lua memory of each worker
---@field libs? string[] standard libraries that tasks may use
---@field sandbox? boolean walls around each process: no new files, sockets, programs

--- A pool; its workers are started when there is work for them.  A number alone says how
--- many workers.
---@type fun(options?: conrun.PoolOptions|integer): conrun.Pool
pool.new = core.public.new
local new = pool.new

local function new_of_kind(kind, n, options, what)
  if n ~= nil and (math.type(n) ~= "integer" or n < 1) then
    check.fail(1, what, "number of workers, 1 or more,", n)
  end
  local all = { workers = n, kind = kind }
  if options ~= nil and type(options) ~= "table" then
    check.fail(2, what, "table of options", options)
  end
  for option, value in pairs(options or {}) do
    all[option] = value
  end
  if all.kind ~= kind then
    check.raise("bad option 'kind' (pool.%s makes %s; got '%s')", what, what, tostring(all.kind))
  elseif n and all.workers ~= n then
    check.raise("bad option 'workers' (argument #1 says %d, the option %s)", n, tostring(all.workers))
  end
  return new(n, all)
end

--- A pool of `n` threads.
---@param n? integer
---@param options? conrun.PoolOptions
---@return conrun.Pool
function pool.threads(n, options)
  return (new_of_kind("thread", n, options, "threads")) -- messages know who was called
end

--- A pool of `n` processes.
---@param n? integer
---@param options? conrun.PoolOptions
---@return conrun.Pool
function pool.processes(n, options)
  return (new_of_kind("process", n, options, "processes"))
end

---------------------------------------------------------------- calls: arguments

---@class conrun.MapOptions
---@field chunksize? integer items in one task
---@field buffersize? integer items that are posted ahead of the results
---@field collect_errors? boolean an item's error becomes its result, instead of being raised
---@field progress? boolean|string show on stderr how far it is, with a label
---@field timeout? number seconds for the whole call
---@field priority? integer from -3 to 3, lowest first; default 0

local map_options =
  { chunksize = true, buffersize = true, collect_errors = true, progress = true, timeout = true, priority = true }
local async_options = { chunksize = true, collect_errors = true, priority = true }

-- Things that have a length and can be indexed: lists, ranges, shared lists.
local function is_list(xs)
  local meta = getmetatable(xs)
  return type(xs) == "table" and not (meta and meta.__call and not meta.__len)
    or type(meta) == "table" and meta.__len ~= nil and meta.__index ~= nil
end

-- What people write who know Python: pool.map(fn, xs) with a dot, and several lists.
local function check_shape(self, name, fn, options)
  if not core.is_pool(self) then
    check.raise("bad call of '%s' (it is a method of a pool): write pool:%s(fn, xs), with a colon", name, name)
  elseif type(options) == "table" and #options > 0 and type(fn) == "function" then
    check.raise("bad argument #3 to '%s' (table of options expected, got a list): to go through several lists "
      .. "together, use pool:starmap(fn, { { a1, b1 }, { a2, b2 } })", name)
  end
end

-- Checks what every call of this family takes.
local function prepare(self, name, fn, xs, options, known)
  check_shape(self, name, fn, options)
  check.callable(fn, 1, name)
  if type(xs) ~= "function" and not is_list(xs) then
    check.fail(2, name, "list, range or iterator function", xs)
  elseif core.keyed(xs) then
    check.raise("bad argument #2 to '%s' (list, range or iterator function expected, got a table that has keys alone; "
      .. "make a list of its keys or values)", name)
  end
  if type(options) == "number" then
    check.argument(3, name, "table of options expected, got %s: write { chunksize = %s }", options, options)
  end
  options = check.options(options, known, 3, name)
  check.integer(options, "chunksize", 1)
  check.integer(options, "buffersize", 1)
  if options.progress and options.progress ~= true and type(options.progress) ~= "string" then
    check.raise("bad option 'progress' (true or a label expected, got %s)", type(options.progress))
  end
  local deadline = check.deadline(options.timeout, "option 'timeout'")
  return fn, options, deadline
end

-- An iterator's items as a list: who needs all results needs all items too.
local function to_list(xs)
  if type(xs) ~= "function" then
    return xs, core.length(xs)
  end
  local list, n = {}, 0
  for x in xs do
    n = n + 1
    list[n] = x
  end
  return list, n
end

-- The bar that the option `progress` asks for, if it does.  Its module is loaded
-- then and not with this one, for most pools never need it.
local function progress_bar(option, total)
  if not option then
    return nil
  end
  return require("conrun.progress").new { total = total, label = option ~= true and option or nil }
end

local function ceil_div(a, b)
  return (a + b - 1) // b
end

local function default_size(self, total)
  return math.max(1, ceil_div(total, chunks_per_worker * core.workers(self)))
end

----------------------------------------------------------------- map and starmap

local function room_for(total, size, ahead)
  local room = math.min(ceil_div(total, size), most_chunks)
  return math.max(1, ahead and math.min(room, ahead // size) or room)
end

local function run(self, star, xs, fn, options, deadline)
  local items, total = to_list(xs)
  local size = options.chunksize or default_size(self, total)
  local bar <close> = progress_bar(options.progress, total)
  local show = bar and function(done) bar:set(done) end
  local room = room_for(total, size, options.buffersize)
  local mapping <close> = core.mapping(self, fn, star, room, options.collect_errors, options)
  return core.run(mapping, items, total, size, deadline, show)
end

--- Applies `fn` to each item; the results in the order of the items.  Raises the
--- first error in that order, after all chunks of the call have ended.
---@param fn fun(x: any): any
---@param xs any[]|fun(): any a list, a conrun.range, or an iterator function
---@param options? conrun.MapOptions default chunksize: a quarter of a worker's share
---@return any[] results a function that returns nothing leaves its place nil; then `n` is their number
function methods:map(fn, xs, options)
  return run(self, false, xs, prepare(self, "map", fn, xs, options, map_options))
end

--- As map, but each item is a list of arguments.
---@param fn fun(...): any
---@param xs any[][]|fun(): any[]
---@param options? conrun.MapOptions
---@return any[]
function methods:starmap(fn, xs, options)
  return run(self, true, xs, prepare(self, "starmap", fn, xs, options, map_options))
end

------------------------------------------------------------------------- async

-- The chunks of a map_async that has raised, for it was interrupted while it waited for room,
-- or an item cannot be sent, are for nobody.
local unwanted = {
  __close = function(chunks, e)
    if e == nil then return end
    for _, chunk in ipairs(chunks) do chunk:cancel() end
  end,
}

-- Posts all chunks; a list of their futures.
local function post_all(self, star, fn, items, total, size, options)
  local mapping <close> = core.mapping(self, fn, star, 1, options.collect_errors, options)
  local chunks <close> = setmetatable({}, unwanted)
  for first = 1, total, size do
    chunks[#chunks + 1] = core.future(mapping, items, first, math.min(size, total - first + 1))
  end
  return chunks
end

-- Settles `result` from the chunks, which are all final.
local function settle(result, chunks, total, size, collect)
  local list = {}
  for i, chunk in ipairs(chunks) do
    if chunk.state ~= "done" and not collect then
      return result:set_error(chunk:error())
    end
    local first = (i - 1) * size + 1
    if core.take(chunk, list, first, math.min(size, total - first + 1), collect) then
      list.n = total
    end
  end
  result:set_result(list)
end

-- A result that cannot be put together fails: it must not stay open for ever.
-- The user may have cancelled it meanwhile.
local function finish(result, ...)
  local ok, e = pcall(settle, result, ...)
  if not ok and not result:done() then
    result:set_error(e)
  end
end

-- The chunks' callbacks run in this strand, whenever it waits in conrun; the
-- last one settles the future of the whole.
local function run_async(self, star, xs, fn, options)
  local items, total = to_list(xs)
  local size = options.chunksize or default_size(self, total)
  local chunks = post_all(self, star, fn, items, total, size, options)
  local result, left = future.new(), #chunks
  local function on_done()
    left = left - 1
    if left <= 0 then
      finish(result, chunks, total, size, options.collect_errors)
    end
  end
  -- This is no asking: should the whole fail, and nobody ask, that is told at the end.
  future_core.call_back(result, function()
    if not result:cancelled() then return end
    for _, chunk in ipairs(chunks) do chunk:cancel() end -- what waits goes before what runs
    if not future_core.stopped(result) then return end
    for _, chunk in ipairs(chunks) do chunk:cancel { running = true } end
  end)
  for _, chunk in ipairs(chunks) do
    chunk:on_done(on_done)
  end
  if total == 0 then
    on_done()
  end
  return result
end

--- As map, but returns at once: a future of the list.  It is settled by this
--- strand, whenever it waits in conrun or asks a future.
---@param fn fun(x: any): any
---@param xs any[]|fun(): any
---@param options? { chunksize?: integer, collect_errors?: boolean }
---@return conrun.Future
function methods:map_async(fn, xs, options)
  return run_async(self, false, xs, prepare(self, "map_async", fn, xs, options, async_options))
end

--- As map_async, but each item is a list of arguments.
---@param fn fun(...): any
---@param xs any[][]|fun(): any[]
---@param options? { chunksize?: integer, collect_errors?: boolean }
---@return conrun.Future
function methods:starmap_async(fn, xs, options)
  return run_async(self, true, xs, prepare(self, "starmap_async", fn, xs, options, async_options))
end

-------------------------------------------------------------------------- imap

-- Is the error about the strand or the pool, and not about an item?  Then it does not wait
-- for the results of other items.
local function is_for_all(e)
  local kind = errors.is(e) and e.kind or type(e) == "string" and e:match "interrupted!$"
  return kind == "interrupted" or kind == "interrupted!" or kind == "cancelled" or kind == "closed"
    or kind == "broken"
end

-- A function that takes up to `size` items off the source: something to index,
-- the first position in it, how many.
local function reader(xs, size)
  if type(xs) ~= "function" then
    local next, total = 1, core.length(xs)
    return function()
      local first = next
      local count = math.min(size, total - first + 1)
      next = first + count
      return xs, first, count
    end
  end
  local ended = false
  local slice, n = {}, 0 -- of an iterator that was interrupted: what it had given before
  return function()
    local failure
    while n < size and not ended do
      local ok, x = pcall(xs)
      if not ok and is_for_all(x) then error(x, 0) end
      ended = not ok or x == nil
      if not ok then
        failure = { x }
      elseif not ended then
        n = n + 1
        slice[n] = x
      end
    end
    local full, count = slice, n
    slice, n = {}, 0
    return full, 1, count, failure
  end
end

-- Keeps the mapping's ring full: a function that posts until there are `room`
-- chunks on their way, and says whether any is.  An error of the source, or of an item that
-- cannot be sent, ends the reading and comes behind the results that are before it.  What
-- was read stays here until it is posted: a post that waits for room may be interrupted.
local function filler(mapping, read, room, deadline)
  local number, more, failure = 1, true, nil
  local items, first, count, unread
  local function post()
    local ok, e = pcall(core.post, mapping, items, first, count, number, deadline)
    if not ok and is_for_all(e) then error(e, 0) end
    number = number + count
    if ok then
      return e
    end
    return core.pending(mapping), { e }
  end
  return function()
    local pending = core.pending(mapping)
    while more and pending < room do
      if not items then
        items, first, count, unread = read()
      end
      local unsent
      if count > 0 then
        pending, unsent = post()
      end
      items = nil
      failure = unsent or unread
      more = count > 0 and not failure
    end
    if failure and pending == 0 then
      local e = failure[1]
      failure = nil
      error(e, 0)
    end
    return pending > 0
  end
end

-- One value for a loop to close that closes two.
local function both(mapping, bar)
  return setmetatable({}, {
    __close = function()
      local _ <close> = bar
      local _ <close> = mapping
    end,
  })
end

-- The iteration of imap: hands out the items of one chunk after the other, as
-- `collect` gives them, while the others are on their way.
local function stream(self, collect, xs, fn, options, deadline)
  local ahead = options.buffersize or (options.chunksize or 1) * chunks_per_worker * core.workers(self)
  local size = math.min(options.chunksize or 1, ahead)
  local room = math.min(ahead // size, most_ahead)
  local mapping = core.mapping(self, fn, false, room, options.collect_errors, options)
  local fill = filler(mapping, reader(xs, size), room, deadline)
  local bar = progress_bar(options.progress, type(xs) ~= "function" and core.length(xs) or nil)
  local values, start, count, given, done = {}, 0, 0, 0, 0
  fill()
  local function step()
    if given == count then
      local _ <close> = core.turn(mapping)
      given, count = 0, 0
      if not fill() then
        return nil
      end
      start, count = collect(mapping, values, deadline)
      done = done + count
      if bar then
        bar:set(done)
      end
    end
    given = given + 1
    return start + given - 1, values[given]
  end
  return step, nil, nil, bar and both(mapping, bar) or mapping
end

--- Iterates over `i, result` in the order of the items, while workers go on; an
--- error is raised in its place (for a chunk of several items, in the place of the
--- first of them).  Reads at most `buffersize` items ahead.
---@param fn fun(x: any): any
---@param xs any[]|fun(): any an iterator function is read only as far as needed
---@param options? conrun.MapOptions default chunksize 1, buffersize 4 chunks for each worker
---@return fun(): integer?, any
function methods:imap(fn, xs, options)
  return stream(self, core.collect, xs, prepare(self, "imap", fn, xs, options, map_options))
end

--- As imap, but in the order in which results are ready; `i` is the item's number.
---@param fn fun(x: any): any
---@param xs any[]|fun(): any
---@param options? conrun.MapOptions
---@return fun(): integer?, any
function methods:imap_unordered(fn, xs, options)
  return stream(self, core.collect_any, xs, prepare(self, "imap_unordered", fn, xs, options, map_options))
end

--------------------------------------------------------------------------- rest

--- The agents that work for a pool of kind "cluster": its program has heard of each within
--- the last lease.
---@return conrun.Agent[]
function methods:agents()
  if not core.is_pool(self) then
    check.raise("bad call of 'agents' (it is a method of a pool): write pool:agents(), with a colon")
  end
  return require("conrun.cluster").agents(self)
end

--- Lets no more tasks in and waits until those there are finished, or with
--- `cancel` only those that have been started.
---@param options? { cancel?: boolean }
function methods:shutdown(options)
  options = check.options(options, { cancel = true }, 1, "shutdown")
  self:close()
  if options.cancel then
    core.cancel_queued(self)
  end
  self:join()
end

return require("conrun.core").answers_module(pool, "conrun.pool")
