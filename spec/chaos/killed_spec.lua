-- SPDX-License-Identifier: MIT
--
-- Strands that are killed: a worker in the middle of a task, the holder of every
-- primitive, strands that wait, and the main strand.  In each case whoever could
-- go on goes on, and nothing is left.

local barrier = require "conrun.barrier"
local condition = require "conrun.condition"
local errors = require "conrun.errors"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local lock = require "conrun.lock"
local process = require "conrun.process"
local queue = require "conrun.queue"
local semaphore = require "conrun.semaphore"
local shared = require "conrun.shared"

local LONG = kinds.LONG

local function square(x)
  return x * x
end

local function own_pid()
  return require("conrun").current().pid
end

local function die(signal)
  os.execute(("kill -%s %d"):format(signal, require("conrun").current().pid))
  require("conrun.event").new():wait()
end

local function tell_and_wait(pids, go)
  pids:put(require("conrun").current().pid)
  go:wait(30)
  return "survived"
end

local function acquire_and_wait(object, held)
  object:acquire()
  held:put(true)
  require("conrun.event").new():wait()
end

local function get_and_wait(q, ready)
  ready:put(true)
  q:get()
  ready:put("got")
  require("conrun.event").new():wait()
end

local function wait_on(object, ready)
  ready:put(true)
  return object:wait()
end

local function wait_condition(c, ready)
  c:acquire()
  ready:put(true)
  local ok = c:wait(30)
  c:release()
  return ok
end

local function hammer(l, v, q, list, d)
  while true do
    l:acquire()
    v:add(1)
    l:release()
    q:put(v:get())
    q:get(0)
    list:append("x")
    list:pop(1)
    d:update("n", function(old) return (old or 0) + 1 end)
  end
end

local function kill(w)
  w:kill()
  assert.is_true(w:join(LONG))
  assert.are.equal(-9, w.exitcode)
end

describe("a pool worker killed in the middle of a task", function()
  it("fails that task only, with signal and pid, and is replaced", function()
    local p <close> = kinds.pool("process", 2)
    local pids, go = queue.new(), event.new()
    local first, second = p:submit(tell_and_wait, pids, go), p:submit(tell_and_wait, pids, go)
    local victim, other = pids:get(LONG), pids:get(LONG)
    assert.are_not.equal(victim, other)
    local waiting = {}
    for i = 1, 20 do
      waiting[i] = p:submit(square, i)
    end
    assert.is_true(kinds.signal("KILL", victim))
    assert.is_true(kinds.eventually(function() return first:done() or second:done() end))
    go:set()
    local lost, kept = first, second
    if not first:error(LONG) then
      lost, kept = second, first
    end
    local e = kinds.raised_kind("worker_died", lost.result, lost, LONG)
    assert.matches(tostring(victim), tostring(e))
    assert.matches("9", tostring(e))
    assert.are.equal("survived", kept:result(LONG))
    for i = 1, 20 do
      assert.are.equal(i * i, waiting[i]:result(LONG))
    end
    assert.are.same({ 1, 4, 9 }, p:map(square, { 1, 2, 3 }))
  end)

  for _, signal in ipairs { "KILL", "ABRT", "TERM" } do
    it("by SIG" .. signal .. " of its own hand fails its task", function()
      local p <close> = kinds.pool("process", 1)
      for _ = 1, 3 do
        local f = p:submit(die, signal)
        kinds.raised_kind("worker_died", f.result, f, LONG)
      end
      assert.are.equal(4, p:apply(square, 2))
    end)
  end

  it("by a crash fails its task, which names the signal", function()
    local out, err, status = kinds.run_crashing [[
      local p <close> = require("conrun.pool").new { workers = 1, kind = "process" }
      local e = p:submit(function()
        os.execute("kill -SEGV " .. require("conrun").current().pid)
        require("conrun.event").new():wait()
      end):error(30)
      print(e.kind, tostring(e):find("11") and "named", p:apply(math.max, 1, 2))
    ]]
    assert.are.equal("", err)
    assert.are.equal("worker_died\tnamed\t2\n", out)
    assert.are.equal(0, status)
  end)

  it("fails one element of a map, after the others ran", function()
    local p <close> = kinds.pool("process", 2)
    local ran = shared.value("i64")
    local e = kinds.raised(p.map, p, function(x)
      if x == 3 then
        die("KILL")
      end
      ran:add(1)
      return x
    end, { 1, 2, 3, 4, 5, 6 }, { chunksize = 1 })
    assert.is_true(errors.is(e, "worker_died"))
    assert.are.equal(5, ran:get())
  end)

  it("is retried when the pool says so", function()
    local p <close> = kinds.pool("process", 1, { retries = 1 })
    local tries = shared.value("i64")
    assert.are.equal("second try", p:apply(function()
      tries:add(1)
      if tries:get() == 1 then
        die("KILL")
      end
      return "second try"
    end))
    local f = p:submit(die, "KILL")
    kinds.raised_kind("worker_died", f.result, f, LONG)
  end)

  it("is replaced also while it was idle", function()
    local p <close> = kinds.pool("process", 2)
    for _ = 1, 5 do
      local pid = p:apply(own_pid)
      kinds.signal("KILL", pid)
      assert.is_true(kinds.eventually(function() return not kinds.process_alive(pid) end))
      -- A task that the dying worker had just taken may be lost with it, no other.
      assert.are.equal(9, p:apply(square, 3))
    end
  end)

  it("lets close and join end", function()
    local p = kinds.pool("process", 2)
    local f = p:submit(die, "KILL")
    p:close()
    assert.is_true(p:join(LONG))
    assert.is_true(f:done())
  end)
end)

