-- SPDX-License-Identifier: MIT
--
-- Controlled runs: `--schedule` decides which strand runs, and the same schedule is the
-- same run, byte by byte, for threads and for processes.

local helpers = require "spec.helpers"

local script -- the file that `run` writes its program to

setup(function() script = os.tmpname() end)
teardown(function() os.remove(script) end)

--- Runs the program under a schedule.  What both runs of `twice` print is in one string.
local function run(schedule, program, environment)
  local file <close> = assert(io.open(script, "w"))
  file:write('local conrun = require "conrun"\n', program)
  file:close()
  local out, err, code =
    helpers.run(("%s timeout 30 %s --schedule=%s %s"):format(environment or "", helpers.conrun, schedule, script))
  return { out = out, err = err, code = code, all = out .. "\n--\n" .. err .. "\n--\n" .. code }
end

--- The environment must not matter: it moves the stack of the program.
local function twice(schedule, program)
  local first = run(schedule, program)
  assert.equal(first.all, run(schedule, program, "SOME=" .. ("thing"):rep(99)).all)
  return first
end

-- Addresses are the same where a process may ask for that, as this program does, and where
-- no sanitizer gives out the memory.
local pinned = select(3, helpers.run "setarch -R true") == 0 and not helpers.conrun:find "[at]san/"

local lost_update = [[
  local v = conrun.shared.value("i64", 0)
  local function bump() v:set(v:get() + 1) end
  local a, b = conrun.%s.start(bump), conrun.%s.start(bump)
  a:join() b:join()
  print(os.time(), conrun.clock(), math.random())
  if $pinned then
    print {}
    for k in pairs { one = 1, two = 2, three = 3, [print] = 4 } do print(k) end
  end
  assert(v:get() == 2, "lost")
]]
lost_update = lost_update:gsub("%$pinned", tostring(pinned))

describe("a controlled run", function()
  for _, kind in ipairs { "thread", "process" } do
    it("is the same each time, and other seeds are other runs (" .. kind .. ")", function()
      local program, codes = lost_update:format(kind, kind), {}
      for seed = 1, 6 do
        codes[twice("seed:" .. seed, program).code] = true
      end
      assert.same({ [0] = true, [1] = true }, codes)
    end)
  end

  it("leaves its strands alone where the word says nothing", function()
    local r = twice("1-0-", lost_update:format("thread", "process"))
    assert.equal(0, r.code, r.err)
  end)

  it("follows a word, and says where it was left", function()
    local program = lost_update:format("thread", "thread")
    -- The second thread gets its turn when the first is about to set.
    local found
    for gap = 0, 8 do
      local r = run(("1-0-%da=value:set"):format(gap), program)
      found = found or (r.code == 1 and r.err:find("lost", 1, true) and gap)
    end
    assert.truthy(found)
    local r = twice("1-0-0a=queue:put", program)
    assert.equal(1, r.code)
    assert.matches("recorded for another program: operation %d+ was queue:put, now [a-z:]+\n", r.err)
    assert.matches("that had more operations than these", run("1-0-999a", program).err)
    assert.matches("its operations were others", run("1-12345678-", program).err)
  end)

  it("refuses what is no schedule", function()
    for _, word in ipairs { "x", "1-", "1-zz-", "2-0-", "seed:", "seed:x", "1-0-3", "1-0-3?", "1-0-a", "''" } do
      local r = run(word, "print 'not run'")
      assert.same({ 1, "" }, { r.code, r.out }, word)
      assert.equal(1, select(2, r.err:gsub("\n", "")), r.err)
    end
  end)

  it("has a time of its own, which passes where all wait", function()
    local r = twice("seed:1", [[
      local q, done = conrun.queue(), conrun.event()
      local function slow() conrun.sleep(3600) q:put "late" end
      local w = conrun.process.start(slow)
      local t = conrun.thread.timer(7200, function() done:set() end)
      print(q:get(1))
      print(q:get())
      print(done:wait(1), done:wait())
      w:join() t:join()
      local p <close> = conrun.pool.new { workers = 1, task_timeout = 5 }
      print(pcall(p.apply, p, function() conrun.sleep(10) end))
      local before = os.clock()
      repeat until os.clock() > before + 0.01
      print(conrun.clock() > 7200)
    ]])
    assert.matches("^nil\ttimeout\nlate\nfalse\ttrue\nfalse\t.-task_timeout.-\ntrue\n$", r.out)
    assert.same({ 0, "" }, { r.code, r.err })
  end)

  it("knows a deadlock at once, and gives up what cannot go on", function()
    local locks = [[
      local a, b, met = conrun.lock(), conrun.lock(), conrun.barrier(2)
      local function f(x, y) x:acquire() met:wait() y:acquire() end
      local t = conrun.thread.start(f, a, b)
      f(b, a)
    ]]
    local r = twice("seed:3", locks)
    assert.matches("conrun: deadlock: main %-> Thread%-1 %-> main", r.err)
    assert.equal(1, r.code)
    r = twice("seed:3 --on-deadlock=report", locks)
    assert.matches("schedule: nobody can go on, and nobody has a deadline", r.err)
    assert.equal(1, r.code)
  end)

  it("lets others go on while a strand looks", function()
    local r = twice("1-0-", [[
      local v = conrun.shared.value("i64", 0)
      local t = conrun.thread.start(function() conrun.sleep(1) v:set(1) end)
      while v:get() == 0 do end
      t:join()
      local l = conrun.lock()
      l:acquire()
      t = conrun.thread.start(function() while not l:acquire(0) do end l:release() end)
      conrun.sleep(1)
      l:release()
      t:join()
      print "done"
    ]])
    assert.same({ "done\n", 0 }, { r.out, r.code })
  end)

  it("goes on when a process is killed with the baton in its hand", function()
    local r = twice("seed:2", [[
      local held = conrun.lock()
      local w = conrun.process.start(function()
        held:acquire()
        os.execute "kill -9 $PPID"
        conrun.sleep(1)
      end)
      print(w:join(), w.exitcode)
      print(held:acquire())
      w = conrun.process.start(conrun.sleep, 1e6)
      conrun.sleep(1)
      w:kill()
      print(w:join(), w.exitcode)
      local p <close> = conrun.pool.processes(2)
      print((pcall(p.apply, p, function() os.execute "kill -9 $PPID" end)))
      print(p:apply(math.max, 1, 2))
    ]])
    assert.equal("true\t-9\ntrue\tabandoned\ntrue\t-9\nfalse\n2\n", r.out)
    assert.equal(0, r.code, r.err)
  end)

  it("ends with its program, whoever still waits", function()
    local r = twice("seed:5", [[
      conrun.thread.start({ daemon = true }, function() while true do conrun.sleep(1) end end)
      conrun.process.start({ daemon = true }, function() conrun.queue():get() end)
      local p = conrun.pool.threads(2)
      p:submit(print, "task")
      error("over", 0)
    ]])
    assert.matches("over", r.err)
    assert.equal(1, r.code)
  end)
end)
