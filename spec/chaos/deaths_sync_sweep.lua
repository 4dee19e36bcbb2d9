-- SPDX-License-Identifier: MIT
--
-- deaths_sync_sweep: the table of deaths (death.lua) for what strands wait for each other
-- with: locks, conditions, semaphores, events, barriers, queues, pipes, futures, and
-- select over those that it takes.  What holds data or runs tasks is in
-- deaths_work_sweep.lua.

local conrun = require "conrun"
local death = require "spec.chaos.death"
local fault = require "fault"

local rows = {}

local function add(row)
  rows[#rows + 1] = row
end

local function nothing() end

---A copy with other fields.
local function with(row, fields)
  local copy = {}
  for k, v in pairs(row) do
    copy[k] = v
  end
  for k, v in pairs(fields) do
    copy[k] = v
  end
  return copy
end

local long = { ("long "):rep(10) }

-- ------------------------------------------------- what one holds at a time

---What is taken and given back; whoever ends with it, in whatever way, gives it back.
local exclusive = {
  lock = { conrun.lock.new, take = "acquire", give = "release" },
  ["recursive lock"] = { conrun.lock.recursive, take = "acquire", give = "release", depth = 2 },
  ["condition's lock"] = { conrun.condition.new, take = "acquire", give = "release", depth = 2 },
  semaphore = { conrun.semaphore.new, take = "acquire", give = "release" },
  ["bounded semaphore"] = { conrun.semaphore.bounded, take = "acquire", give = "release" },
}

for name, x in pairs(exclusive) do
  local depth, take, give = x.depth or 1, x.take, x.give
  local function acquire(o)
    for _ = 1, depth do
      assert(o.it[take](o.it))
    end
  end
  local function release(o)
    for _ = 1, depth do
      o.it[give](o.it)
    end
  end
  local function in_turn(o)
    acquire(o)
    release(o)
  end
  local base = {
    make = function() return { it = x[1]() } end,
    await = in_turn,
  }
  add(with(base, { name = name .. ", given up by its holder", ready = acquire, deed = release }))
  add(with(base, { name = name .. ", held to the end", ready = acquire, deed = nothing }))
  add(with(base, { name = name .. ", taken and given up", deed = in_turn, first = "victim" }))
  add(with(base, {
    name = name .. ", waited for by two",
    before = acquire, deed = in_turn, first = "victim", serve = release,
  }))
  add(with(base, {
    name = name .. ", held by `with`",
    deed = function(o)
      o.it:with(function() death.inside(o) end)
    end,
    first = "inside",
  }))
  add(with(base, {
    name = name .. ", held by a guard",
    deed = function(o)
      local _ <close> = o.it:hold()
      death.inside(o)
    end,
    first = "inside",
  }))
end

-- ------------------------------------------------ what one does for another

---@class deed
---@field make fun(): table
---@field await fun(o: table)
---@field change fun(o: table) what makes one who waits go on
---@field there fun(o: table): boolean it has been done, and nobody has had it
---@field ready? fun(o: table)
---@field ask? fun(o: table) who is ready by it, for select

---@type table<string, deed>
local deeds = {}

deeds["event: set"] = {
  make = function() return { it = conrun.event.new() } end,
  await = function(o) assert(o.it:wait()) end,
  change = function(o) o.it:set() end,
  there = function(o) return o.it:is_set() end,
  ready = function(o) return o.it:is_set() end,
}

deeds["semaphore: release"] = {
  make = function() return { it = conrun.semaphore.new(0) } end,
  await = function(o) assert(o.it:acquire()) end,
  change = function(o) o.it:release() end,
  there = function(o) return o.it:value() > 0 end,
}

for settle, fn in pairs {
  set_result = function(o) pcall(o.it.set_result, o.it, long, 2) end,
  set_error = function(o) pcall(o.it.set_error, o.it, "no") end,
  cancel = function(o) o.it:cancel() end,
} do
  deeds["future: " .. settle] = {
    make = function() return { it = conrun.future.new() } end,
    await = function(o)
      local e = o.it:error()
      assert(e == nil and settle == "set_result" or e and not conrun.errors.is(e, "deadlock"), tostring(e))
    end,
    change = fn,
    there = function(o) return o.it:done() end,
    ready = function(o) return o.it:done() end,
  }
end

deeds["future: set_result, all of two"] = with(deeds["future: set_result"], {
  await = function(o)
    local other = conrun.future.new()
    other:set_result(1)
    conrun.future.all { other, o.it }
  end,
})

deeds["future: set_result, as completed"] = with(deeds["future: set_result"], {
  await = function(o)
    for f in conrun.future.as_completed { o.it } do
      assert(f:done())
    end
  end,
})

deeds["future: set_result, a callback"] = with(deeds["future: set_result"], {
  await = function(o)
    local called = conrun.event.new()
    o.it:on_done(function() called:set() end)
    called:wait()
  end,
})

for _, order in ipairs { "new", "lifo", "priority" } do
  for kind, item in pairs { number = 7, table = long } do
    local function put(q)
      if order == "priority" then return q:put(item, 1) end
      return q:put(item)
    end
    deeds[("queue.%s: put a %s"):format(order, kind)] = {
      make = function() return { it = conrun.queue[order]() } end,
      await = function(o) assert(o.it:get()) end,
      change = function(o) put(o.it) end,
      there = function(o) return o.it:size() > 0 end,
      ready = function(o) return o.it:size() > 0 end,
    }
    deeds[("queue.%s, full: get a %s"):format(order, kind)] = {
      make = function()
        local q = conrun.queue[order](1)
        put(q)
        return { it = q }
      end,
      await = function(o) assert(put(o.it)) end,
      change = function(o) o.it:get(0) end,
      there = function(o) return o.it:size() == 0 end,
    }
  end
end

deeds["queue: put many"] = with(deeds["queue.new: put a table"], {
  change = function(o) o.it:put_many { long, 2, long } end,
})

deeds["queue: get many"] = with(deeds["queue.new, full: get a table"], {
  change = function(o) o.it:get_many(3, 0) end,
})

deeds["queue: close"] = {
  make = function() return { it = conrun.queue.new() } end,
  await = function(o)
    local item, why = o.it:get()
    assert(item == nil and why == "closed", why)
  end,
  change = function(o) o.it:close() end,
  there = function(o) return o.it:closed() end,
  ready = function(o) return o.it:closed() end,
}

deeds["queue, full: close"] = with(deeds["queue: close"], {
  make = function()
    local q = conrun.queue.new(1)
    q:put(long)
    return { it = q }
  end,
  await = function(o)
    local put, why = o.it:put(long)
    assert(not put and why == "closed", why)
  end,
})

deeds["queue: task done"] = {
  make = function()
    local q = conrun.queue.new()
    q:put(long)
    q:get()
    return { it = q }
  end,
  await = function(o) assert(o.it:join()) end,
  change = function(o) pcall(o.it.task_done, o.it) end,
  there = function(o) return o.it:join(0) end,
}

deeds["queue: close now, joined"] = with(deeds["queue: task done"], {
  make = function()
    local q = conrun.queue.new()
    q:put(long)
    return { it = q }
  end,
  change = function(o) o.it:close { now = true } end,
})

deeds["pipe: send"] = {
  make = function()
    local a, b = conrun.pipe.new()
    return { it = a, b = b }
  end,
  await = function(o) assert(o.it:recv()) end,
  change = function(o) o.b:send(long) end,
  there = function(o) return o.it:poll(0) end,
  ready = function(o) return o.it:poll(0) end,
}

deeds["condition: notify"] = {
  make = function() return { it = conrun.condition.new(), tokens = conrun.shared.value "i64" } end,
  await = function(o)
    local _ <close> = o.it:hold()
    o.it:wait_for(function() return o.tokens:get() > 0 end)
    o.tokens:add(-1)
  end,
  change = function(o)
    local _ <close> = o.it:hold()
    o.tokens:add(1)
    o.it:notify()
  end,
  -- Who finds the lock abandoned knows that the last holder may not have told: that is
  -- what the word is for.
  there = function(o)
    local _, why = o.it:acquire()
    o.it:release()
    return why ~= "abandoned" and o.tokens:get() > 0
  end,
}

deeds["barrier: arrive"] = {
  make = function() return { it = conrun.barrier.new(2) } end,
  await = function(o) o.it:wait() end,
  change = function(o) o.it:wait() end,
  there = function(o) return o.it.broken or o.it.waiting ~= 1 end,
  rescue = function(o) o.it:abort() end,
}

deeds["barrier: arrive, with an action"] = with(deeds["barrier: arrive"], {
  change = function(o)
    local done = conrun.queue.new()
    local b = setmetatable({ meeting = rawget(o.it, "meeting"), action = function() done:put(long) end },
      getmetatable(o.it))
    b:wait()
  end,
})

for _, how in ipairs { "abort", "reset" } do
  deeds["barrier: " .. how] = with(deeds["barrier: arrive"], {
    change = function(o) o.it[how](o.it) end,
  })
end

for name, d in pairs(deeds) do
  local rescue = d.rescue or d.change
  add { name = name, make = d.make, deed = d.change, await = d.await, there = d.there, rescue = rescue }
  if d.ready then
    add {
      name = name .. ", selected", make = d.make, deed = d.change, there = d.there, rescue = rescue,
      await = function(o)
        local never = conrun.event.new()
        assert(conrun.select { never, o.it } == o.it)
      end,
    }
  end
  -- Both wait, the victim in front.
  if not name:find "^barrier" then
    add {
      name = name .. ", waited for by two", make = d.make, deed = d.await, await = d.await,
      there = d.there, rescue = rescue, first = "victim", serve = d.change,
    }
  end
end

-- ------------------------------------------------------------- barriers of three

---Two wait, the victim and the partner; whoever else comes is told of a death.
add {
  name = "barrier, waited at by two of three",
  make = function() return { it = conrun.barrier.new(3) } end,
  deed = function(o) o.it:wait() end,
  await = function(o) o.it:wait() end,
  first = "victim",
  serve = function(o)
    if o.it.waiting == 2 then o.it:wait() end
  end,
  there = function(o) return o.it.broken or o.it.waiting ~= 1 end,
  rescue = function(o) o.it:abort() end,
}

---The victim is called back in the middle of its wait.  It has arrived, so that its death
---there breaks the barrier, and nobody needs to help.
add {
  name = "barrier, with a callback that runs in it",
  make = function()
    return {
      it = conrun.barrier.new(2), f = conrun.future.new(), q = conrun.queue.new(),
      arrived = conrun.event.new(),
    }
  end,
  ready = function(o)
    o.f:on_done(function()
      o.q:put(long)
      o.q:get()
    end)
  end,
  deed = function(o) o.it:wait() end,
  await = function(o)
    o.arrived:wait()
    o.it:wait()
  end,
  first = "victim",
  serve = function(o, victim)
    while o.it.waiting == 0 and victim:alive() do
      fault.nap()
    end
    if o.it.waiting == 1 then o.f:set_result(1) end
    -- It sleeps on, or it is dead.
    while victim:alive() and fault.asleep() < 2 do
      fault.nap()
    end
    o.arrived:set()
  end,
  there = function(o) return o.it.broken end,
  rescue = function(o) o.it:abort() end,
}

-- --------------------------------------------------------- ends that somebody holds

---The victim has the only handle of the other end; so whatever becomes of it, the partner
---is told, and nobody needs to help.
for name, deed in pairs {
  ["closed by its holder"] = function(o) o.b:close() end,
  ["held to the end"] = nothing,
  ["written, and held to the end"] = function(o) o.b:send(long) end,
} do
  local row = {
    name = "pipe, other end " .. name,
    make = function()
      local a, b = conrun.pipe.new()
      local away = conrun.queue.new()
      away:put(b)
      b:close()
      return { it = a, away = away }
    end,
    ready = function(o) o.b = o.away:get(0) end,
    deed = deed,
    await = function(o)
      local item, why = o.it:recv()
      if item ~= nil then
        item, why = o.it:recv()
      end
      assert(item == nil and why == "closed", why)
    end,
  }
  add(row)
  add(with(row, {
    name = row.name .. ", selected",
    await = function(o)
      repeat
        conrun.select { o.it }
        local _, why = o.it:recv(0)
      until why == "closed"
    end,
  }))
end

death.table(rows, describe, it)