describe("a task that exits", function()
  it("fails with its exit code (process)", function()
    local p <close> = kinds.pool("process", 1)
    local f = p:submit(function() os.exit(3) end)
    assert.matches("3", tostring(kinds.raised_kind("worker_died", f.result, f, LONG)))
    assert.are.equal(4, p:apply(square, 2))
  end)

  it("fails and the pool goes on (thread)", function()
    local p <close> = kinds.pool("thread", 1)
    local f = p:submit(function() os.exit(3) end)
    assert.is_truthy(f:error(LONG))
    assert.are.equal(4, p:apply(square, 2))
  end)
end)

describe("a killed holder", function()
  for _, make in ipairs { "new", "recursive" } do
    it("of a lock." .. make .. " leaves it abandoned, once", function()
      local l, held = lock[make](), queue.new()
      local w = process.start(acquire_and_wait, l, held)
      assert.is_true(held:get(LONG))
      assert.is_false((l:acquire(0)))
      kill(w)
      local ok, why = l:acquire(LONG)
      assert.is_true(ok)
      assert.are.equal("abandoned", why)
      l:release()
      assert.is_nil((select(2, l:acquire(LONG))))
      l:release()
    end)
  end

  it("of a lock wakes who waits for it", function()
    for _, kind in ipairs(kinds) do
      local l, held, ready = lock.new(), queue.new(), event.new()
      local holder = process.start(acquire_and_wait, l, held)
      assert.is_true(held:get(LONG))
      local w = kinds.start(kind, function(object, r)
        r:set()
        local ok, why = object:acquire(30)
        object:release()
        return ok, why
      end, l, ready)
      assert.is_true(ready:wait(LONG))
      kill(holder)
      local ok, why = kinds.finish(w)
      assert.is_true(ok)
      assert.are.equal("abandoned", why)
    end
  end)

  it("of a semaphore gives its permits back", function()
    for _, make in ipairs { "new", "bounded" } do
      local s, held = semaphore[make](2), queue.new()
      local workers = { process.start(acquire_and_wait, s, held), process.start(acquire_and_wait, s, held) }
      assert.is_true(held:get(LONG))
      assert.is_true(held:get(LONG))
      assert.is_false((s:acquire(0)))
      kill(workers[1])
      assert.is_true(s:acquire(LONG))
      kill(workers[2])
      assert.is_true(s:acquire(LONG))
      s:release(2)
      assert.are.equal(2, s:value())
    end
  end)

  it("of a condition's lock does not stop the others", function()
    local c, held = condition.new(), queue.new()
    local w = process.start(acquire_and_wait, c, held)
    assert.is_true(held:get(LONG))
    kill(w)
    local ok, why = c:acquire(LONG)
    assert.is_true(ok)
    assert.are.equal("abandoned", why)
    c:release()
  end)

  it("of a dict's update leaves the dict whole", function()
    local d, held = shared.dict { n = 1 }, queue.new()
    local w = process.start(function(dict, ready)
      dict:update("n", function()
        ready:put(true)
        require("conrun.event").new():wait()
      end)
    end, d, held)
    assert.is_true(held:get(LONG))
    kill(w)
    assert.are.equal(1, d.n)
    d:update("n", function(old) return old + 1 end)
    assert.are.equal(2, d.n)
  end)
end)

