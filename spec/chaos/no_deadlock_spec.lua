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

local function run(kind, source, options)
  return kinds.run((PREFIX .. source):gsub("KIND", kind), options)
end

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

for _, kind in ipairs(kinds) do
  describe("no deadlock (" .. kind .. ")", function()
    for _, case in ipairs(waiting) do
      it("is " .. case[1], function()
        local out, err, status = run(kind, case[2])
        assert.are.equal("", err)
        assert.matches("^true\t1%.?0?\n$", out)
        assert.are.equal(0, status)
      end)
    end
  end)
end
