-- SPDX-License-Identifier: MIT
--
-- soak: half an hour of everything, after which the program must be as it was.
--
--   make soak SOAK="--seconds=N --seed=N"
--
-- Processes and threads play with one world (world.lua), some of them die of their
-- own accord and are replaced; pools of both kinds map and submit, workers and timers
-- come and go, error objects, large values and callbacks with them.  Each minute (a
-- thirtieth of a shorter run) one line tells what the program uses:
--
--   shared   memory of the arena that is committed      rss    of the main process
--   fds      descriptors of the main process            tasks  threads and processes
--   median   of a call through a pool of processes
--
-- The first third of the lines is what the last third is compared with: nothing may
-- have grown by more than its noise.

local conrun = require "conrun"
local committed = require "spec.chaos.committed"
local read_options = require "spec.chaos.options"
local world = require "spec.chaos.world"

local LONG = 30
local PROCESSES, THREADS = 3, 2

local options = read_options("soak", { "seconds", "seed" }, { seed = os.time(), seconds = 1800 })

-- What may be more at the end than at the beginning: a factor, and something on top.
local MEASURES = {
  { name = "shared", unit = 1e6, factor = 1.2, more = 8e6 },
  { name = "rss", unit = 1e6, factor = 1.2, more = 8e6 },
  { name = "fds", unit = 1, factor = 1, more = 0 },
  { name = "tasks", unit = 1, factor = 1, more = 6 },
  { name = "median", unit = 1e-6, factor = 3, more = 100e-6 },
}

-- ---------------------------------------------------------------------- measuring

---@param command string of the shell; $PPID is this program
---@return string
local function shell(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

---Its own threads, and the processes of its process group: which is its alone when it
---is started by hand.
---@return integer
local function tasks()
  local group = shell("cat /proc/$PPID/stat"):match "%) %a %d+ (%d+)"
  local all = shell(("ls /proc/$PPID/task; grep -hE '[)] . [0-9]+ %s ' /proc/[0-9]*/stat 2>/dev/null"):format(group))
  return select(2, all:gsub("\n", ""))
end

---@param list number[]
---@return number
local function median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  return sorted[#sorted // 2 + 1]
end

---@param pool table
---@return number seconds
local function latency(pool)
  local times = {}
  for i = 1, 200 do
    local start = conrun.clock()
    pool:apply(math.abs, -i)
    times[i] = conrun.clock() - start
  end
  return median(times)
end

---@param pool table
---@return table<string, number>
local function measure(pool)
  collectgarbage()
  collectgarbage()
  return {
    shared = committed(),
    rss = 1024 * tonumber(shell("cat /proc/$PPID/status"):match "RssAnon:%s*(%d+)"),
    fds = tonumber(shell "ls /proc/$PPID/fd | wc -l") or 0,
    tasks = tasks(),
    median = latency(pool),
  }
end

-- ----------------------------------------------------------------------- features

local born = 0

---@param w world
---@param stop table event
---@param kind string
---@return table worker
local function start(w, stop, kind)
  born = born + 1
  return conrun[kind].start({ daemon = true }, world.act, w, born, options.seed + born, stop, kind == "process")
end

---@param workers table[]
---@param w world
---@param stop table
---@return integer deaths
local function replace(workers, w, stop)
  local deaths = 0
  for i, worker in ipairs(workers) do
    if not worker:alive() then
      assert(worker:join(LONG))
      local ok, result = pcall(worker.result, worker, 0)
      local text = tostring(result)
      assert(not ok and (conrun.errors.is(result, "worker_died") or text:find "on purpose"), text)
      workers[i] = start(w, stop, worker.kind)
      deaths = deaths + 1
    end
  end
  return deaths
end

local function cube(x)
  return x * x * x
end

local function fail(x)
  error { code = x }
end

---@param pool table
local function use_pool(pool)
  local xs = {}
  for i = 1, 200 do
    xs[i] = i
  end
  local list = pool:map(cube, xs)
  assert(list[200] == 8000000)
  for i, value in pool:imap(cube, conrun.range(1, 50)) do
    assert(value == cube(i))
  end
  local e = pool:submit(fail, 7):error(LONG)
  assert(e.kind == "task" and e.value.code == 7)
  local called = 0
  local f = pool:submit(cube, 3)
  f:on_done(function() called = called + 1 end)
  assert(f:result(LONG) == 27)
  assert(#pool:apply(string.rep, "x", 300000) == 300000)
end

local function use_workers()
  for _, kind in ipairs { "thread", "process" } do
    assert(conrun[kind].start(cube, 3):result(LONG) == 27)
  end
  local timer = conrun.thread.timer(1000, cube, 1)
  timer:cancel()
  assert(timer:join(LONG))
  local short <close> = conrun.pool.new { workers = 1, kind = "thread" }
  assert(short:apply(cube, 2) == 8)
  local q = conrun.queue.new()
  q:put { q = conrun.shared.list { 1, { 2 } } }
  assert(conrun.select({ q }, 0) == q and q:get(0).q[2][1] == 2)
end

-- ------------------------------------------------------------------------- judging

---@param lines table<string, number>[]
---@return string[] complaints
local function judge(lines)
  local third, complaints = math.max(#lines // 3, 1), {}
  for _, m in ipairs(MEASURES) do
    local early, late = {}, {}
    for i = 1, third do
      early[i] = lines[i][m.name]
      late[i] = lines[#lines + 1 - i][m.name]
    end
    local was, is = median(early), median(late)
    if is > was * m.factor + m.more then
      complaints[#complaints + 1] = ("%s has grown from %.6g to %.6g"):format(m.name, was / m.unit, is / m.unit)
    end
  end
  return complaints
end

conrun.on_error(function() end)
math.randomseed(options.seed)
print(("seed %d, %d s"):format(options.seed, options.seconds))
print "  minute  shared MB  rss MB  fds  tasks  median us      operations  deaths"

local w, stop = world.new(), conrun.event.new()
local pools = { conrun.pool.processes(2), conrun.pool.threads(2) }
local workers, lines, deaths = {}, {}, 0
for i = 1, PROCESSES + THREADS do
  workers[i] = start(w, stop, i <= PROCESSES and "process" or "thread")
end

local began = conrun.clock()
local pace = math.min(60, options.seconds / 30)
while conrun.clock() < began + options.seconds do
  deaths = deaths + replace(workers, w, stop)
  use_pool(pools[1])
  use_pool(pools[2])
  use_workers()
  if conrun.clock() >= began + pace * (#lines + 1) then
    local now = measure(pools[1])
    lines[#lines + 1] = now
    print(("%8.1f %10.1f %7.1f %4d %6d %10.1f %15d %7d"):format((conrun.clock() - began) / 60, now.shared / 1e6,
      now.rss / 1e6, now.fds, now.tasks, now.median * 1e6, w.operations:get(), deaths))
    io.stdout:flush()
  end
end

stop:set()
for _, worker in ipairs(workers) do
  assert(worker:join(LONG), "a worker does not end")
  if not pcall(worker.result, worker, 0) then deaths = deaths + 1 end
end
world.check(w, deaths)
for _, pool in ipairs(pools) do
  pool:close()
  assert(pool:join(LONG), "a pool does not end")
end

local complaints = judge(lines)
for _, complaint in ipairs(complaints) do
  print(complaint)
end
print(("%d passed, %d failed"):format(#MEASURES - #complaints, #complaints))
os.exit(#complaints == 0, true)
