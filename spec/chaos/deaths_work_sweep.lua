-- SPDX-License-Identifier: MIT
--
-- deaths_work_sweep: the table of deaths (death.lua) for what holds data and what runs
-- tasks: lists, dicts, values, arrays and buffers; workers, pools and their futures.

local conrun = require "conrun"
local death = require "spec.chaos.death"

local rows = {}

local function add(row)
  rows[#rows + 1] = row
end

local with = death.with
local long = ("long "):rep(10)

-- ------------------------------------------------------------------------- data

---Verbs of one object: each is the victim's deed once, while the partner does all of
---them, again and again, and then once more when the victim is buried.  `sound`: what
---must hold of the object then.
---@type table<string, { make: (fun(): any), sound: fun(it: any), [string]: any }>
local data = {
  list = {
    make = function() return conrun.shared.list { 1, { 2 }, long, 4 } end,
    sound = function(l)
      for i = 1, #l do
        assert(l[i] ~= nil)
      end
      assert(#l:totable() == #l)
    end,
    append = function(l) l:append { long } end,
    insert = function(l) l:insert(1, long) end,
    set = function(l) pcall(function() l[1] = { long } end) end,
    pop = function(l) pcall(l.pop, l, 1) end,
    remove = function(l) l:remove(4) end,
    clear = function(l) l:clear() end,
  },
  dict = {
    make = function() return conrun.shared.dict { a = 1, [long] = { 2 } } end,
    sound = function(d)
      for k in pairs(d:totable()) do
        assert(d:get(k) ~= nil)
      end
    end,
    set = function(d) d.b = { long } end,
    ["set a long key"] = function(d) d[long .. "!"] = 3 end,
    pop = function(d) d:pop(long) end,
    update = function(d) d:update("a", function(n) return (n or 0) + 1 end) end,
    clear = function(d) d:clear() end,
  },
  ["numeric value"] = {
    make = function() return conrun.shared.value("i64", 1) end,
    sound = function(v) assert(math.type(v:get()) == "integer") end,
    set = function(v) v:set(2) end,
    add = function(v) v:add(1) end,
    cas = function(v) v:cas(1, 2) end,
  },
  ["value of any kind"] = {
    make = function() return conrun.shared.value("any", { 1 }) end,
    sound = function(v) assert(v:get() ~= nil) end,
    ["set a table"] = function(v) v:set { 2, long } end,
    ["set a number"] = function(v) v:set(1) end,
    get = function(v) v:get() end,
    cas = function(v) v:cas(1, long) end,
  },
  ["value of strings"] = {
    make = function() return conrun.shared.value("string", "start") end,
    sound = function(v) assert(type(v:get()) == "string") end,
    set = function(v) v:set(long) end,
    cas = function(v) v:cas(long, "start") end,
  },
  array = {
    make = function() return conrun.shared.array("i32", { 1, 2, 3 }) end,
    sound = function(a) assert(#a:totable() == 3) end,
    set = function(a) a[1] = 7 end,
    add = function(a) a:add(2, 1) end,
    cas = function(a) a:cas(3, 3, 4) end,
    fill = function(a) a:fill(5) end,
  },
  buffer = {
    make = function() return conrun.shared.buffer(200) end,
    sound = function(b) assert(#b:read() == 200) end,
    write = function(b) b:write(10, long) end,
    read = function(b) b:read() end,
  },
}

local function is_verb(name)
  return name ~= "make" and name ~= "sound"
end

for name, d in pairs(data) do
  local verbs = {}
  for verb, fn in pairs(d) do
    if is_verb(verb) then verbs[verb] = fn end
  end
  local function all(it)
    for _, fn in pairs(verbs) do
      fn(it)
    end
  end
  for verb, fn in pairs(verbs) do
    add {
      name = name .. ": " .. verb,
      make = function() return { it = d.make(), buried = conrun.shared.value "i64" } end,
      busy = true,
      deed = function(o) fn(o.it) end,
      await = function(o)
        repeat
          all(o.it)
        until o.buried:get() ~= 0
        all(o.it)
        d.sound(o.it)
      end,
      rescue = function(o) o.buried:set(1) end,
    }
  end
end

---Its function runs with the dict locked, and nobody else's may then.
add {
  name = "dict: update, in its function",
  make = function() return { it = conrun.shared.dict { n = 1 } } end,
  deed = function(o)
    o.it:update("n", function(n)
      death.inside(o)
      return n + 1
    end)
  end,
  first = "inside",
  await = function(o)
    assert(o.it:update("n", function(n) return n + 10 end) >= 11)
  end,
}

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
