-- SPDX-License-Identifier: MIT
--
-- The end of pools and of programs: what waits in lines is cancelled before anything that
-- runs is told to end, nothing is begun afterwards, and who joins a pool finds everything
-- free that its workers had.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local LONG = kinds.LONG

--- How a pool ends, from outside.
local ends = {
  shutdown = function(p) p:shutdown() end,
  ["shutdown{cancel=true}"] = function(p) p:shutdown { cancel = true } end,
  ["close and join"] = function(p)
    p:close()
    p:join()
  end,
  ["terminate and join"] = function(p)
    p:terminate()
    p:join()
  end,
  ["<close>"] = function(p) local _ <close> = p end,
  ["<close> by an error"] = function(p)
    pcall(function()
      local _ <close> = p
      error "bang"
    end)
  end,
}

for _, kind in ipairs(kinds) do
  describe("a pool is gone with its workers (" .. kind .. ")", function()
    for name, finish in pairs(ends) do
      it("after " .. name, function()
        for _ = 1, 10 do
          local p, l, s = kinds.pool(kind, 2), conrun.lock.new(), conrun.semaphore.new(1)
          local a, b = conrun.pipe.new()
          local pid = p:submit(function()
            l:acquire()
            s:acquire()
            rawset(_G, "kept", b)
            return conrun.current().pid
          end):result()
          b:close()
          finish(p)
          collectgarbage() -- our own, of the function that was sent
          assert.is_true(l:acquire(0))
          assert.are.equal("closed", select(2, a:recv(LONG)))
          assert.is_true(kind == "thread" or not kinds.process_alive(pid))
        end
      end)
    end

    it("also when a worker waits for callbacks of its own", function()
      local p, called = kinds.pool(kind, 1, { max_tasks_per_worker = 1 }), conrun.shared.value("i64")
      p:apply(function()
        p:submit(conrun.sleep, 0.05):on_done(function() called:add(1) end)
      end)
      p:shutdown()
      assert.are.equal(1, called:get())
    end)
  end)

  describe("a task of a pool (" .. kind .. ")", function()
    it("cannot wait for the end of its own pool", function()
      local p <close> = kinds.pool(kind, 1)
      local kind_of_error, timeout = p:apply(function()
        p:close()
        local _, e = pcall(p.join, p)
        return e.kind, select(2, p:join(0))
      end)
      assert.are.equal("deadlock", kind_of_error)
      assert.are.equal("timeout", timeout)
    end)
  end)

  describe("the end of a program (" .. kind .. ")", function()
    --- One task runs and twenty wait.  Callbacks come in the order in which futures become
    --- final: `c` for one that was cancelled in the line, `R` for the running one, which may
    --- be too late to be seen; a task that is begun writes `B`.
    local PREFIX = ([[
      local ready = conrun.event.new()
      local p = conrun.pool.new { workers = 1, kind = "%s" }
      local function tell(f) io.write(f.state == "cancelled" and "c" or "R") end
      p:submit(function()
        ready:set()
        while true do conrun.sleep(100) end
      end):on_done(tell)
      for _ = 1, 20 do
        p:submit(function()
          io.write "B"
          io.flush()
        end):on_done(tell)
      end
      ready:wait()
    ]]):format(kind)
    local RIGHT = "^" .. ("c"):rep(20) .. "R?$"

    local program_ends = {
      ["by an error"] = "error 'bang'",
      ["by os.exit"] = "os.exit(0)",
      ["by os.exit with closing"] = "os.exit(0, true)",
      ["by an error in a <close>"] = "do local _ <close> = p error 'bang' end",
      ["by an error, the pool being another strand's"] = [[
        local kept = conrun.event.new()
        conrun.thread.start({ daemon = true }, function(q)
          kept:set()
          conrun.event.new():wait()
          return q
        end, p)
        p = nil
        kept:wait()
        collectgarbage()
        error "bang"
      ]],
    }
    for name, source in pairs(program_ends) do
      it(name .. " cancels what waits before what runs is ended, and begins nothing", function()
        assert.matches(RIGHT, (kinds.run(PREFIX .. source)))
      end)
    end

    it("by Ctrl-C does so, too", function()
      local child = kinds.child(PREFIX .. "print(pid) conrun.sleep(100)")
      kinds.signal("INT", tonumber(child:line()))
      assert.matches(RIGHT, (child:finish()))
    end)

    it("begins nothing that is posted while it ends", function()
      local out = kinds.run(([[
        local p, go = conrun.pool.new { workers = 1, kind = "%s" }, conrun.event.new()
        p:submit(function()
          go:set()
          conrun.event.new():wait()
        end)
        p:submit(print, "begun"):on_done(function()
          local _, e = pcall(p.submit, p, print, "begun")
          print(e.kind)
        end)
        go:wait()
        error "bang"
      ]]):format(kind))
      assert.matches("^closed\n$", out)
    end)
  end)

  describe("idle workers (" .. kind .. ")", function()
    it("are used before new ones are started", function()
      local judged = 0
      repeat
        local p <close> = kinds.pool(kind, 4)
        local prompt, done = true, nil
        for _ = 1, 3 do
          local f = p:submit(conrun.clock)
          -- A worker that has been idle for 2 ms tidies, and then is not idle for a moment.
          prompt = prompt and (not done or conrun.clock() - done < 0.001)
          done = f:result()
        end
        if prompt then
          judged = judged + 1
          assert.are.equal(1, p:stats().started)
        end
      until judged == 20
    end)

    it("are so after tasks within tasks, and others are started when they are not idle", function()
      local p <close> = kinds.pool(kind, 2)
      local reached, go = conrun.event.new(), conrun.event.new()
      local f = p:submit(function()
        p:submit(math.abs, 1):result()
        reached:set()
        go:wait()
      end)
      reached:wait()
      assert.are.equal(2, p:submit(math.abs, 2):result(LONG))
      go:set()
      f:result()
    end)

    it("are so although somebody else has settled the task that one still computes", function()
      local p <close> = kinds.pool(kind, 2)
      local reached, go = conrun.event.new(), conrun.event.new()
      local f = p:submit(function()
        reached:set()
        go:wait()
      end)
      reached:wait()
      f:set_result(1)
      assert.are.equal(2, p:submit(math.abs, 2):result(LONG))
      go:set()
    end)
  end)
