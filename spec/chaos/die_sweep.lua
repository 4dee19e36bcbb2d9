-- SPDX-License-Identifier: MIT
--
-- die_sweep: a worker process dies at the first point of what it does, another one
-- at the second, and so on to its very end; after each death the others go on.
--
-- The points are those of src/base/point.c: between any two writes that matter.
-- What the worker had in its hands may be gone or there, but whole; everything else
-- is as it was, and once all is closed nothing may be left that was not there
-- before.  Needs a hard build ("make faults").

local conrun = require "conrun"
local fault = require "fault"
local kinds = require "spec.lib.kinds"
local points = require "spec.chaos.points"

local LONG = kinds.LONG

local long = ("long "):rep(10)

---@class dying
---@field make fun(): ... the objects, made anew for each death
---@field work fun(...) what the worker does with them
---@field meanwhile? fun(...) what main does at the same time
---@field check fun(...) what must hold afterwards, told of a worker that has ended

---Each case goes from the worker's own first act to its last; births are swept by
---one of them.
local cases = {}

---Takes everything out of a queue, without waiting.
local function drain(q)
  local items = {}
  for i = 1, math.huge do
    local x = q:get(0)
    if x == nil then return items end
    items[i] = type(x) == "table" and x[1] or x
  end
end

local function first_integers(items, from, to)
  assert(#items >= from and #items <= to, #items .. " items")
  for i, x in ipairs(items) do
    assert(x == i, "item " .. i .. " is " .. tostring(x))
  end
end

for _, order in ipairs { "new", "lifo", "priority" } do
  local function put(q, x)
    if order ~= "priority" then return q:put(x) end
    return q:put(x, type(x) == "table" and x[1] or x)
  end

  cases["queue." .. order .. ": put"] = {
    make = conrun.queue[order],
    work = function(q)
      for i = 1, 6 do
        put(q, i % 2 == 0 and { i, long } or i)
      end
    end,
    check = function(q)
      put(q, 7)
      local items, n = drain(q), 0
      for _, x in ipairs(items) do
        n = n + x
      end
      n = n - 7
      -- In every order an item is in only with all that were put before it.
      assert(n == (#items - 1) * #items // 2, "items lost in between")
    end,
  }

  cases["queue." .. order .. ": get"] = {
    make = function()
      local q, out = conrun.queue[order](), conrun.queue.new()
      for i = 1, 6 do
        put(q, { i, long })
      end
      return q, out
    end,
    work = function(q, out)
      for _ = 1, 4 do
        out:put(q:get(0))
      end
    end,
    check = function(q, out)
      local seen, n = {}, 0
      for _, items in ipairs { drain(q), drain(out) } do
        for _, x in ipairs(items) do
          assert(not seen[x], "doubled")
          seen[x] = true
          n = n + 1
        end
      end
      assert(n >= 5, "more lost than one in hand")
    end,
  }
end

cases["queue: many at once, and full"] = {
  make = function()
    local q = conrun.queue.new(3)
    q:put(1)
    return q
  end,
  work = function(q) q:put_many({ 2, { 3 }, 4, { 5 } }, 0.01) end,
  meanwhile = function(q)
    -- Room for all of them, unless the worker died before it filled the queue.
    for _ = 1, 2 do
      q:get(0.001)
    end
  end,
  check = function(q)
    q:put(9, 0)
    local items = drain(q)
    assert(#items <= 3)
    for i = 2, #items do
      assert(items[i] > items[i - 1])
    end
    assert(q:put(1, 0))
    drain(q)
  end,
}

cases["queue: waiting get"] = {
  make = function() return conrun.queue.new(), conrun.queue.new() end,
  work = function(q, out)
    out:put(q:get(LONG))
    out:put(q:get(LONG))
  end,
  meanwhile = function(q)
    q:put(1)
    q:put { 2 }
  end,
  check = function(q, out)
    assert(#drain(q) + #drain(out) >= 1)
    q:put(3)
    assert(q:get(0) == 3)
  end,
}

cases["pipe"] = {
  make = function()
    local a, b = conrun.pipe.new()
    return a, b
  end,
  work = function(_, b)
    for i = 1, 4 do
      b:send { i, long }
    end
  end,
  check = function(a)
    local items = {}
    while a:poll(0) do
      local x = a:recv(0)
      if x == nil then break end
      items[#items + 1] = x[1]
    end
    first_integers(items, 0, 4)
  end,
}

cases["list"] = {
  make = function() return conrun.shared.list { 1, 2, { 3 }, 4, long, 6, 7, 8 } end,
  work = function(l)
    l:append { "new", long }
    l:insert(1, "first")
    l:pop(4)
    l[2] = { "changed" }
    for i = 1, 10 do
      l:append(i)
    end
    l:clear()
  end,
  check = function(l)
    local n = #l
    assert(n <= 19)
    for i = 1, n do
      assert(l[i] ~= nil)
    end
    l:append "more"
    assert(#l == n + 1 and l[n + 1] == "more")
    assert(l:pop() == "more")
    l:clear()
  end,
}

cases["dict"] = {
  make = function() return conrun.shared.dict { a = 1, b = { 2 }, [long] = long } end,
  work = function(d)
    d.a = { "changed", long }
    d[long .. 2] = 5
    d:update("n", function(old) return (old or 0) + 1 end)
    d:pop "b"
    for i = 1, 9 do
      d[i] = i
    end
    d[long] = nil
    d:clear()
  end,
  check = function(d)
    local n, walked = #d:keys(), 0
    for k, v in d:items() do
      assert(k ~= nil and v ~= nil)
      walked = walked + 1
    end
    assert(walked == n)
    d.later = "works"
    assert(d.later == "works")
    d:update("later", function(old) return old .. "!" end)
    assert(d:pop "later" == "works!")
    d:clear()
  end,
}

cases["lock"] = {
  make = function() return conrun.lock.new(), conrun.shared.value("i64"), conrun.shared.value("i64") end,
  work = function(l, a, b)
    for _ = 1, 3 do
      l:acquire()
      a:add(1)
      b:add(1)
      l:release()
    end
  end,
  check = function(l, a, b)
    local ok, why = l:acquire(LONG)
    assert(ok)
    assert(a:get() == b:get() or why == "abandoned")
    assert(a:get() - b:get() <= 1)
    l:release()
  end,
}

cases["lock: waited for"] = {
  make = function()
    local l = conrun.lock.new()
    l:acquire()
    return l
  end,
  work = function(l)
    l:acquire()
    l:release()
  end,
  meanwhile = function(l) l:release() end,
  check = function(l)
    assert((l:acquire(LONG)))
    l:release()
  end,
}

cases["semaphore"] = {
  make = function() return conrun.semaphore.bounded(2) end,
  work = function(s)
    for _ = 1, 3 do
      s:acquire()
      s:acquire()
      s:release(2)
    end
  end,
  check = function(s)
    assert(s:acquire(LONG) and s:acquire(LONG))
    s:release(2)
    assert(s:value() == 2)
  end,
}

cases["event and future"] = {
  make = function() return conrun.event.new(), conrun.future.new() end,
  work = function(e, f)
    e:set()
    e:clear()
    f:set_result({ long }, 2)
    e:set()
  end,
  check = function(e, f)
    if f:done() then
      assert(select(2, f:result(0)) == 2)
    else
      f:set_result(1, 2)
    end
    e:set()
    assert(e:wait(0))
  end,
}

cases["condition: waiting and notified"] = {
  make = function() return conrun.condition.new(), conrun.shared.value("i64") end,
  work = function(c, ready)
    c:acquire()
    ready:set(1)
    c:wait(LONG)
    c:notify_all()
    c:release()
  end,
  meanwhile = function(c, ready, w)
    while ready:get() == 0 and not w:join(0) do
      conrun.sleep(0)
    end
    c:acquire()
    c:notify()
    c:release()
  end,
  check = function(c)
    assert((c:acquire(LONG)))
    c:notify_all()
    assert(not c:wait(0))
    c:release()
  end,
}

cases["barrier"] = {
  make = function() return conrun.barrier.new(2) end,
  work = function(b)
    b:wait(LONG)
    b:wait(LONG)
  end,
  meanwhile = function(b, w)
    for _ = 1, 2 do
      while b.waiting == 0 and not b.broken and not w:join(0) do
        conrun.sleep(0)
      end
      if not w:alive() then b:abort() end
      b:wait(LONG)
    end
  end,
  check = function(b)
    b:reset()
    assert(b.waiting == 0 and not b.broken)
  end,
}

cases["array and value"] = {
  make = function() return conrun.shared.array("i32", 20), conrun.shared.value("f64") end,
  work = function(a, v)
    for i = 1, 20 do
      a[i] = i
      v:add(1)
    end
  end,
  check = function(a, v) assert(a[1] >= 0 and v:get() <= 20) end,
}

cases["memory given back to the system"] = {
  make = function() return conrun.shared.array("u8", 10) end,
  work = function(done)
    do
      local a = conrun.shared.array("u8", 33 << 20) -- more than what is kept for the next one
      a[1] = 1
    end
    collectgarbage()
    done[1] = 1
  end,
  check = function(done)
    local a = conrun.shared.array("u8", 33 << 20)
    assert(a[1] == 0 and a[#a] == 0 and done[1] <= 1)
  end,
}

cases["allocator"] = {
  make = conrun.queue.new,
  work = function(q)
    -- Blocks of every size, pages taken and given back, objects in objects.
    for i = 1, 18 do
      local inner = conrun.queue.new()
      inner:put(("x"):rep(1 << i))
      q:put(inner)
    end
    for _ = 1, 9 do
      q:get(0)
    end
    collectgarbage()
  end,
  check = function(q)
    q:close { now = true }
  end,
}

cases["pool of its own"] = {
  make = function() return conrun.queue.new() end,
  work = function(out)
    local pool = require("conrun.pool").new { workers = 1, kind = "thread" }
    out:put(pool:apply(math.max, 1, 2))
    pool:terminate()
    pool:join()
  end,
  check = function(out) assert(#drain(out) <= 1) end,
}

cases["pool of its own, with small tasks"] = {
  make = function() return conrun.queue.new() end,
  work = function(out)
    local pool = require("conrun.pool").new { workers = 1, kind = "thread" }
    local list = pool:map(math.abs, { -1, -2, -3, -4, -5, { n = 6 }, -7, -8, -9, -10, -11 },
      { chunksize = 1, collect_errors = true })
    out:put(#list)
    pool:terminate()
    pool:join()
  end,
  check = function(out)
    for _, n in ipairs(drain(out)) do
      assert(n == 11, n .. " results")
    end
  end,
}

---One life with a plan.  The worker makes it its own, or, when its birth is swept
---too, it holds from before.  True if it died of it.
local function live(case, number, birth)
  local rule = ("*:die:%d"):format(number)
  local made = table.pack(case.make())
  if birth then fault.plan(rule, true) end
  local w = conrun.process.start({ name = "victim" }, function(own, work, ...)
    if own then require("fault").plan(own) end
    work(...)
  end, not birth and rule, case.work, table.unpack(made, 1, made.n))
  made[made.n + 1] = w
  if case.meanwhile then case.meanwhile(table.unpack(made, 1, made.n + 1)) end
  if not w:join(LONG) then
    w:kill()
    error "the worker did not end"
  end
  local died = fault.hits() > 0
  fault.plan ""
  if not died then w:result(0) end
  case.check(table.unpack(made, 1, made.n))
  return died
end

conrun.process.start(math.abs, 1):join()

local function sweep(case, birth)
  points.each(function(number) return live(case, number, birth) end)
end

for name, case in pairs(cases) do
  describe("a worker that dies while it uses: " .. name, function()
    it("harms nobody, at whatever point", function() sweep(case, false) end)
  end)
end

describe("a worker that dies from its birth on", function()
  it("harms nobody, at whatever point", function()
    sweep({ make = conrun.event.new, work = function(e) e:set() end, check = function(e) e:set() end }, true)
  end)
end)

---A pool does six tasks while the plan lets one worker die.  True if one died.  Each task
---has itself among its arguments, so it goes away only if they are let go of at its end.
local function serve(number)
  local pool = kinds.pool("process", 2)
  fault.plan(("*:die:%d"):format(number), true)
  local futures, lost = {}, 0
  for i = 1, 6 do
    local own = conrun.shared.list()
    futures[i] = pool:submit(function(x) return { x, require("conrun").current().pid } end, i, own)
    own:append(futures[i])
  end
  for i, f in ipairs(futures) do
    local e = f:error(LONG)
    if e then
      assert(conrun.errors.is(e, "worker_died"), tostring(e))
      lost = lost + 1
    else
      assert(f:result()[1] == i)
    end
  end
  pool:close()
  assert(pool:join(LONG), "the pool does not end")
  local died = fault.hits() > 0
  fault.plan ""
  assert(lost <= 1, lost .. " tasks lost")
  return died
end

describe("pool workers that die", function()
  it("lose only the task in their hands, at whatever point", function()
    points.each(serve)
  end)
end)

---One worker helps with a task that is still in the line, the other takes it from there
---and dies while it finds that out.  True if it died.
local function pass_over(number)
  local pool = kinds.pool("process", 2)
  local busy, go, helped, finish = conrun.event.new(), conrun.event.new(), conrun.event.new(), conrun.event.new()
  local runs = conrun.shared.value("i64")
  local victim = pool:submit(function(rule, b, g)
    b:set()
    require("fault").plan(rule)
    g:wait()
  end, ("*:die:%d"):format(number), busy, go)
  assert(busy:wait(LONG))
  local outer = pool:submit(function(p, n, h, f)
    local inner = p:submit(function()
      n:add(1)
      h:set()
      f:wait()
      return "once"
    end)
    return inner:result()
  end, pool, runs, helped, finish)
  assert(helped:wait(LONG))
  local behind = pool:submit(function() -- behind the one that is passed over
    local plan = require "fault"
    local died = plan.hits() > 0
    plan.plan ""
    return died
  end)
  go:set()
  -- If it died early, both places may be taken by the outer and the inner task.
  local died = victim:error(LONG) ~= nil
  if not died then
    local e = behind:error(LONG)
    assert(not e or conrun.errors.is(e, "worker_died"), tostring(e))
    died = e ~= nil or behind:result()
  end
  finish:set()
  assert(outer:result(LONG) == "once" and runs:get() == 1)
  pool:close()
  assert(pool:join(LONG), "the pool does not end")
  return died
end

describe("a pool worker that dies at a task that another helps with", function()
  it("leaves it to that one, at whatever point", function()
    points.each(pass_over)
  end)
end)

---The only worker dies while it tells the tasks in the line that its initializer failed.
local function break_down(number)
  local pool = kinds.pool("process", 1, {
    initargs = { ("*:die:%d"):format(number) },
    initializer = function(rule)
      require("fault").plan(rule)
      error "no"
    end,
  })
  local futures = {}
  for i = 1, 3 do
    local ok, f = pcall(pool.submit, pool, math.max, 1, 2) -- it may be broken by now
    futures[#futures + 1] = ok and f or nil
    assert(ok or i > 1)
  end
  for _, f in ipairs(futures) do
    local e = f:error(LONG)
    assert(conrun.errors.is(e, "broken"), tostring(e))
  end
  pool:close()
  assert(pool:join(LONG), "the pool does not end")
  local died = fault.hits() > 0
  fault.plan ""
  return died
end

describe("a pool worker that dies while it breaks its pool", function()
  it("leaves nobody waiting, at whatever point", function()
    points.each(break_down)
  end)
end)
