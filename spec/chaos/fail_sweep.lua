-- SPDX-License-Identifier: MIT
--
-- fail_sweep: the main operations, each with a call below it that fails: the first
-- one, then only the second, and so on until the operation has no more.
--
-- Whatever fails, the operation either manages without or raises an ordinary error
-- that says what was short; then everything is closed, and no object, message or
-- block may be left that was not there before.  Needs a hard build ("make faults").

local conrun = require "conrun"
local fault = require "fault"
local kinds = require "spec.lib.kinds"

local LONG = kinds.LONG

---As kinds.eventually, but thousands of times: it looks more often.
local function soon(condition)
  local deadline = conrun.clock() + LONG
  while not condition() do
    if conrun.clock() > deadline then return false end
    conrun.sleep(0.0002)
  end
  return true
end

local MOST = 3000 -- passages; an operation with more of them is an endless one

-- What an error may say that comes from a call of the system or an allocation.
local REASONS = {
  "not enough memory", "Cannot allocate memory", "Resource temporarily unavailable", "no more threads can run",
  "no more processes can run",
}

local function is_clear(raised)
  local text = tostring(raised)
  for _, reason in ipairs(REASONS) do
    if text:find(reason, 1, true) then return true end
  end
  return false
end

local function same(a, b)
  return a.objects == b.objects and a.messages == b.messages and a.raw == b.raw and a.strands == b.strands
end

---What is alive when every worker has gone: of strands, main and the keeper remain.
local function quiet_census()
  assert(soon(function() return fault.census().strands == 2 end))
  collectgarbage()
  collectgarbage()
  return fault.census()
end

local function show(census)
  return ("%d objects, %d messages, %d raw blocks, %d strands"):format(
    census.objects, census.messages, census.raw, census.strands)
end

---What is alive is soon what it was before: workers may still be on their way out.
local function settled(before)
  return soon(function()
    collectgarbage()
    collectgarbage()
    return same(before, fault.census())
  end)
end

---@class operation
---@field make? fun(): ... what it works on; made while nothing fails
---@field run fun(...) what is swept
---@field close? fun(...) ends what was made
---@field everybody? boolean passages of all strands count, not of the caller only

---One run with the plan in force.  Returns how often it acted and what was raised.
local function once(plan, operation)
  local made = table.pack((operation.make or function() end)())
  fault.plan(plan, operation.everybody)
  local ok, raised = pcall(operation.run, table.unpack(made, 1, made.n))
  local hits = fault.hits()
  fault.plan ""
  if operation.close then operation.close(table.unpack(made, 1, made.n)) end
  return hits, ok, raised
end

local function sweep(point, operation)
  once("", operation) -- modules are loaded, a zygote is there, names are made
  local before = quiet_census()
  for n = 0, MOST do
    local hits, ok, raised = once(("%s:fail:%d"):format(point, n), operation)
    if not ok and not is_clear(raised) then
      error(("%s:fail:%d raised: %s"):format(point, n, tostring(raised)))
    end
    if not settled(before) then
      error(("%s:fail:%d left: %s, before: %s"):format(point, n, show(fault.census()), show(before)))
    end
    if hits == 0 then
      assert.is_true(ok, raised)
      return
    end
  end
  error(("more than %d passages of %s"):format(MOST, point))
end

local function square(x)
  return { x * x, ("%d"):format(x):rep(30) }
end

local function nothing() end

---Ends a pool whatever state it is in.
local function end_pool(pool)
  pool:terminate()
  assert.is_true(pool:join(LONG))
end

---The error of a future is as clear as one that is raised here.
local function result(future)
  local e = future:error(LONG)
  if e then error(e, 0) end
  return future:result()
end

local long = ("long "):rep(20)

