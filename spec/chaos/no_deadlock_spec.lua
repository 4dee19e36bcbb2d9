-- SPDX-License-Identifier: MIT
--
-- No deadlock: waits that somebody will end are never taken for one.
--
-- The search for deadlocks begins after a tenth of a second, so what must not be
-- taken for one lasts longer; such a program is right however slow the machine is.

local kinds = require "spec.lib.kinds"

local PREFIX = [[
  local start = conrun.KIND.start
  local function expect(fn, ...)
    local ok, e = pcall(fn, ...)
    print(ok, type(e) == "table" and e.kind or e)
  end
]]

--- What takes its time, but ends.
local waiting = {
  { "a worker that sleeps and then puts", [[
    local q = conrun.queue.new()
    start(function(x)
      require("conrun").sleep(0.5)
      x:put(1)
    end, q)
    expect(q.get, q)
  ]] },
  { "a worker that computes and then puts", [[
    local q = conrun.queue.new()
    start(function(x)
      local c = require("conrun").clock
      local enough = c() + 0.5
      repeat until c() > enough
      x:put(1)
    end, q)
    expect(q.get, q)
  ]] },
  { "a worker that reads from a program and then puts", [[
    local q = conrun.queue.new()
    start(function(x)
      local input = io.popen("sleep 0.5; echo 1")
      x:put(tonumber(input:read()))
      input:close()
    end, q)
    expect(q.get, q)
  ]] },
  { "a worker that gives up its own wait in time", [[
    local q, e = conrun.queue.new(), conrun.event.new()
    start(function(x, y)
      y:wait(0.5)
      x:put(1)
    end, q, e)
    expect(q.get, q)
  ]] },
  { "a lock whose holder sleeps", [[
    local l, taken = conrun.lock.new(), conrun.event.new()
    start(function(x, e)
      x:acquire()
      e:set()
      require("conrun").sleep(0.5)
      x:release()
    end, l, taken)
    taken:wait()
    expect(function() return l:acquire() and 1 end)
  ]] },
  { "a timer", [[
    local q = conrun.queue.new()
    conrun.thread.timer(0.5, q.put, q, 1)
    expect(q.get, q)
  ]] },
  { "an event that is on its way in a message", [[
    local post, e = conrun.queue.new(), conrun.event.new()
    post:put(e)
    start(function(x)
      require("conrun").sleep(0.5)
      x:get():set()
    end, post)
    expect(function() return e:wait() and 1 end)
  ]] },
  { "an event that another one's dict holds", [[
    local d, e = conrun.shared.dict(), conrun.event.new()
    d.e = e
    start(function(x)
      require("conrun").sleep(0.5)
      x.e:set()
    end, d)
    expect(function() return e:wait() and 1 end)
  ]] },
  { "a barrier whose last party is late", [[
    local b = conrun.barrier.new(2)
    start(function(x)
      require("conrun").sleep(0.5)
      x:wait()
    end, b)
    expect(function() return b:wait() and 1 end)
  ]] },
  { "a worker that is waited for while it sleeps", [[
    local w = start(function()
      require("conrun").sleep(0.5)
      return 1
    end)
    expect(w.result, w)
  ]] },
  { "a pool whose tasks sleep", [[
    local p <close> = conrun.pool.new { workers = 1, kind = "KIND" }
    expect(p.apply, p, function()
      require("conrun").sleep(0.5)
      return 1
    end)
  ]] },
  { "a task that waits for its own full pool", [[
    local p <close> = conrun.pool.new { workers = 1, kind = "KIND" }
    expect(p.apply, p, function(q)
      return q:submit(function()
        require("conrun").sleep(0.5)
        return 1
      end):result()
    end, p)
  ]] },
  { "a thread of a process that ends, which gives back its lock", [[
    local l, taken = conrun.lock.new(), conrun.event.new()
    conrun.process.start(function()
      conrun.thread.start({ daemon = true }, function()
        l:acquire()
        taken:set()
        conrun.event.new():wait()
      end)
      taken:wait()
      conrun.sleep(0.4)
    end)
    taken:wait()
    expect(function() return l:acquire() and 1 end)
  ]] },
  { "a process that was killed, while the zygote is slow to bury it", [[
    local w = conrun.process.start(function() conrun.queue.new():get() end)
    local stat = io.open("/proc/" .. w.pid .. "/stat")
    local zygote = stat:read("a"):match("%) %a (%d+)")
    stat:close()
    os.execute("kill -STOP " .. zygote .. "; (sleep 0.6; kill -CONT " .. zygote .. ") &")
    start(function() w:kill() end)
    expect(function() return w:join() and 1 end)
  ]] },
  { "an end of a pipe that is garbage", [[
    local a = conrun.pipe.new()
    expect(function() return select(2, a:recv()) == "closed" and 1 end)
  ]] },
  { "an end of a pipe that is garbage of another strand, which waits too", [[
    local a, b = conrun.pipe.new()
    local e = conrun.event.new()
    local w = start(function(q)
      do local _ = q:get() end
      e:wait()
    end, (function() local q = conrun.queue.new() q:put(b) b:close() return q end)())
    expect(function() return select(2, a:recv()) == "closed" and 1 end)
    e:set()
    w:join()
  ]] },
  { "an end of a pipe that is garbage of an idle worker", [[
    local p <close> = conrun.pool.new { workers = 1, kind = "KIND" }
    local a, b = conrun.pipe.new()
    p:apply(function() b:send(0) end)
    b:close()
    expect(function() return a:recv() == 0 and select(2, a:recv()) == "closed" and 1 end)
  ]] },
  { "one's own callback on a future that a sleeping worker settles", [[
    local f, e = conrun.future.new(), conrun.event.new()
    f:on_done(function() e:set() end)
    start(function()
      conrun.sleep(0.4)
      f:set_result(1)
    end)
    expect(function() return e:wait() and 1 end)
  ]] },
  { "one's own callbacks on tasks, which collect their results", [[
    local p <close> = conrun.pool.new { workers = 2, kind = "KIND" }
    local done, sum = conrun.event.new(), 0
    for i = 1, 4 do
      p:submit(function(x)
        conrun.sleep(0.2)
        return x
      end, i):on_done(function(f)
        sum = sum + f:result()
        if sum == 10 then done:set() end
      end)
    end
    expect(function() return done:wait() and sum - 9 end)
  ]] },
  { "a callback of another strand, which waits for ever itself", [[
    local f, q = conrun.future.new(), conrun.queue.new()
    local ready = conrun.event.new()
    local w = start(function()
      f:on_done(function() q:put(1) end)
      ready:set()
      pcall(function() conrun.queue.new():get() end)
    end)
    ready:wait()
    start(function()
      conrun.sleep(0.4)
      f:set_result()
    end)
    expect(q.get, q)
    w:interrupt()
  ]] },
  { "a callback of an idle worker", [[
    local p <close> = conrun.pool.new { workers = 1, kind = "KIND" }
    local f, q = conrun.future.new(), conrun.queue.new()
    p:apply(function() f:on_done(function() q:put(1) end) end)
    start(function()
      conrun.sleep(0.4)
      f:set_result()
    end)
    expect(q.get, q)
  ]] },
  { "a callback of a timer's future", [[
    local f, e = conrun.future.new(), conrun.event.new()
    f:on_done(function() e:set() end)
    conrun.thread.timer(0.4, function() f:set_result() end)
    expect(function() return e:wait() and 1 end)
  ]] },
  { "a callback that waits for what the next one brings", [[
    local f, g, e = conrun.future.new(), conrun.future.new(), conrun.event.new()
    local both = conrun.event.new()
    f:on_done(function() e:wait() both:set() end)
    g:on_done(function() e:set() end)
    start(function()
      f:set_result()
      conrun.sleep(0.4)
      g:set_result()
    end)
    expect(function() return both:wait() and 1 end)
  ]] },
  { "a list that map_async is going to put together", [[
    local p <close> = conrun.pool.new { workers = 2, kind = "KIND" }
    local m = p:map_async(function(x)
      conrun.sleep(0.3)
      return x
    end, { 1, 2, 3 })
    expect(function() return #m:result() - 2 end)
  ]] },
  { "a list that map_async puts together in another strand", [[
    local p <close> = conrun.pool.new { workers = 2, kind = "KIND" }
    local m = p:map_async(function(x)
      conrun.sleep(0.3)
      return x
    end, { 1, 2, 3 })
    local w = start(function() return #m:result() - 2 end)
    expect(w.result, w)
  ]] },
  { "a select over futures with callbacks", [[
    local f, q = conrun.future.new(), conrun.queue.new()
    f:on_done(function() q:put(1) end)
    start(function()
      conrun.sleep(0.4)
      f:set_result()
    end)
    local bare = conrun.future.new()
    expect(function() return conrun.select { bare, q } == q and q:get() end)
  ]] },
  { "a finalizer that has not run yet", [[
    local e = conrun.event.new()
    local w = start(function()
      setmetatable({}, { __gc = function() e:set() end })
      e:wait()
    end)
    expect(function() return e:wait() and w:join() and 1 end)
  ]] },
  { "a chain of workers of which the last one sleeps", [[
    local function pass(n, q)
      if n == 0 then
        require("conrun").sleep(0.5)
        return q:put(1)
      end
      return require("conrun.KIND").start(pass, n - 1, q):result()
    end
    local q = conrun.queue.new()
    start(pass, 3, q)
    expect(q.get, q)
  ]] },
}

--- Who could help finds what it needs in one of these, put there before.
local places = {
  queue = { "conrun.queue.new()", "place:put(x)", "place:get()" },
  dict = { "conrun.shared.dict()", "place.x = x", "place.x" },
  list = { "conrun.shared.list()", "place:append(x)", "place[1]" },
  message = { "conrun.queue.new()", "place:put { deep = { x } }", "place:get().deep[1]" },
  ["queue in a queue"] = { "conrun.queue.new()", "local q = conrun.queue.new() q:put(x) place:put(q)",
    "place:get():get()" },
  result = { "nil", "place = conrun.thread.start(function(y) return y end, x)", "place:result()" },
}

--- What is found, what the finder does to it, what is waited for, and what main does before
--- the finder starts.
local found = {
  { "a worker that is interrupted", [[start(function() pcall(function() conrun.queue.new():get() end) end)]],
    "x:interrupt()", "x:join()" },
  { "a task that is cancelled", [[POOL:submit(function() conrun.queue.new():get() end)]],
    "x:cancel { running = true }", "x:error()" },
  { "a pool that is terminated", [[POOL]], "x:terminate()", "task:error()",
    "local task = x:submit(function() conrun.queue.new():get() end)" },
  { "a future that is settled", "conrun.future.new()", "x:set_result(1)", "x:result()" },
  { "an event that is set", "conrun.event.new()", "x:set()", "x:wait()" },
  { "a semaphore that is released", "conrun.semaphore.new(0)", "x:release()", "x:acquire()" },
  { "a condition that is notified", "conrun.condition.new()", "x:with(x.notify, x)",
    "x:wait() x:release()", "x:acquire()" }, -- the lock keeps the finder out until main waits
  { "a barrier that is broken", "conrun.barrier.new(2)", "x:abort()", "x:wait()" },
}

local names = {}
for name in pairs(places) do names[#names + 1] = name end
table.sort(names)

for _, name in ipairs(names) do
  local place = places[name]
  for _, case in ipairs(found) do
    local what, make, help, wait, before = table.unpack(case)
    waiting[#waiting + 1] = { ("%s, by one who finds it in a %s"):format(what, name), ([[
      local POOL = conrun.pool.new { workers = 1, kind = "KIND" }
      local x = MAKE
      local place = PLACE
      PUT
      BEFORE
      local finder = start(function()
        conrun.sleep(0.4)
        local x = GET
        HELP
      end)
      WAIT
      finder:join()
      POOL:terminate()
      print(true, 1)
    ]]):gsub("%u%u%u+", { MAKE = make, PLACE = place[1], PUT = place[2], GET = place[3], HELP = help,
      WAIT = wait, BEFORE = before or "" }) }
  end
end

-- They mostly sleep, so some are started ahead of their turn.
local AHEAD = 12

for _, kind in ipairs(kinds) do
  describe("no deadlock (" .. kind .. ")", function()
    local children = {}

    local function child(i)
      for k = i, math.min(i + AHEAD, #waiting) do
        local source = (PREFIX .. waiting[k][2]):gsub("KIND", kind)
        children[k] = children[k] or kinds.child(source)
      end
      return children[i]
    end

    for i, case in ipairs(waiting) do
      it("is " .. case[1], function()
        local out, err, status = child(i):finish()
        assert.are.equal("", err)
        assert.matches("^true\t1%.?0?\n$", out)
        assert.are.equal(0, status)
      end)
    end
  end)
end
