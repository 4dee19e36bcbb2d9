-- SPDX-License-Identifier: MIT
--
-- The zygote is killed: the process that starts, and buries, all other processes.
-- Its workers die with it; whoever waits for them is told so, and the program goes
-- on with another one.

local kinds = require "spec.lib.kinds"

-- What the child script has at hand: the zygote's pid, and its death.
local PRELUDE = [[
  local function signal_keeper(name)
    local pipe = io.popen("grep -hE '^[0-9]+ .conrun-zygote. . " .. pid .. " ' /proc/[0-9]*/stat 2>/dev/null")
    local keeper = pipe:read("l"):match "%d+"
    pipe:close()
    assert(os.execute("kill -" .. name .. " " .. keeper))
  end
  local function kill_keeper() signal_keeper "KILL" end
  local function endless() while true do local _ = {} end end
]]

local function expect(output, source)
  local out, err, status = kinds.run(PRELUDE .. source, "--audit")
  assert.are.equal(output, out)
  assert.matches("audit: clean", err)
  assert.are.equal(0, status)
end

describe("the zygote killed", function()
  it("ends the wait for a worker", function()
    expect("worker_died\n", [[
      local w = conrun.process.start(endless)
      kill_keeper()
      w:join()
      local _, e = pcall(w.result, w)
      print(e.kind)
    ]])
  end)

  it("fails the task that ran, and the pool goes on", function()
    expect("worker_died\t12\n", [[
      local pool = conrun.pool.new { workers = 2, kind = "process" }
      local ready = conrun.event.new()
      local f = pool:submit(function() ready:set() endless() end)
      ready:wait()
      local waiting = pool:submit(math.max, 11, 12)
      waiting:result()
      kill_keeper()
      print(f:error().kind, pool:apply(math.max, 11, 12))
    ]])
  end)

  it("opens the lock that a worker held", function()
    expect("true\tabandoned\n", [[
      local l, held = conrun.lock.new(), conrun.event.new()
      local w = conrun.process.start({ daemon = true }, function() l:acquire() held:set() endless() end)
      held:wait()
      kill_keeper()
      print(l:acquire())
      l:release()
      w:join()
    ]])
  end)

  it("is followed by another when a process is started", function()
    expect("2\n4\n", [[
      print(conrun.process.start(math.max, 1, 2):result())
      kill_keeper()
      -- One that was kept ready may have been taken, and dies with the old one.
      local w
      repeat
        w = conrun.process.start(math.max, 3, 4)
        w:join()
      until w.exitcode == 0
      print(w:result())
    ]])
  end)

  it("while it is asked is asked again", function()
    expect(("true\n"):rep(3), [[
      conrun.process.start(math.max, 1, 2):join()
      signal_keeper "STOP"
      local asking, starters = conrun.semaphore.new(0), {}
      for i = 1, 3 do -- more than are kept ready
        starters[i] = conrun.thread.start(function()
          asking:release()
          return conrun.process.start({ daemon = true }, math.max, 1, i):join()
        end)
      end
      for _ = 1, #starters do
        asking:acquire()
      end
      signal_keeper "KILL"
      for _, starter in ipairs(starters) do
        print(starter:result())
      end
    ]])
  end)

  it("opens the latches that its workers held", function()
    expect("done\n", [[
      for _ = 1, 15 do
        local q, working = conrun.queue.new(), conrun.semaphore.new(0)
        local workers = {}
        for i = 1, 4 do
          workers[i] = conrun.process.start({ daemon = true }, function()
            working:release()
            while true do q:put(1) q:get(0) end
          end)
        end
        for _ = 1, 4 do working:acquire() end
        kill_keeper()
        for _ = 1, 100 do
          q:put(1)
          q:get(0)
        end
        for _, w in ipairs(workers) do w:join() end
      end
      print "done"
    ]])
  end)

  it("does not hinder the end of the program", function()
    expect("ends\n", [[
      conrun.process.start({ daemon = true }, endless)
      kill_keeper()
      print "ends"
    ]])
  end)
end)
