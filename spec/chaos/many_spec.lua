-- SPDX-License-Identifier: MIT
--
-- Many processes die at once: as many as fit into any fixed list that a burial may keep,
-- and many more.  They are killed by one stroke, while they compute, or hold, or wait,
-- and while the one process that hears of deaths is stopped, or is not.  Everybody who
-- has to do with them waits without a timeout.

local conrun = require "conrun"
local helpers = require "spec.helpers"
local watchdog = require "spec.chaos.watchdog"

-- A sanitizer makes a process so large that a thousand of them do not fit.
local small = helpers.slurp("/proc/self/maps"):find("lib[at]san") ~= nil
local numbers = small and { 65 } or { 65, 200, 1000 }

watchdog.set(60)

local function parent(pid)
  return math.tointeger(tonumber(helpers.slurp(("/proc/%d/stat"):format(pid)):match "%) %a (%d+)"))
end

---One stroke, and meanwhile the zygote is stopped, or not.
---@param pids integer[]
---@param stopped boolean
---@param meanwhile fun() what the others do while nobody is buried
local function strike(pids, stopped, meanwhile)
  local zygote = parent(pids[1])
  watchdog.wake(zygote)
  local all = table.concat(pids, " ")
  if not stopped then return os.execute("kill -9 " .. all) end
  os.execute(("kill -STOP %d; kill -9 %s"):format(zygote, all))
  meanwhile()
  os.execute("kill -CONT " .. zygote)
end

---@param w table
local function ended(w)
  w:join()
  assert(w.exitcode == -9, "exit code " .. tostring(w.exitcode))
  assert(conrun.errors.is(select(2, pcall(w.result, w)), "worker_died"))
end

---Starts `n` processes, waits until each has said that it is there, and kills them.
---@param n integer
---@param stopped boolean
---@param live fun(i: integer, ready: fun())
---@param meanwhile fun()
---@param go? table an event that is set before
local function play(n, stopped, live, meanwhile, go)
  local ready, workers, pids = conrun.queue.new(), {}, {}
  for i = 1, n do
    workers[i] = conrun.process.start({ daemon = true }, function()
      live(i, function() ready:put(i) end)
    end)
    pids[i] = workers[i].pid
  end
  for _ = 1, n do
    ready:get()
  end
  if go then go:set() end
  strike(pids, stopped, meanwhile)
  for _, w in ipairs(workers) do
    ended(w)
  end
end

-- What they do, and what must hold afterwards.
local ways = {}

---Tiny tasks: they take, compute, settle, all the time.
ways["compute for a pool"] = function(n, stopped)
  local pool = conrun.pool.new { workers = n, kind = "process" }
  local pids, hold = conrun.queue.new(), conrun.event.new()
  local first, list, all = {}, {}, {}
  for i = 1, n do
    first[i] = pool:submit(function()
      pids:put(conrun.current().pid)
      hold:wait()
    end)
  end
  for i = 1, n do
    all[i] = pids:get()
  end
  for i = 1, 20000 do
    list[i] = i
  end
  hold:set()
  local mapper = conrun.thread.start(function()
    local ok, e = pcall(pool.map, pool, math.abs, list, { chunksize = 1, collect_errors = true })
    return ok or conrun.errors.is(e, "cancelled") or conrun.errors.is(e, "closed") or tostring(e)
  end)
  first[1]:error()
  strike(all, stopped, function() pool:stats() end)
  for _, f in ipairs(first) do
    local e = f:error()
    assert(e == nil or conrun.errors.is(e, "worker_died"), tostring(e))
  end
  pool:terminate()
  pool:join()
  assert.are.equal(true, mapper:result())
end

---Each has a lock of its own, a permit, and a part of what others made.
ways["hold"] = function(n, stopped)
  local locks, permits = {}, conrun.semaphore.bounded(n)
  local common, list = conrun.lock.new(), conrun.shared.list()
  for i = 1, 8 do
    locks[i] = conrun.lock.new()
  end
  local partner
  play(n, stopped, function(i, ready)
    permits:acquire()
    if i <= 8 then locks[i]:acquire() end
    list:append { i }
    ready()
    if i == n then common:acquire() end
    conrun.event.new():wait(1e6)
  end, function() list:append "while nobody is buried" end)
  partner = conrun.thread.start(function()
    for _ = 1, n do
      permits:acquire()
    end
    return permits:value()
  end)
  for i = 1, 8 do
    assert.are.same({ true, "abandoned" }, { locks[i]:acquire() })
  end
  assert.is_true((common:acquire()))
  assert.are.equal(0, partner:result())
  assert.is_true(#list >= n)
end

---Each waits for something else; main then does what they waited for, and is alone.
ways["wait"] = function(n, stopped)
  local event, queue, future = conrun.event.new(), conrun.queue.new(), conrun.future.new()
  local full, permits, condition = conrun.queue.new(1), conrun.semaphore.new(0), conrun.condition.new()
  local lock, barrier = conrun.lock.new(), conrun.barrier.new(n + 1)
  full:put(0)
  lock:acquire()
  local waits = {
    function() event:wait() end,
    function() queue:get() end,
    function() future:result() end,
    function() full:put(1) end,
    function() permits:acquire() end,
    function()
      condition:acquire()
      condition:wait()
    end,
    function() lock:acquire() end,
    function() barrier:wait() end,
    function() conrun.select { event, queue, future } end,
  }
  play(n, stopped, function(i, ready)
    ready()
    waits[i % #waits + 1]()
    conrun.sleep(math.huge) -- one barrier is broken when the first of them is buried
  end, function() queue:size() end)
  event:set()
  queue:put(1)
  full:get()
  permits:release()
  lock:release()
  assert.is_true(lock:acquire())
  condition:acquire()
  condition:notify_all()
  condition:release()
  assert.are.equal(1, queue:get())
  assert.is_true(full:put(2) and permits:acquire())
  barrier:reset()
  assert.are.equal(0, barrier.waiting)
end

---They only compute; none begins before all are there, or the last would never come.
ways["compute"] = function(n, stopped)
  local go, sum = conrun.event.new(), conrun.shared.value "i64"
  play(n, stopped, function(_, ready)
    ready()
    go:wait()
    while true do
      sum:add(1)
    end
  end, function() sum:get() end, go)
end

for name, way in pairs(ways) do
  for _, stopped in ipairs { false, true } do
    local how = stopped and ", while nobody hears of it" or ""
    for _, n in ipairs(numbers) do
      if n < 1000 or stopped then -- a thousand take their time, so once for each way
        it(("%d processes that %s die at once%s"):format(n, name, how), function()
          watchdog.note(("%d that %s%s"):format(n, name, how))
          way(n, stopped)
        end)
      end
    end
  end
end
