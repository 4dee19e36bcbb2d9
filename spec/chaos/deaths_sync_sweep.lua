-- SPDX-License-Identifier: MIT
--
-- deaths_sync_sweep: the table of deaths (death.lua) for what strands wait for each other
-- with: locks, conditions, semaphores, events, barriers, futures, and select over those
-- that it takes.  Queues and pipes, data, and what runs tasks have sweeps of their own.

local conrun = require "conrun"
local death = require "spec.chaos.death"
local fault = require "fault"

local rows = {}

local function add(row)
  rows[#rows + 1] = row
end

local function nothing() end

local with = death.with
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
  d.alone = name:find "^barrier" ~= nil
  death.add_deed(rows, name, d)
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

death.table(rows, describe, it)