---@type table<string, operation>
local operations = {
  ["objects are made"] = { run = function()
    local all = {
      conrun.lock.new(), conrun.lock.recursive(), conrun.condition.new(), conrun.semaphore.new(2),
      conrun.event.new(), conrun.barrier.new(2), conrun.queue.new(), conrun.queue.lifo(),
      conrun.queue.priority(), conrun.future.new(), conrun.shared.value("i64"), conrun.shared.array("f64", 10000),
      conrun.shared.list { 1, long, { 2 } }, conrun.shared.dict { a = 1, b = long }, conrun.pipe.new(),
    }
    for i = 1, 30 do
      all[#all + 1] = conrun.event.new()
      assert(#all > i)
    end
  end },
  ["queue: put and get"] = {
    make = conrun.queue.new,
    run = function(q)
      for i = 1, 20 do
        q:put { i, long, q }
        q:put(i)
      end
      for _ = 1, 20 do
        assert(q:get(0)[2] == long)
        assert(q:get(0))
      end
    end,
    close = function(q) q:close { now = true } end,
  },
  ["queue: many"] = {
    make = conrun.queue.new,
    run = function(q)
      local t = {}
      for i = 1, 600 do
        t[i] = i % 7 == 0 and { i, long } or i
      end
      q:put_many(t)
      local n = 0
      while n < 600 do
        n = n + #q:get_many(1000, 0)
      end
    end,
    close = function(q) q:close { now = true } end,
  },
  ["queue: lifo and priority"] = {
    make = function() return conrun.queue.lifo(), conrun.queue.priority() end,
    run = function(l, p)
      for i = 1, 10 do
        l:put { i }
        p:put({ i }, -i)
      end
      for i = 10, 1, -1 do
        assert(l:get(0)[1] == i and p:get(0)[1] == i)
      end
    end,
    close = function(l, p)
      l:close { now = true }
      p:close { now = true }
    end,
  },
  ["pipe: send and receive"] = {
    make = function() return conrun.pipe.new() end,
    run = function(a, b)
      for i = 1, 10 do
        a:send { i, long }
        assert(b:recv(0)[1] == i)
        b:send(long:rep(i))
        assert(#a:recv(0) == #long * i)
      end
    end,
  },
  ["list"] = {
    make = function() return conrun.shared.list() end,
    run = function(l)
      for i = 1, 40 do
        l:append { i, long }
        l:insert(1, long .. i)
      end
      l[7] = { l }
      l[7] = false
      for _ = 1, 70 do
        l:pop(3)
      end
      l:clear()
    end,
    close = function(l) l:clear() end,
  },
  ["dict"] = {
    make = function() return conrun.shared.dict() end,
    run = function(d)
      for i = 1, 40 do
        d[long .. i] = { i, long }
        d[i] = long
        d:update("n", function(old) return { (old and old[1] or 0) + 1 } end)
      end
      assert(#d:keys() == 81)
      for i = 1, 40 do
        d[long .. i] = nil
        assert(d:pop(i) == long)
      end
      d:clear()
    end,
    close = function(d) d:clear() end,
  },
  ["future"] = {
    make = function() return conrun.future.new(), conrun.future.new() end,
    run = function(f, g)
      f:set_result({ 1, long }, long)
      assert(select(2, f:result(0)) == long)
      g:set_error { message = long }
      assert(g:error(0))
    end,
  },
  ["semaphore, lock, condition and barrier"] = {
    make = function()
      return conrun.semaphore.new(2), conrun.lock.new(), conrun.condition.new(), conrun.barrier.new(1)
    end,
    run = function(s, l, c, b)
      local guard <close> = s:hold()
      local hold <close> = l:hold()
      c:acquire()
      c:notify_all()
      c:wait(0)
      c:release()
      b:wait()
      assert(guard and hold)
    end,
    close = function(_, _, c) pcall(c.release, c) end,
  },
  ["select and wait"] = {
    make = function() return conrun.queue.new(), conrun.future.new() end,
    run = function(q, f)
      q:put(long)
      assert(conrun.select({ f, q }, 0) == q)
      f:set_result(1)
      assert(#conrun.future.wait({ f }, { timeout = 0 }) == 1)
    end,
    close = function(q) q:close { now = true } end,
  },
}

for _, kind in ipairs(kinds) do
  operations[kind .. ": start and join"] = {
    run = function()
      local w = conrun[kind].start(square, 7)
      assert(w:join(LONG))
      assert(w:result()[1] == 49)
    end,
  }
  operations[kind .. ": start and join, whoever fails"] = {
    everybody = true,
    run = function()
      local w = conrun[kind].start(square, 7)
      assert(w:join(LONG))
      assert(w:result()[1] == 49)
    end,
  }
  for _, everybody in ipairs { false, true } do
    local whose = everybody and ", whoever fails" or ""
    operations[kind .. " pool: submit" .. whose] = {
      everybody = everybody,
      make = function() return kinds.pool(kind, 2) end,
      run = function(pool)
        local f, g = pool:submit(square, 3), pool:submit(nothing, long)
        assert(result(f)[1] == 9)
        result(g)
      end,
      close = end_pool,
    }
    operations[kind .. " pool: map of small tasks" .. whose] = {
      everybody = everybody,
      make = function() return kinds.pool(kind, 2) end,
      run = function(pool)
        local t = pool:map(tostring, { 1, 2, 3, 4, 5, long, 7, 8, 9, 10, 11 }, { chunksize = 1 })
        assert(t[11] == "11")
      end,
      close = end_pool,
    }
    operations[kind .. " pool: map" .. whose] = {
      everybody = everybody,
      make = function() return kinds.pool(kind, 2) end,
      run = function(pool)
        local t = pool:map(square, { 1, 2, 3, 4, 5, 6 }, { chunksize = 2 })
        assert(t[6][1] == 36)
      end,
      close = end_pool,
    }
  end
  operations[kind .. " pool: with an initializer"] = {
    everybody = true,
    run = function()
      local pool = conrun.pool.new { workers = 1, kind = kind, initializer = nothing, initargs = { long } }
      local ok, raised = pcall(function() return result(pool:submit(square, 3))[1] == 9 end)
      end_pool(pool)
      if not ok then error(raised, 0) end
    end,
  }
end

operations["process pool: a worker dies, whoever fails"] = {
  everybody = true,
  make = function() return kinds.pool("process", 1) end,
  run = function(pool)
    local e = pool:submit(os.exit, 3):error(LONG)
    if not conrun.errors.is(e, "worker_died") then error(e, 0) end
  end,
  close = end_pool,
}

conrun.process.start(nothing):join() -- from now on there is a keeper
do -- the first failure that nobody asks about is kept to the end, and so is a message of a census
  local pool <close> = kinds.pool("thread", 1)
  pool:submit(error, "the first")
end

local points = { "alloc", "pages", "thread", "fork", "futex" }

for name, operation in pairs(operations) do
  describe(name, function()
    for _, point in ipairs(points) do
      it("when " .. point .. " fails", function() sweep(point, operation) end)
    end
  end)
end

---One run in which this Lua state can grow n times only: true when that was enough.
local function starve(operation, n)
  local made = table.pack((operation.make or nothing)())
  local enough, ok, raised = fault.memory(n, operation.run, table.unpack(made, 1, made.n))
  if operation.close then operation.close(table.unpack(made, 1, made.n)) end
  assert.is_true(ok or is_clear(raised), tostring(raised))
  return enough
end

describe("Lua's own memory", function()
  for name, operation in pairs(operations) do
    if not operation.everybody then
      it("gives out: " .. name, function()
        once("", operation)
        local before, n, enough = quiet_census(), 0, false
        while not enough do
          enough = starve(operation, n)
          if not settled(before) then
            error(("after %d growths left: %s, before: %s"):format(n, show(fault.census()), show(before)))
          end
          n = n + 1
        end
      end)
    end
  end
end)

describe("the first process of a program", function()
  for _, point in ipairs { "socket", "spawn", "fork" } do
    it("fails at the call when " .. point .. " fails, and the next one is started", function()
      local out, err, status = kinds.run([[
        local function start()
          return pcall(function()
            return require("conrun.process").start(math.max, 1, 2):result(30)
          end)
        end
        local first, why = start()
        print(first, first or tostring(why))
        print(start())
      ]], "--audit", ("CONRUN_FAULT=%s:fail:0"):format(point))
      assert.matches("^false\t[^\n]+\ntrue\t2\n$", out)
      assert.matches("audit: clean", err)
      assert.are.equal(0, status)
    end)
  end
end)

-- A strand notes what it holds in its record, and more notes are a block of memory: so
-- how much it holds already decides whether an ending meets the want of memory.
describe("ending things without any memory", function()
  for _, kind in ipairs(kinds) do
    it("settles every task and empties every object (" .. kind .. ")", function()
      for held = 0, 12 do
        local out, err, status = kinds.run(([[
          local fault = require "fault"
          local gate, futures, holds = conrun.event.new(), {}, {}
          local pool = conrun.pool.new { kind = "%s", workers = 1 }
          pool:submit(function() gate:wait() end)
          for i = 1, 4 do futures[i] = pool:submit(math.abs, -i) end
          local q, l, d = conrun.queue.new(), conrun.shared.list { { 1 }, { 2 } }, conrun.shared.dict { a = { 3 } }
          q:put { 4 }
          for i = 1, %d do holds[i] = conrun.event.new() end
          fault.plan "alloc:fail:*"
          pool:terminate()
          q:close { now = true }
          l:clear()
          d:clear()
          fault.plan ""
          for i = 1, 4 do assert(futures[i]:cancelled()) end
          assert(pool:join(30) and #q == 0 and #l == 0 and #d == 0)
        ]]):format(kind, held), "--audit")
        assert.are.equal("", out)
        assert.matches("audit: clean", err)
        assert.are.equal(0, status)
      end
    end)
  end
end)
