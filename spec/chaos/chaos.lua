-- SPDX-License-Identifier: MIT
--
-- chaos: workers that use everything, killed at random.
--
--   make chaos CHAOS="--seed=N --seconds=N --workers=N"
--
-- The time is cut into rounds.  In each, worker processes and two threads play with
-- one world (world.lua) while main kills the processes, one after the other and in
-- every way, and starts others; a pool computes tasks while its workers are killed
-- too.  Then all are stopped, and the world must be sound, each task settled once
-- with its own result or the news of its worker's death, and the shared memory as
-- small as before.  The program itself ends with the audit.
--
-- Every choice comes from the seed, so it replays the same blows; where they land
-- is the machine's choice.  A round that fails tells its own seed, to begin there.

local conrun = require "conrun"
local committed = require "spec.chaos.committed"
local read_options = require "spec.chaos.options"
local world = require "spec.chaos.world"

local LONG = 20 -- seconds; who needs more hangs
local ROUND = 2 -- seconds of killing
local THREADS = 2
local REPLAY = "replay: make chaos CHAOS='--seed=%d --seconds=%d --workers=%d'"

local options = read_options("chaos", { "seed", "seconds", "workers" }, { seed = os.time(), seconds = 60, workers = 4 })

local totals = {
  rounds = 0, failed = 0, operations = 0, tasks = 0, lost = 0,
  KILL = 0, SEGV = 0, ABRT = 0, TERM = 0, own = 0, pool = 0,
}

-- Workers die all the time; what they say about it is not for the terminal.
conrun.on_error(function() end)

---@param pid integer
---@param signal string
local function send(pid, signal)
  os.execute(("kill -%s %d 2>/dev/null"):format(signal, pid))
end

-- --------------------------------------------------------------------- one round

---@class round
---@field seed integer
---@field world world
---@field stop table event
---@field workers table[] processes
---@field threads table[]
---@field deaths integer
---@field born integer

---@param r round
---@param i integer
local function start_worker(r, i)
  r.born = r.born + 1
  r.workers[i] = conrun.process.start({ name = "victim-" .. r.born, daemon = true }, world.act, r.world, r.born,
    r.seed + r.born, r.stop, true)
end

---A worker that ended: how, and was it allowed to?
---@param r round
---@param w table
local function bury(r, w)
  if not w:join(LONG) then error(("worker %s (pid %d) does not end"):format(w.name, w.pid)) end
  local ok, result = pcall(w.result, w, 0)
  if ok then return assert(result == "stopped") end
  r.deaths = r.deaths + 1
  local text = tostring(result)
  if conrun.errors.is(result, "worker_died") or text:find "on purpose" then return end
  error("worker " .. w.name .. ": " .. text .. "\n" .. tostring(result.traceback))
end

---Those that ended of their own accord are replaced.
---@param r round
local function replace(r)
  for i, w in ipairs(r.workers) do
    if not w:alive() then
      totals.own = totals.own + 1
      bury(r, w)
      start_worker(r, i)
    end
  end
end

