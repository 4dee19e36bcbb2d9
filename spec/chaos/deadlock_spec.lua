-- SPDX-License-Identifier: MIT
--
-- Deadlocks: every wait that nobody can end is reported and ended.
--
-- Each case is a program of its own, whose main strand is among the stuck and gets
-- the error.  `KIND` stands for the kind of its workers.  That a program ends at all
-- is half of what is shown: the spec runner's deadline would end one that hangs.
--
-- What must not be taken for one is in no_deadlock_spec.lua.

local kinds = require "spec.lib.kinds"

local PREFIX = [[
  local start = conrun.KIND.start
  local function expect(fn, ...)
    local ok, e = pcall(fn, ...)
    print(ok, type(e) == "table" and e.kind or e)
  end
]]

local function run(kind, source, options)
  return kinds.run((PREFIX .. source):gsub("KIND", kind), options)
end

--- Every wait that there is, in main, behind preparations.
local WAITS = [[
  local e, q, full, s = conrun.event.new(), conrun.queue.new(), conrun.queue.new(1), conrun.semaphore.new(0)
  local c, d, p = conrun.condition.new(), conrun.shared.dict(), conrun.pool.new { workers = 1, kind = "KIND" }
  local a, b = conrun.pipe.new { duplex = true }
  full:put(1)
  d.x = 1
  local function never() e:wait() end
  local f, w = p:submit(never), start(never)
  local waits = {
    { "semaphore", function() s:acquire() end },
    { "semaphore held", function() local _ <close> = s:hold() end },
    { "event", function() e:wait() end },
    { "condition", function() c:with(function() c:wait() end) end },
    { "condition for", function() c:with(function() c:wait_for(function() return false end) end) end },
    { "barrier", function() conrun.barrier.new(2):wait() end },
    { "barrier's action", function() conrun.barrier.new(1, { action = never }):wait() end },
    { "get", function() q:get() end },
    { "get_many", function() q:get_many(2) end },
    { "items", function() for _ in q:items() do end end },
    { "put", function() full:put(2) end },
    { "put_many", function() full:put_many { 2, 3 } end },
    { "queue join", function() full:join() end },
    { "recv", function() return a:recv() end },
    { "poll", function() return b:poll(math.huge) end },
    { "result", function() f:result() end },
    { "error", function() f:error() end },
    { "bare future", function() conrun.future.new():result() end },
    { "wait", function() conrun.future.wait { f, conrun.future.new() } end },
    { "as_completed", function() for _ in conrun.future.as_completed { f } do end end },
    { "all", function() conrun.future.all { f } end },
    { "select", function() conrun.select { f, w, q, e, a } end },
    { "worker's result", function() w:result() end },
    { "worker's end", function() w:join() end },
    { "update", function() d:update("x", never) end },
    { "map", function() p:map(never, { 1, 2 }) end },
    { "map_async", function() p:map_async(never, { 1, 2 }):result() end },
    { "imap", function() for _ in p:imap(never, { 1, 2 }) do end end },
    { "imap_unordered", function() for _ in p:imap_unordered(never, { 1, 2 }) do end end },
    { "apply", function() p:apply(never) end },
    { "shutdown", function() p:shutdown() end },
  }
  for _, wait in ipairs(waits) do
    io.stderr:write("<", wait[1], ">\n")
    local ok, error_object = pcall(wait[2])
    if ok or type(error_object) ~= "table" or error_object.kind ~= "deadlock" then
      print(wait[1], ok, error_object)
    end
  end
  os.exit(0)
]]