describe("a killed waiter", function()
  it("of a queue neither takes nor doubles an item", function()
    local q, ready = queue.new(), queue.new()
    local w = process.start(get_and_wait, q, ready)
    assert.is_true(ready:get(LONG))
    kill(w)
    q:put(1)
    assert.are.equal(1, q:get(LONG))
    assert.is_true(q:empty())
  end)

  it("of a full queue leaves its item out, and the queue usable", function()
    local q, ready = queue.new(1), queue.new()
    q:put(1)
    local w = process.start(function(full, r)
      r:put(true)
      full:put(2)
    end, q, ready)
    assert.is_true(ready:get(LONG))
    kill(w)
    assert.are.equal(1, q:get(LONG))
    assert.is_true(q:put(3, LONG))
    assert.are.equal(3, q:get(LONG))
  end)

  it("of a condition does not swallow a notification", function()
    local c, ready = condition.new(), queue.new()
    local victim = process.start(wait_condition, c, ready)
    assert.is_true(ready:get(LONG))
    local other = process.start(wait_condition, c, ready)
    assert.is_true(ready:get(LONG))
    c:acquire()
    c:release()
    kill(victim)
    c:acquire()
    c:notify()
    c:release()
    assert.is_true((kinds.finish(other)))
  end)

  it("of a barrier breaks it for the others", function()
    local b, ready = barrier.new(3), queue.new()
    local victim = process.start(wait_on, b, ready)
    local other = process.start(wait_on, b, ready)
    assert.is_true(kinds.eventually(function() return b.waiting == 2 end))
    kill(victim)
    local index, why = kinds.finish(other)
    assert.is_nil(index)
    assert.are.equal("broken", why)
    assert.is_true(b.broken)
  end)

  it("of an event does not hold up the others", function()
    local e, ready = event.new(), queue.new()
    local victim, other = process.start(wait_on, e, ready), process.start(wait_on, e, ready)
    assert.is_true(ready:get(LONG))
    assert.is_true(ready:get(LONG))
    kill(victim)
    e:set()
    assert.is_true(kinds.finish(other))
  end)
end)