end

describe("a pool of threads that is used from a process", function()
  it("has successors for workers that have had their number of tasks", function()
    local p <close> = conrun.pool.new { workers = 2, kind = "thread", max_tasks_per_worker = 1 }
    local sum = conrun.process.start(function()
      local n = 0
      for i = 1, 20 do n = n + p:submit(math.abs, i):result() end
      return n
    end):result(LONG)
    assert.are.equal(210, sum)
  end)

  it("has successors for workers that end by os.exit", function()
    local p <close> = conrun.pool.new { workers = 1, kind = "thread" }
    local good = conrun.process.start(function()
      local n = 0
      for i = 1, 10 do
        p:submit(os.exit, 1):error()
        if p:submit(math.abs, i):result() == i then n = n + 1 end
      end
      return n
    end):result(LONG)
    assert.are.equal(10, good)
  end)
end)

describe("a program that only", function()
  local asks = {
    ["polls a future"] = "repeat until f:done()",
    ["polls a future's state"] = "repeat until f.state ~= 'running'",
    ["polls a result"] = "repeat until f:done() or not pcall(f.result, f, 0) and f:done()",
    ["polls a worker"] = "repeat until not w:alive()",
    ["polls a worker's exit code"] = "repeat until w.exitcode",
    ["polls a join"] = "repeat until w:join(0)",
    ["polls a lock"] = "repeat until l:acquire(0)",
    ["polls a pipe"] = "repeat until a:poll(0)",
    ["polls a select"] = "repeat until conrun.select({ w, f }, 0)",
    ["waits with timeouts"] = "repeat until w:join(0.01)",
    ["waits with a long timeout"] = "assert(w:join(3600))",
    ["waits for a future with a long timeout"] = "pcall(f.result, f, 3600)",
    ["sleeps between its questions"] = "repeat conrun.sleep(0.01) until f:done()",
    ["sleeps for long"] = "f:on_done(function() os.exit(0, true) end) conrun.sleep(3600)",
  }
  for name, source in pairs(asks) do
    it(name .. " hears that the zygote is dead", function()
      local out, err, status = kinds.run([[
        local l, ready = conrun.lock.new(), conrun.event.new()
        local p, q = conrun.pool.processes(1), conrun.queue.new()
        local a, b = conrun.pipe.new()
        local w = conrun.process.start(function()
          l:acquire()
          local _ = b
          ready:set()
          conrun.sleep(1e6)
        end)
        b:close()
        b = nil
        ready:wait()
        ready:clear()
        local f = p:submit(function()
          ready:set()
          conrun.sleep(1e6)
        end)
        ready:wait()
        collectgarbage()
        collectgarbage()
        local stat = io.open("/proc/" .. w.pid .. "/stat")
        local zygote = stat:read("a"):match("%) %a (%d+)")
        stat:close()
        os.execute("kill -KILL " .. zygote)
      ]] .. source .. " os.exit(0, true)", "--unasked=off")
      assert.are.equal("", out)
      assert.are.equal("", err)
      assert.are.equal(0, status)
    end)
  end
end)