--- What is stuck, and what the report must say of it.
local stuck = {
  {
    "two locks taken in opposite order", { "acquire", "held by", "same order" }, [[
    local a, b, mine = conrun.lock.new(), conrun.lock.new(), conrun.event.new()
    a:acquire()
    start({ daemon = true }, function(x, y, e)
      y:acquire()
      e:set()
      pcall(x.acquire, x)
    end, a, b, mine)
    mine:wait()
    expect(b.acquire, b)
  ]] },
  {
    "a ring of three locks", { "acquire", "held by" }, [[
    local locks, ready = {}, conrun.barrier.new(3)
    for i = 1, 3 do locks[i] = conrun.lock.new() end
    local function take(one, two, r)
      one:acquire()
      r:wait()
      return two:acquire()
    end
    for i = 2, 3 do start({ daemon = true }, function(...) pcall(take, ...) end, locks[i], locks[i % 3 + 1], ready) end
    expect(take, locks[1], locks[2], ready)
  ]] },
  {
    "a lock whose holder waits for us", { "acquire", "end of", "held by" }, [[
    local l, taken = conrun.lock.new(), conrun.event.new()
    l:acquire()
    local w = start(function(x, e)
      e:set()
      x:acquire()
    end, l, taken)
    taken:wait()
    expect(w.join, w)
    l:release()
  ]] },
  { "a queue that nobody can put to", { "get", "could put" }, [[
    local q = conrun.queue.new()
    expect(q.get, q)
  ]] },
  { "a queue whose only putter waits too", { "get" }, [[
    local a, b = conrun.queue.new(), conrun.queue.new()
    start({ daemon = true }, function(x, y)
      pcall(y.get, y)
      x:put(1)
    end, a, b)
    expect(a.get, a)
  ]] },
  { "a full queue that nobody takes from", { "put", "full" }, [[
    local q = conrun.queue.new(1)
    q:put(1)
    expect(q.put, q, 2)
  ]] },
  { "a queue whose items nobody declares done", { "join", "task_done" }, [[
    local q = conrun.queue.new()
    q:put(1)
    expect(q.join, q)
  ]] },
  { "workers that join each other", { "the end of" }, [[
    local function wait_for(q)
      local other = q:get()
      pcall(other.join, other)
    end
    local p, q = conrun.queue.new(), conrun.queue.new()
    local v = start({ daemon = true }, wait_for, p)
    local w = start({ daemon = true }, wait_for, q)
    p:put(w)
    q:put(v)
    expect(v.join, v)
  ]] },
  { "a condition that nobody can notify", { "wait", "could notify" }, [[
    local c = conrun.condition.new()
    c:acquire()
    expect(c.wait, c)
  ]] },
  { "a barrier short of parties", { "wait", "fewer strands" }, [[
    local b = conrun.barrier.new(3)
    start({ daemon = true }, function(x) pcall(x.wait, x) end, b)
    expect(b.wait, b)
  ]] },
  { "a semaphore that nobody can release", { "acquire", "release a permit" }, [[
    local s = conrun.semaphore.new(1)
    s:acquire()
    expect(s.acquire, s)
  ]] },
  { "an event that nobody can set", { "wait", "could set" }, [[
    local e = conrun.event.new()
    expect(e.wait, e)
  ]] },
  { "a future that nobody can settle", { "result", "could settle" }, [[
    local f = conrun.future.new()
    expect(f.result, f)
  ]] },
  { "a pipe whose other end is one's own", { "get" }, [[
    local a, b = conrun.pipe.new()
    expect(a.recv, a)
    b:close()
  ]] },
  { "a choice of several that cannot come", { "select" }, [[
    local q, e = conrun.queue.new(), conrun.event.new()
    expect(conrun.select.select, { q, e })
  ]] },
  { "tasks of two pools that wait for each other", { "result" }, [[
    local a = conrun.pool.new { workers = 1, kind = "KIND" }
    local b = conrun.pool.new { workers = 1, kind = "KIND" }
    local f = a:submit(function(x, y)
      return y:submit(function(z) return z:submit(math.sqrt, 9):result() end, x):result()
    end, a, b)
    expect(f.result, f)
    a:terminate()
    b:terminate()
  ]] },
  { "a task that waits for an event that nobody can set", { "result", "wait" }, [[
    local p = conrun.pool.new { workers = 2, kind = "KIND" }
    local e = conrun.event.new()
    local f = p:submit(function(x) x:wait() end, e)
    e = nil
    collectgarbage()
    expect(f.result, f)
    p:terminate()
  ]] },
}

for _, kind in ipairs(kinds) do
  describe("a deadlock (" .. kind .. ")", function()
    for _, case in ipairs(stuck) do
      local name, words, source = table.unpack(case)

      it("is found: " .. name, function()
        local out, err = run(kind, source)
        assert.are.equal("false\tdeadlock\n", out)
        assert.matches("conrun: deadlock: ", err)
        assert.matches("waits for", err)
        assert.matches("strand 'main'", err)
        for _, word in ipairs(words) do
          assert.matches(word, err)
        end
      end)
    end
  end)
end

for _, kind in ipairs(kinds) do
  it("in any wait is raised once and told once (" .. kind .. ")", function()
    local out, err, status = run(kind, WAITS)
    assert.are.equal("", out)
    assert.are.equal(0, status)
    local n, wanted = 0, select(2, WAITS:gsub("\n    { \"", ""))
    for name, told in (err .. "<"):gmatch("<([%w%s'_]+)>(.-)%f[<]") do
      local _, times = told:gsub("conrun: deadlock: ", "")
      assert.are.equal(1, times, name .. told)
      n = n + 1
    end
    assert.is_true(n > 0)
    assert.are.equal(wanted, n)
  end)
end

describe("a deadlock across threads and processes", function()
  it("is found", function()
    local out, err = run("thread", [[
      local a, b, ready = conrun.lock.new(), conrun.queue.new(), conrun.event.new()
      local p = conrun.process.start({ daemon = true, name = "holder" }, function(l, q, e)
        l:acquire()
        e:set()
        pcall(q.get, q)
      end, a, b, ready)
      ready:wait()
      local t = conrun.thread.start({ daemon = true, name = "taker" }, function(l, q)
        pcall(l.acquire, l)
        q:put(1)
      end, a, b)
      b = nil
      collectgarbage()
      expect(t.join, t)
    ]])
    assert.are.equal("false\tdeadlock\n", out)
    assert.matches("main %-> taker %-> holder", err)
    assert.matches("process 'holder' waits for queue", err)
    assert.matches("thread 'taker' waits for lock", err)
  end)

  it("is reported with the stacks and the locks of all", function()
    local _, err = run("process", [[
      local a, mine = conrun.lock.new(), conrun.event.new()
      a:acquire()
      local w = start({ daemon = true, name = "other" }, function(x, e)
        local own = require("conrun.lock").new()
        own:acquire()
        e:set()
        local function deep_in_the_worker()
          x:acquire()
          return 1
        end
        pcall(function() return 1 + deep_in_the_worker() end)
      end, a, mine)
      mine:wait()
      local function deep_in_main()
        w:join()
        return 1
      end
      expect(function() return 1 + deep_in_main() end)
    ]])
    assert.matches("deep_in_main", err)
    assert.matches("deep_in_the_worker", err)
    assert.matches("holds lock %d+, taken at", err)
    assert.matches("held by 'main' since [^\n]*:%d+", err)
    assert.matches("for %d+%.%d s", err)
  end)

  it("lets the program go on behind the error", function()
    local out = run("thread", [[
      local q = conrun.queue.new()
      expect(q.get, q)
      q:put(1)
      expect(q.get, q)
    ]])
    assert.are.equal("false\tdeadlock\ntrue\t1\n", out)
  end)
end)