describe("workers killed at any instruction", function()
  it("leave every object whole", function()
    local l, v, q = lock.new(), shared.value("i64"), queue.new()
    local list, d = shared.list(), shared.dict()
    for round = 1, 15 do
      local a = process.start({ daemon = true }, hammer, l, v, q, list, d)
      local b = process.start({ daemon = true }, hammer, l, v, q, list, d)
      local target = v:get() + 20 * round
      assert.is_true(kinds.eventually(function() return v:get() >= target end))
      kill(a)
      target = v:get() + 20
      assert.is_true(kinds.eventually(function() return v:get() >= target end))
      kill(b)
      assert.is_true((l:acquire(LONG)))
      l:release()
      assert.is_true(#list <= 2 * round)
      assert.are.equal("integer", math.type(d.n))
      while q:get(0) do
        assert.is_true(q:size() >= 0)
      end
      assert.is_true(q:put("still works", LONG))
      assert.are.equal("still works", q:get(LONG))
    end
  end)
end)

describe("the main strand killed", function()
  for _, signal in ipairs { "KILL", "TERM", "INT", "HUP" } do
    it("by SIG" .. signal .. " leaves no worker", function()
      local child = kinds.child [[
        local event, process, queue = require "conrun.event", require "conrun.process", require "conrun.queue"
        local pool = require("conrun.pool").new { workers = 2, kind = "process" }
        local pids = queue.new()
        local function busy(q)
          q:put(require("conrun").current().pid)
          while true do local _ = {} end
        end
        local function idle(q)
          q:put(require("conrun").current().pid)
          require("conrun.event").new():wait()
        end
        pool:submit(busy, pids)
        pool:submit(idle, pids)
        process.start({ daemon = true }, busy, pids)
        process.start({ daemon = true }, idle, pids)
        print(pid, pids:get(), pids:get(), pids:get(), pids:get())
        event.new():wait()
      ]]
      local pids = {}
      for pid in child:line():gmatch("%d+") do
        pids[#pids + 1] = tonumber(pid)
      end
      assert.are.equal(5, #pids)
      kinds.signal(signal, pids[1])
      local _, _, status = child:finish()
      assert.are_not.equal(0, status)
      for _, pid in ipairs(pids) do
        assert.is_true(kinds.eventually(function() return not kinds.process_alive(pid) end))
      end
    end)
  end
end)

describe("Ctrl-C while mapping", function()
  for _, kind in ipairs(kinds) do
    it("prints one message and ends with nothing left (" .. kind .. ")", function()
      local child = kinds.child(([[
        local ready = require("conrun.queue").new()
        local pool <close> = require("conrun.pool").new { workers = 2, kind = "%s" }
        local waiter = require("conrun.thread").start({ daemon = true }, function(q, main)
          q:get() q:get() print(main)
        end, ready, pid)
        pool:map(function() ready:put(1) while true do local _ = {} end end, { 1, 2 }, { chunksize = 1 })
      ]]):format(kind))
      local pid = tonumber(child:line())
      kinds.signal("INT", pid)
      local out, err, status = child:finish()
      assert.are.equal("", out)
      assert.are_not.equal(0, status)
      local _, messages = err:gsub("interrupted!", "")
      assert.are.equal(1, messages)
      assert.is_false(kinds.process_alive(pid))
    end)
  end
end)

describe("after every exit", function()
  local endings = {
    ["a normal end"] = { "", 0 },
    ["an error"] = { "error('failed')", 1 },
    ["os.exit"] = { "os.exit(5)", 5 },
    ["os.exit that closes the state"] = { "os.exit(true, true)", 0 },
  }
  for name, ending in pairs(endings) do
    it("no process is left: " .. name, function()
      local out, _, status = kinds.run(([[
        local pids = require("conrun.queue").new()
        local pool = require("conrun.pool").new { workers = 2, kind = "process" }
        pool:submit(function(q) q:put(require("conrun").current().pid) end, pids):result()
        require("conrun.process").start({ daemon = true }, function(q)
          q:put(require("conrun").current().pid)
          require("conrun.event").new():wait()
        end, pids)
        print(pids:get(), pids:get())
        io.stdout:flush()
        %s
      ]]):format(ending[1]))
      assert.are.equal(ending[2], status)
      local a, b = out:match("(%d+)%s+(%d+)")
      for _, pid in ipairs { a, b } do
        assert.is_true(kinds.eventually(function() return not kinds.process_alive(pid) end))
      end
    end)

    it("no object is left: " .. name, function()
      local _, err, status = kinds.run(([[
        local q, d = require("conrun.queue").new(), require("conrun.shared").dict()
        q:put { d }
        d.q = "text"
        require("conrun.thread").start(function(x) x:put(1) end, q):join()
        %s
      ]]):format(ending[1]), "--audit")
      assert.are.equal(ending[2], status, err)
    end)
  end

  it("no shared memory is left, not even by SIGKILL", function()
    -- Only a named buffer has a name at all, and the name has the pid in it.
    for _, ending in ipairs { "", "error 'failed'", "os.exit(3)", "os.execute('kill -KILL ' .. pid)" } do
      local out = kinds.run(([[
        local name = "killed_spec." .. pid
        local b = conrun.shared.buffer(64, { name = name })
        conrun.process.start(function() b:write(0, "text") end):join()
        print(name, io.open("/dev/shm/conrun." .. name) ~= nil)
        %s
      ]]):format(ending))
      local name = out:match "^(%S+)\ttrue\n$"
      assert.is_truthy(name, out)
      assert.is_true(kinds.eventually(function() return not io.open("/dev/shm/conrun." .. name) end), ending)
    end
  end)
end)
