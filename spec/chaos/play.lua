-- SPDX-License-Identifier: MIT
--
-- play: plays one random program (random.lua) and judges it.
--
--   conrun --audit spec/chaos/play.lua FILE
--
-- A program is a table: `objects` that all share, `actors` that use them in `steps`, and
-- the steps of a `janitor`, who kills, interrupts and waits a little, and at last does
-- the finale: sets what is waited for, closes what is waited at, settles what is pending,
-- each once.  So a program always ends, whatever its steps are: every wait without a
-- timeout is one that the finale ends.  A program that does not end, or is told that it
-- deadlocks, has lost a wake-up or was told wrong.
--
-- What must hold is written down by the actors as they go, in a ledger of shared arrays,
-- for any of them may be killed at any moment:
--
--   queues     no item is got twice; what was put was got or is still there, but for what
--              was in the hands of somebody who died; of one producer's items one
--              consumer gets the earlier first (in a first in, first out queue)
--   locks      nobody else writes his name while one has it
--   semaphores at the end all permits are back
--   barriers   where nobody died or was interrupted, a round has as many winners as parties
--   futures    settled once; all see the same result; callbacks run once
--   pools      each task's future becomes final; no task runs twice
--   sums       what was added, and at most one addition more for each death
--
-- The last line is "sound", or what was not.

local conrun = require "conrun"

local long = ("x"):rep(100)

local path = assert(arg[1], "usage: play.lua FILE")
local program = assert(loadfile(path, "t", {}))()

-- ----------------------------------------------------------------------- the objects

local makers = {
  fifo = function(o) return conrun.queue.new(o.max) end,
  lifo = function(o) return conrun.queue.lifo(o.max) end,
  priority = function(o) return conrun.queue.priority(o.max) end,
  lock = function() return conrun.lock.new() end,
  recursive = function() return conrun.lock.recursive() end,
  condition = function() return conrun.condition.new() end,
  permits = function(o) return conrun.semaphore.bounded(o.n) end,
  counter = function() return conrun.semaphore.new(0) end,
  gate = function() return conrun.event.new() end,
  flag = function() return conrun.event.new() end,
  barrier = function(o) return conrun.barrier.new(o.n) end,
  pipe = function()
    local a, b = conrun.pipe.new()
    return { a = a, b = b }
  end,
  future = function() return conrun.future.new() end,
  list = function() return conrun.shared.list() end,
  dict = function() return conrun.shared.dict() end,
  sum = function() return conrun.shared.value "i64" end,
  any = function() return conrun.shared.value("any", { 0, "" }) end,
  array = function() return conrun.shared.array("i64", 8) end,
  buffer = function() return { bytes = conrun.shared.buffer(256), lock = conrun.lock.new() } end,
  pool = function(o)
    return conrun.pool.new { workers = o.n, kind = o.kind, max_tasks_per_worker = o.tasks, retries = o.retries }
  end,
}

