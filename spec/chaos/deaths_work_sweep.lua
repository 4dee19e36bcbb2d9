-- SPDX-License-Identifier: MIT
--
-- deaths_work_sweep: the table of deaths (death.lua) for what runs: workers, pools and
-- their futures.

local conrun = require "conrun"
local death = require "spec.chaos.death"

local rows = {}

local function add(row)
  rows[#rows + 1] = row
end

local with = death.with
local long = ("long "):rep(10)

-- ---------------------------------------------------------------------- workers

---The victim itself is waited for.
for how, deed in pairs {
  ["returns"] = function() return long, { long } end,
  ["raises"] = function() error({ long }) end,
  ["exits"] = function() os.exit(3, true) end,
} do
  local row = {
    name = "worker, which " .. how .. ": joined",
    make = function() return {} end,
    gives = true, deed = deed, fails = how ~= "returns",
    await = function(o) assert(o.way:get():join()) end,
  }
  add(row)
  add(with(row, {
    name = "worker, which " .. how .. ": its result",
    await = function(o)
      local ok, e = pcall(function(w) return w:result() end, o.way:get())
      assert(ok or conrun.errors.is(e, "worker_died") or conrun.errors.is(e, "task"), tostring(e))
    end,
  }))
  add(with(row, {
    name = "worker, which " .. how .. ": selected",
    await = function(o)
      local w = o.way:get()
      assert(conrun.select { w } == w)
    end,
  }))
end

---The victim waits for a third one, and so does the partner.
for _, kind in ipairs { "thread", "process" } do
  add {
    name = "worker, a " .. kind .. ": joined by two",
    make = function()
      local go = conrun.event.new()
      return { go = go, third = conrun[kind].start({ daemon = true }, function() go:wait() end) }
    end,
    sleepers = 1,
    deed = function(o) o.third:join() end,
    await = function(o) assert(o.third:join()) end,
    first = "victim",
    serve = function(o) o.go:set() end,
  }
  add {
    name = "worker, a " .. kind .. ": interrupted",
    make = function()
      local third = conrun[kind].start({ daemon = true }, function()
        pcall(function() conrun.event.new():wait(1e9) end)
      end)
      return { third = third }
    end,
    deed = function(o) o.third:interrupt() end,
    await = function(o) assert(o.third:join()) end,
    there = function(o) return not o.third:alive() end,
    rescue = function(o) o.third:interrupt() end,
  }
end

-- ------------------------------------------------------------------------- pools

---The victim is no worker: it does something to a pool that main has made.  The partner
---waits for a task that goes on until somebody says so, or until the pool is ended.
for _, kind in ipairs { "thread", "process" } do
  local function make()
    local pool = conrun.pool.new { workers = 1, kind = kind }
    local go = conrun.event.new()
    return { it = pool, go = go, f = pool:submit(function() go:wait() return long end) }
  end
  local function finish(o)
    o.go:set()
    o.it:close()
    o.it:join()
  end
  add {
    name = "pool of one " .. kind .. ": terminate",
    make = make, sleepers = 1, finish = finish,
    deed = function(o) o.it:terminate() end,
    await = function(o) assert(conrun.errors.is(o.f:error(), "cancelled")) end,
    there = function(o) return o.it:stats().state == "terminated" end,
    rescue = function(o) o.it:terminate() end,
  }
  add {
    name = "pool of one " .. kind .. ": close, and joined",
    make = function()
      local o = make()
      o.it:close() -- joined is only what is closed
      return o
    end,
    sleepers = 1, finish = finish,
    deed = function(o)
      o.go:set()
      o.it:close()
    end,
    await = function(o) assert(o.it:join()) end,
    there = function(o) return o.go:is_set() end,
    rescue = function(o) o.go:set() end,
  }
  add {
    name = "pool of one " .. kind .. ": submit",
    make = function()
      local pool = conrun.pool.new { workers = 1, kind = kind }
      pool:apply(math.abs, 1)
      return { it = pool, go = conrun.event.new(), q = conrun.queue.new() }
    end,
    finish = finish,
    deed = function(o) o.it:submit(function(q) q:put(1) end, o.q) end,
    await = function(o) assert(o.q:get()) end,
    there = function(o)
      local s = o.it:stats()
      return s.queued + s.running > 0 or s.completed > 1 or o.q:size() > 0
    end,
    rescue = function(o) o.q:put(2) end,
  }
  add {
    name = "pool of one " .. kind .. ": result waited for by two",
    make = make, sleepers = 1, finish = finish,
    deed = function(o) o.f:result() end,
    await = function(o) assert(o.f:result() == long) end,
    first = "victim",
    serve = function(o) o.go:set() end,
  }
  add {
    name = "pool of one " .. kind .. ": joined by two",
    make = function()
      local o = make()
      o.it:close()
      return o
    end,
    sleepers = 1, finish = finish,
    deed = function(o) o.it:join() end,
    await = function(o) assert(o.it:join()) end,
    first = "victim",
    serve = function(o) o.go:set() end,
  }
  add {
    name = "pool of one " .. kind .. ": map, beside another's",
    make = function()
      local pool = conrun.pool.new { workers = 1, kind = kind }
      pool:apply(math.abs, 1)
      return { it = pool, go = conrun.event.new(), begun = conrun.event.new() }
    end,
    finish = finish, busy = true,
    deed = function(o) o.it:map(math.abs, { -1, -2, -3 }, { chunksize = 1 }) end,
    await = function(o)
      for _ = 1, 3 do
        assert(#o.it:map(math.abs, { -4, -5, -6 }, { chunksize = 1 }) == 3)
      end
    end,
  }
end

---The victim is the only worker of a pool of processes.
---@param name string
---@param tasks integer
---@param told fun(o: table)
local function worker_row(name, tasks, told)
  add {
    name = "pool worker: " .. name,
    make = function() return { pool = conrun.pool.new { workers = 1, kind = "process" } } end,
    tasks = tasks, await = told,
    deed = function() return long, { long } end,
  }
end

local function fine(e)
  assert(e == nil or conrun.errors.is(e, "worker_died"), tostring(e))
end

worker_row("its task", 1, function(o) fine(o.way:get():error()) end)
worker_row("the task behind", 2, function(o)
  o.way:get()
  local e = o.way:get():error()
  fine(e)
end)
worker_row("its task, selected", 1, function(o)
  local f = o.way:get()
  assert(conrun.select { f } == f)
end)
worker_row("its task, as completed", 3, function(o)
  local fs = { o.way:get(), o.way:get(), o.way:get() }
  local n = 0
  for f in conrun.future.as_completed(fs) do
    fine(f:error())
    n = n + 1
  end
  assert(n == 3)
end)
worker_row("its task, a callback", 1, function(o)
  local called = conrun.event.new()
  o.way:get():on_done(function() called:set() end)
  called:wait()
end)

death.table(rows, describe, it)