---@param r round
local function strike(r)
  local i = math.random(#r.workers)
  local w = r.workers[i]
  local how = math.random(12)
  local signal = how == 1 and "SEGV" or how == 2 and "ABRT" or how == 3 and "TERM" or "KILL"
  if signal == "KILL" then
    pcall(w.kill, w)
  else
    send(w.pid, signal)
  end
  totals[signal] = totals[signal] + 1
  bury(r, w)
  start_worker(r, i)
end

-- ------------------------------------------------------------------------ a pool

---@param x integer
---@return integer x
---@return integer pid
local function task(x)
  local t = {}
  for i = 1, x % 300 do
    t[i] = { i }
  end
  assert(#t == x % 300)
  return x, require("conrun").current().pid
end

---Each future is settled once: with its own result or with its worker's death.
---@param futures table<integer, table>
---@return integer? pid of one of the workers
local function collect(futures)
  local pid
  for x, f in pairs(futures) do
    local e = f:error(LONG)
    if e then
      if not conrun.errors.is(e, "worker_died") then error("a task failed: " .. tostring(e)) end
    else
      local y, by = f:result(0)
      if y ~= x then error(("task %d has the result of %s"):format(x, tostring(y))) end
      pid = by
    end
    totals.tasks = totals.tasks + 1
  end
  return pid
end

---Posts tasks, kills a worker that computed one of the last, collects.
---@param pool table
---@param pid? integer
---@return integer? pid
local function use_pool(pool, pid)
  local futures = {}
  for _ = 1, 10 do
    local x = math.random(100000)
    futures[x] = futures[x] or pool:submit(task, x)
  end
  if pid and math.random(2) == 1 then
    send(pid, "KILL")
    totals.pool = totals.pool + 1
  end
  return collect(futures)
end

-- ------------------------------------------------------------------- the rounds

---@param seed integer
---@return round
local function begin(seed)
  math.randomseed(seed)
  local r = {
    seed = seed, world = world.new(), stop = conrun.event.new(),
    workers = {}, threads = {}, deaths = 0, born = 0,
  }
  for i = 1, THREADS do
    r.threads[i] = conrun.thread.start({ daemon = true }, world.act, r.world, 1000 + i, seed - i, r.stop, false)
  end
  for i = 1, options.workers do
    start_worker(r, i)
  end
  return r
end

---@param r round
---@param pool table
---@param deadline number
local function rage(r, pool, deadline)
  local pid
  while conrun.clock() < deadline do
    conrun.sleep(math.random() * 0.004)
    local what = math.random(8)
    if what == 1 then
      pid = use_pool(pool, pid)
    else
      replace(r)
      strike(r)
    end
  end
end

---@param r round
local function finish(r)
  r.stop:set()
  for _, w in ipairs(r.workers) do
    bury(r, w)
  end
  for _, t in ipairs(r.threads) do
    if not t:join(LONG) then error("thread " .. t.name .. " does not end") end
    assert(t:result(0) == "stopped")
  end
  totals.operations = totals.operations + r.world.operations:get()
  totals.lost = totals.lost + world.check(r.world, r.deaths)
end

---@param seed integer
local function play(seed)
  local r = begin(seed)
  local pool = conrun.pool.new { workers = 2, kind = "process" }
  rage(r, pool, conrun.clock() + ROUND)
  pool:close()
  if not pool:join(LONG) then error "the pool does not end" end
  finish(r)
end

local function deaths()
  return totals.KILL + totals.SEGV + totals.ABRT + totals.TERM + totals.own + totals.pool
end

local least
---Memory settles in the first rounds, and then stays.
local function check_memory()
  collectgarbage()
  collectgarbage()
  local now = committed()
  if totals.rounds <= 3 then
    least = math.max(least or 0, now)
  elseif now > 2 * least + (40 << 20) then
    error(("the shared memory has grown from %d to %d bytes"):format(least, now))
  end
  return now
end

---If main itself hangs: its stacks, then the end.
local watchdog = conrun.thread.timer(options.seconds + 4 * LONG, function(pid)
  print "anomaly: main hangs"
  os.execute(("kill -QUIT %d; sleep 2; kill -KILL %d"):format(pid, pid))
end, conrun.current().pid)

local first, memory = options.seed, 0
local until_ = conrun.clock() + options.seconds
print(("seed %d, %d s, %d workers"):format(first, options.seconds, options.workers))
repeat
  local seed = first + 1000003 * totals.rounds
  totals.rounds = totals.rounds + 1
  local ok, why = xpcall(play, debug.traceback, seed)
  if ok then
    ok, why = pcall(check_memory)
    memory = ok and why or memory
  end
  if not ok then
    totals.failed = totals.failed + 1
    print(("anomaly in round %d: %s"):format(totals.rounds, tostring(why)))
    print(REPLAY:format(seed, options.seconds, options.workers))
  end
until conrun.clock() >= until_ or totals.failed > 0

watchdog:cancel()
print(("deaths %d: SIGKILL %d, SIGSEGV %d, SIGABRT %d, SIGTERM %d, exit or error %d, pool workers %d"):format(deaths(),
  totals.KILL, totals.SEGV, totals.ABRT, totals.TERM, totals.own, totals.pool))
print(("operations %d, tasks %d, tokens that died with their holder %d, shared memory %.1f MB, anomalies %d"):format(
  totals.operations, totals.tasks, totals.lost, memory / 1e6, totals.failed))
print(REPLAY:format(first, options.seconds, options.workers))
print(("%d passed, %d failed"):format(totals.rounds - totals.failed, totals.failed))
os.exit(totals.failed == 0, true)