---What every strand gets: the objects by number, and the ledger.
local function make_world()
  local w = { objects = program.objects, it = {}, ledger = {} }
  for i, o in ipairs(program.objects) do
    w.it[i] = makers[o.type](o)
  end
  local n, tokens = math.max(#program.objects, 1), math.max(program.tokens, 1)
  for _, name in ipairs { "won", "holder", "settled", "seen", "added", "called", "asked" } do
    w.ledger[name] = conrun.shared.array("i64", n)
  end
  for _, name in ipairs { "put", "got", "ran" } do
    w.ledger[name] = conrun.shared.array("i64", tokens)
  end
  w.over = conrun.shared.value "boolean"
  w.complaints = conrun.shared.list()
  w.helpers = conrun.shared.list() -- workers that actors have started
  return w
end

local function complain(w, text)
  w.complaints:append(text)
end

-- ------------------------------------------------------------------------- the steps

---One strand's own affairs.
---@class self
---@field name string
---@field number integer of the actor
---@field turn integer which repetition of its steps
---@field futures table[] of tasks that it has submitted
---@field workers table[] that it has started
---@field id string of this strand, or of this task
---@field sent integer items that it has made
---@field last table<integer, table<string, integer>> per queue and producer, the last item

local selves = 0

---@return self
local function new_self(name, number, turn)
  selves = selves + 1
  return {
    name = name, number = number, turn = turn, futures = {}, workers = {}, last = {}, sent = 0,
    id = ("%s.%d"):format(conrun.current().id, selves),
  }
end

local run -- the interpreter; a step may contain steps

---Each gets the world, the strand's own affairs, and the step.
---@type table<string, fun(w: table, me: self, s: table, it: any)>
local steps = {}

local function token(me, s)
  return s.token + me.turn * program.stride
end

---A number, or a table that knows whose it is and the how manieth of his.
local function item(me, id, heavy)
  me.sent = me.sent + 1
  return heavy and { id = id, text = long, from = me.id, number = me.sent } or id
end

local function take(w, me, s, x)
  local id = type(x) == "table" and x.id or x
  if math.type(id) ~= "integer" or type(x) == "table" and x.text ~= long then
    return complain(w, "an item came out damaged: " .. tostring(x))
  end
  if w.ledger.got:add(id, 1) > 1 then complain(w, ("item %d was got twice"):format(id)) end
  if w.objects[s.o].type ~= "fifo" or id == x then return end
  local last = me.last[s.o] or {}
  me.last[s.o] = last
  if (last[x.from] or 0) >= x.number then
    complain(w, ("item %d came after one that was put later"):format(id))
  end
  last[x.from] = x.number
end

function steps.put(w, me, s, q)
  local id = token(me, s)
  local urgent = w.objects[s.o].type == "priority"
  local ok = urgent and q:put(item(me, id, s.heavy), id % 3, s.timeout)
    or not urgent and q:put(item(me, id, s.heavy), s.timeout)
  if ok then w.ledger.put[id] = 1 end
end

function steps.put_many(w, me, s, q)
  local list, first = {}, token(me, s)
  for i = 1, s.n do
    list[i] = item(me, first + i - 1, true)
  end
  local ok, _, n = q:put_many(list, s.timeout)
  for i = 1, ok and s.n or n or 0 do
    w.ledger.put[first + i - 1] = 1
  end
end

function steps.get(w, me, s, q)
  local x = q:get(s.timeout)
  if x ~= nil then take(w, me, s, x) end
end

function steps.get_many(w, me, s, q)
  for _, x in ipairs(q:get_many(s.n, s.timeout) or {}) do
    take(w, me, s, x)
  end
end

function steps.items(w, me, s, q)
  local n = 0
  for x in q:items() do
    take(w, me, s, x)
    n = n + 1
    if n == s.n then break end
  end
end

function steps.done(_, _, s, q)
  pcall(q.task_done, q) -- perhaps more often than items came
  q:join(s.timeout)
end

function steps.size(w, _, s, q)
  local n = q:size()
  if w.objects[s.o].max and n > w.objects[s.o].max then complain(w, "a bounded queue has " .. n .. " items") end
end

function steps.close(_, _, s, q)
  q:close(s.now and { now = true } or nil)
end

---Nobody else is here: who comes in writes his name, and finds it when he goes.
local function inside(w, me, s)
  local holder = w.ledger.holder
  holder[s.o] = me.number
  run(w, me, s.steps)
  if holder[s.o] ~= me.number then complain(w, "two strands hold lock " .. s.o) end
end

function steps.acquire(w, me, s, lock)
  if not lock:acquire(s.timeout) then return end
  local ok, e = pcall(inside, w, me, s)
  lock:release()
  if not ok then error(e, 0) end
end

function steps.hold(w, me, s, lock)
  local guard <close> = lock:hold(s.timeout)
  if guard then inside(w, me, s) end
end

steps["with"] = function(w, me, s, lock)
  lock:with(inside, w, me, s)
end

steps["wait_for"] = function(w, _, _, condition)
  local _ <close> = condition:hold()
  condition:wait_for(function() return w.over:get() end)
end

function steps.wait(_, _, s, condition)
  local _ <close> = condition:hold()
  condition:wait(s.timeout)
end

function steps.notify(_, _, s, condition)
  local _ <close> = condition:hold()
  condition:notify(s.n)
end

function steps.permit(w, me, s, semaphore)
  if s.how == "with" then return semaphore:with(run, w, me, s.steps) end
  local guard <close> = semaphore:hold(s.timeout)
  if guard then run(w, me, s.steps) end
end

function steps.count(_, _, s, semaphore)
  semaphore:acquire(s.timeout)
end

function steps.release(_, _, s, semaphore)
  semaphore:release(s.n)
end

function steps.set(_, _, _, event)
  event:set()
end

function steps.clear(_, _, _, event)
  event:clear()
end

function steps.await(_, _, s, event)
  event:wait(s.timeout)
end

function steps.meet(w, _, s, barrier)
  local index, why = barrier:wait(s.timeout)
  if index then w.ledger.won:add(s.o, 1) end
  if index and (index < 0 or index >= barrier.parties) then complain(w, "a barrier gave " .. index) end
  if not index and why ~= "broken" and why ~= "timeout" then complain(w, "a barrier said " .. tostring(why)) end
end

function steps.send(_, _, s, pipe)
  pipe[s.side]:send { s.o, long }
end

function steps.recv(w, _, s, pipe)
  local x = pipe[s.side]:recv(s.timeout)
  if x ~= nil and (x[1] ~= s.o or x[2] ~= long) then complain(w, "a pipe gave another's message") end
end

function steps.poll(_, _, s, pipe)
  pipe[s.side]:poll(s.timeout)
end

local function see(w, s, value)
  local first = w.ledger.seen
  if not first:cas(s.o, 0, value) and first[s.o] ~= value then
    complain(w, ("future %d gave %d and then %d"):format(s.o, first[s.o], value))
  end
end

function steps.settle(w, me, s, future)
  local ok
  if s.how == "cancel" then
    ok = not future:done() and future:cancel()
    if ok then return end -- two may cancel, and both are told that it is
  elseif s.how == "set_error" then
    ok = pcall(future.set_error, future, { me.number + 1 })
  else
    ok = pcall(future.set_result, future, me.number + 1)
  end
  if ok and w.ledger.settled:add(s.o, 1) > 1 then complain(w, ("future %d was settled twice"):format(s.o)) end
end

function steps.result(w, _, s, future)
  local ok, value = pcall(future.result, future, s.timeout)
  if ok then return see(w, s, value) end
  if conrun.errors.is(value, "task") then return see(w, s, value.value[1]) end
  error(value, 0)
end

---Several at once, in each of the ways of conrun.future.
function steps.gather(w, _, s)
  local list = {}
  for _, o in ipairs(s.list) do
    list[#list + 1] = w.it[o]
  end
  if s.how == "wait" then
    local done, pending = conrun.future.wait(list, { timeout = s.timeout, when = s.when })
    if #done + #pending ~= #list then complain(w, "a future was lost in wait") end
  elseif s.how == "completed" then
    local n = 0
    for f in conrun.future.as_completed(list, s.timeout) do
      n = n + 1
      if not f:done() then complain(w, "a future was completed and is not done") end
    end
    if n ~= #list then complain(w, ("%d of %d futures were completed"):format(n, #list)) end
  else
    conrun.future.all(list, s.timeout)
  end
end

function steps.on_done(w, _, s, future)
  w.ledger.asked:add(s.o, 1)
  local called = false
  future:on_done(function()
    if called then complain(w, "a callback ran twice") end
    called = true
    w.ledger.called:add(s.o, 1)
  end)
end

function steps.select(w, _, s)
  local list = {}
  for _, o in ipairs(s.list) do
    list[#list + 1] = w.it[o] -- it may have been dropped
  end
  if #list == 0 then return end
  if not conrun.select(list, s.timeout) and not s.timeout then complain(w, "select gave nothing") end
end

function steps.sum(w, _, s, value)
  value:add(1)
  w.ledger.added:add(s.o, 1)
end

function steps.any(w, me, s, value)
  if s.how == "set" then return value:set { me.number, long } end
  if s.how == "cas" then return value:cas(0, 1) end
  local x = value:get()
  if type(x) ~= "table" or #x ~= 2 or x[2] ~= long and x[2] ~= "" then complain(w, "a value came out damaged") end
end

function steps.array(_, me, s, array)
  if s.how == "fill" then return array:fill(me.number) end
  if s.how == "cas" then return array:cas(s.i, 0, 1) end
  array:add(s.i, 1)
end

---A buffer knows no lock, so it has one beside it here.
function steps.buffer(w, me, s, buffer)
  local _ <close> = buffer.lock:hold()
  if s.how == "write" then return buffer.bytes:write(0, (me.number % 10 .. ""):rep(100)) end
  local text = buffer.bytes:read(0, 100)
  if text ~= text:sub(1, 1):rep(100) then complain(w, "a buffer was read half written") end
end

local function whole(w, x)
  if x ~= nil and (type(x) ~= "table" or x[2] ~= long) then complain(w, "a shared item came out damaged") end
end

function steps.list(w, me, s, list)
  if s.how == "append" then
    list:append { me.number, long }
  elseif s.how == "insert" then
    list:insert(1, { me.number, long })
  elseif s.how == "pop" then
    local ok, x = pcall(list.pop, list) -- others may have been quicker
    if ok then whole(w, x) end
  elseif s.how == "read" then
    for _, x in list:items() do
      whole(w, x)
    end
  else
    list:clear()
  end
end

function steps.dict(w, me, s, dict)
  if s.how == "set" then
    dict[s.key] = { me.number, long }
  elseif s.how == "pop" then
    whole(w, dict:pop(s.key))
  elseif s.how == "update" then
    dict:update("n", function(old)
      whole(w, old)
      return { me.number, long }
    end)
  elseif s.how == "read" then
    for _, x in dict:items() do
      whole(w, x)
    end
  else
    dict:clear()
  end
end

---A task: its own steps, in a worker.
local function task(w, me, s)
  local id = token(me, s)
  local try = w.ledger.ran:add(id, 1)
  if try > 1 + (w.objects[s.o].retries or 0) then complain(w, "a task ran twice: " .. id) end
  local inner = new_self("task", me.number, me.turn + (try - 1) * program.turns) -- other numbers for its items
  run(w, inner, s.steps)
  return id
end

function steps.submit(w, me, s, pool)
  me.futures[#me.futures + 1] = { pool:submit(task, w, { number = me.number, turn = me.turn }, s), token(me, s) }
end

function steps.fetch(w, me, s)
  local entry = me.futures[#me.futures]
  if not entry then return end
  if s.how == "cancel" then return entry[1]:cancel { running = s.running } end
  if s.how == "drop" then
    me.futures[#me.futures] = nil
    return
  end
  local id = entry[1]:result(s.timeout)
  if id ~= entry[2] then complain(w, "a task has another's result") end
end

function steps.map(w, _, s, pool)
  local xs = {}
  for i = 1, s.n do
    xs[i] = -i
  end
  local list = pool:map(math.abs, xs, { chunksize = s.chunksize, collect_errors = true })
  for i, x in ipairs(list) do
    if math.type(x) and x ~= i then complain(w, "a map has mixed up its results") end
  end
end

function steps.map_async(w, _, s, pool)
  local list = pool:map_async(math.abs, conrun.range(1, s.n), { chunksize = 1, collect_errors = true }):result()
  if #list ~= s.n then complain(w, "a map_async has " .. #list .. " results") end
end

function steps.imap(w, _, s, pool)
  for i, x in pool[s.how](pool, math.abs, conrun.range(1, s.n)) do
    if x ~= i then complain(w, "an imap has mixed up its results") end
    if i == s.leave then break end
  end
end

function steps.shut(_, _, s, pool)
  if s.how == "terminate" then
    pool:terminate()
  else
    pool:close()
  end
end

local act -- what a worker does

function steps.start(w, me, s)
  local worker = conrun[s.kind].start({ daemon = s.daemon }, act, w, s, me.turn)
  me.workers[#me.workers + 1] = worker
  w.helpers:append(worker)
end

function steps.timer(w, me, s)
  local timer = conrun.thread.timer(s.time, act, w, s, me.turn)
  w.helpers:append(timer)
  if s.cancel then timer:cancel() end
end

function steps.join(_, me, s)
  local worker = me.workers[#me.workers]
  if not worker then return end
  if s.how == "kill" and worker.kind == "process" then
    worker:kill()
  elseif s.how == "interrupt" then
    worker:interrupt()
  elseif s.how == "drop" then
    me.workers[#me.workers] = nil
  elseif s.how == "result" then
    worker:result(s.timeout)
  else
    worker:join(s.timeout)
  end
end

function steps.collect()
  collectgarbage()
end

---The strand's own handle; others keep theirs.
function steps.drop(w, _, s)
  w.it[s.o] = nil
end

function steps.pass(w, _, s, q)
  local way = conrun.queue.new()
  way:put { w.it[s.other], q }
  if s.keep then way:get() end
end

function steps.sleep(_, _, s)
  conrun.sleep(s.time)
end

function steps.compute(_, _, s)
  local x = 0
  for i = 1, s.n do
    x = x + i
  end
  return x
end

---Never in a thread of main.
function steps.die(_, _, s)
  if s.how == "exit" then os.exit(3, true) end
  if s.how == "raise" then error "on purpose" end
  os.execute "kill -9 $PPID"
end

-- -------------------------------------------------------------------- the interpreter

local KINDS = { "interrupted", "closed", "broken", "cancelled", "timeout", "worker_died", "task" }

---What a step may raise: outcomes of the world.  Anything else is a complaint.
local function allowed(e)
  for _, kind in ipairs(KINDS) do
    if conrun.errors.is(e, kind) then return true end
  end
  local text = tostring(e)
  return text:find "on purpose" or text:find "interrupted!" or text:find "collected" or text:find "to join an open"
end

function run(w, me, list)
  for _, s in ipairs(list) do
    local it = s.o and w.it[s.o]
    if it ~= nil or not s.o then
      local ok, e = pcall(steps[s.op], w, me, s, it)
      if not ok and tostring(e):find "on purpose" then error(e, 0) end
      if not ok and not allowed(e) then
        complain(w, ("%s, in '%s': %s"):format(me.name, s.op, tostring(e.traceback or e)))
      end
    end
  end
end

function act(w, actor, turn)
  local me = new_self(actor.name or "helper", actor.number or 0, 0)
  for i = 0, actor.times - 1 do
    me.turn = (turn or 0) + i
    run(w, me, actor.steps)
  end
  return "done"
end

-- ------------------------------------------------------------------------ the janitor

local finale = {
  fifo = function(q) q:close() end,
  counter = function(s) s:release(program.waits + 1) end,
  gate = function(e) e:set() end,
  barrier = function(b) b:abort() end,
  pipe = function(p, i)
    for _ = 1, program.waits do
      p.a:send { i, long }
      p.b:send { i, long }
    end
  end,
  future = function(f) pcall(f.set_result, f, 1) end,
  condition = function(c)
    c:acquire()
    c:notify_all()
    c:release()
  end,
}
finale.lifo, finale.priority = finale.fifo, finale.fifo

---Conditions come last: one who was interrupted may still hold the lock, and wait.
local function end_all(w)
  w.over:set(true)
  for _, last in ipairs { false, true } do
    for i, o in ipairs(w.objects) do
      if finale[o.type] and (o.type == "condition") == last then finale[o.type](w.it[i], i) end
    end
  end
end

local blows = {}

function blows.kill(worker)
  if worker.kind == "process" then worker:kill() end
end

function blows.terminate(worker)
  if worker.kind == "process" then worker:terminate() end
end

function blows.interrupt(worker)
  worker:interrupt()
end

local function janitor(w, workers)
  for _, s in ipairs(program.janitor) do
    conrun.sleep(s.time)
    if s.op == "collect" then
      collectgarbage()
    elseif workers[s.whom] then
      blows[s.op](workers[s.whom])
    end
  end
  end_all(w)
end

-- ------------------------------------------------------------------------ the verdict

local casualties = 0 -- strands that did not end in the ordinary way

---An actor's end must be one that somebody brought about.
local function judge_end(w, worker)
  worker:join()
  local ok, e = pcall(worker.result, worker)
  if ok then return e == "done" or complain(w, "an actor returned " .. tostring(e)) end
  casualties = casualties + 1
  if not allowed(e) then complain(w, ("the end of %s: %s"):format(worker.name, tostring(e.traceback or e))) end
end

local verdicts = {}

function verdicts.queue(w, i)
  local q, me = w.it[i], { last = {} }
  while true do
    local x = q:get(0)
    if x == nil then break end
    take(w, me, { o = i }, x)
  end
end

function verdicts.lock(w, i)
  local lock = w.it[i]
  if not lock:acquire() then complain(w, "a lock cannot be taken") end
  lock:release()
end

---A helper whose starter was killed may still be about, so they are waited for.
function verdicts.permits(w, i)
  for _ = 1, w.objects[i].n do
    w.it[i]:acquire()
  end
  w.it[i]:release(w.objects[i].n)
end

function verdicts.barrier(w, i)
  local won, parties = w.ledger.won[i], w.objects[i].n
  if not program.violent and casualties == 0 and won % parties ~= 0 then
    complain(w, ("%d came through a barrier of %d"):format(won, parties))
  end
end

function verdicts.future(w, i)
  if not w.it[i]:done() then complain(w, "a future is not final") end
  local asked, called = w.ledger.asked[i], w.ledger.called[i]
  if called > asked then complain(w, ("%d callbacks ran of %d"):format(called, asked)) end
end

function verdicts.sum(w, i)
  local sum, added = w.it[i]:get(), w.ledger.added[i]
  if sum < added or sum > added + program.deaths then
    complain(w, ("a sum is %d after %d additions"):format(sum, added))
  end
end

verdicts.fifo, verdicts.lifo, verdicts.priority = verdicts.queue, verdicts.queue, verdicts.queue
verdicts.recursive, verdicts.condition = verdicts.lock, verdicts.lock

---What was put and never came out again.
local function judge_items(w)
  local lost = 0
  for id = 1, program.tokens do
    if w.ledger.put[id] == 1 and w.ledger.got[id] == 0 then lost = lost + 1 end
  end
  if lost > 0 and not program.drops and lost > 4 * program.deaths then
    complain(w, ("%d items were lost in at most %d deaths"):format(lost, program.deaths))
  end
end

local function judge(w)
  for i, o in ipairs(w.objects) do
    if verdicts[o.type] then verdicts[o.type](w, i) end
  end
  judge_items(w)
end

local function end_pools(w)
  for i, o in ipairs(w.objects) do
    if o.type == "pool" then
      w.it[i]:close()
      w.it[i]:join()
    end
  end
end

conrun.on_error(function() end)

---@return string[] complaints
local function play()
  local w, workers = make_world(), {}
  for i, actor in ipairs(program.actors) do
    actor.number, actor.name = i, "actor " .. i
    workers[i] = conrun[actor.kind].start({ name = actor.name }, act, w, actor)
  end
  if program.main then
    local t = conrun.thread.start({ name = "janitor" }, janitor, w, workers)
    act(setmetatable({ it = table.move(w.it, 1, #w.it, 1, {}) }, { __index = w }), program.main)
    t:result()
  else
    janitor(w, workers)
  end
  for _, worker in ipairs(workers) do
    judge_end(w, worker)
  end
  end_pools(w)
  for _, helper in w.helpers:items() do
    helper:join()
  end
  judge(w)
  return w.complaints:totable()
end

local complaints = play()
collectgarbage()
collectgarbage()
for _, text in ipairs(complaints) do
  print(text)
end
print(#complaints == 0 and "sound" or "unsound")
if #complaints > 0 then os.exit(false, true) end -- otherwise helpers that are left are waited for
