-- SPDX-License-Identifier: MIT
--
-- world: what chaos and soak play with, what strands do to it, and what must hold.
--
-- A world is one of each shared object.  `act` does a number of random operations
-- on it, of the kinds in `actions`; every action is written so that it may stop at
-- any instruction for ever, and checks what it sees: that a lock keeps others out,
-- that whatever comes out of a queue, list, dict or pipe is whole.  `check` is for
-- the moment when all strands have ended: nothing doubled, nothing lost but what a
-- dead strand had in its hands, every object usable.
--
-- Tokens are the measure: numbered tables that wander from queue to queue.  Who
-- dies with one in hand takes it along.

local conrun = require "conrun"

local world = {}

local TOKENS = 40
local HAND = 4 -- tokens that a strand may have in its hands at once
local ROOM = 30 -- of the bounded queue
local BRIEF = 0.002

---@class world
---@field fifo table
---@field lifo table
---@field priority table
---@field bounded table
---@field lock table
---@field left table counts under the lock, like `right`
---@field right table
---@field holder table who has the lock
---@field condition table
---@field semaphore table
---@field event table
---@field barrier table
---@field list table
---@field dict table
---@field array table
---@field a table
---@field b table
---@field operations table

---@param value integer
---@return table
local function token(value)
  return { id = value, text = ("%d"):format(value):rep(value % 50) }
end

---@param t any
---@return table t
local function whole(t)
  local text = type(t) == "table" and math.type(t.id) == "integer" and ("%d"):format(t.id):rep(t.id % 50)
  if not text or t.text ~= text then error("a value came out damaged: " .. tostring(t and t.id), 2) end
  return t
end

---@return world
function world.new()
  local w = {
    fifo = conrun.queue.new(), lifo = conrun.queue.lifo(), priority = conrun.queue.priority(),
    bounded = conrun.queue.new(ROOM),
    lock = conrun.lock.new(), left = conrun.shared.value "i64", right = conrun.shared.value "i64",
    holder = conrun.shared.value "i64",
    condition = conrun.condition.new(), semaphore = conrun.semaphore.bounded(2), event = conrun.event.new(),
    barrier = conrun.barrier.new(2),
    list = conrun.shared.list(), dict = conrun.shared.dict(), array = conrun.shared.array("i64", 64),
    operations = conrun.shared.value "i64",
  }
  w.a, w.b = conrun.pipe.new()
  for i = 1, TOKENS do
    w.fifo:put(token(i))
  end
  return w
end

-- -------------------------------------------------------------------- actions

---@param w world
---@param t table token
local function pass_on(w, t)
  local where = math.random(4)
  if where == 1 then
    w.fifo:put(t)
  elseif where == 2 then
    w.lifo:put(t)
  elseif where == 3 then
    w.priority:put(t, math.random(5))
  elseif w.bounded:put(t, BRIEF) ~= true then
    w.fifo:put(t)
  end
end

local QUEUES = { "fifo", "lifo", "priority", "bounded" }

---Each gets the world and the calling strand's number.
---@type table<string, fun(w: world, me: integer)>
local actions = {}

function actions.token(w)
  local t = w[QUEUES[math.random(4)]]:get(0)
  if t then pass_on(w, whole(t)) end
end

function actions.wait_for_token(w)
  local t = w[QUEUES[math.random(4)]]:get(BRIEF)
  if t then pass_on(w, whole(t)) end
  local n = w.bounded:size()
  if n > ROOM then error("a bounded queue has " .. n .. " items") end
end

function actions.tokens(w)
  local some = w.fifo:get_many(HAND, 0)
  if not some then return end
  for _, t in ipairs(some) do
    whole(t)
  end
  w.fifo:put_many(some)
end

---Between the two additions nobody else may be here; a strand that died here left
---the lock abandoned, and the next one makes the two equal again.
function actions.lock(w, me)
  local ok, why = w.lock:acquire(1)
  if not ok then return end
  if why == "abandoned" then w.right:set(w.left:get()) end
  w.holder:set(me)
  if w.left:get() ~= w.right:get() then error "a lock was handed on half-way, and not called abandoned" end
  w.left:add(1)
  w.right:add(1)
  if w.holder:get() ~= me then error "two strands hold one lock" end
  w.lock:release()
end

function actions.condition(w)
  local c = w.condition
  if not c:acquire(1) then return end
  if math.random(2) == 1 then
    c:wait(BRIEF)
  else
    c:notify(math.random(2))
  end
  c:release()
end

function actions.semaphore(w)
  if w.semaphore:acquire(BRIEF) then w.semaphore:release() end
end

function actions.event(w)
  local e = w.event
  local what = math.random(3)
  if what == 1 then
    e:set()
  elseif what == 2 then
    e:clear()
  else
    e:wait(BRIEF)
  end
end

function actions.barrier(w)
  local index, why = w.barrier:wait(BRIEF)
  if index and (index < 0 or index > 1) then error("a barrier of two gave " .. index) end
  if why == "broken" or why == "timeout" then w.barrier:reset() end
end

function actions.list(w)
  local l = w.list
  local what, n = math.random(6), #l
  if what == 1 then
    l:append(token(math.random(1000)))
  elseif what == 2 then
    pcall(l.insert, l, math.random(math.max(n, 1)), token(math.random(1000)))
  elseif what == 3 or n > 60 then
    -- Others pop too, so the position may have gone meanwhile.
    local ok, t = pcall(l.pop, l)
    if ok and t ~= nil then whole(t) end
  elseif what == 4 then
    local t = l[math.random(math.max(n, 1))]
    if t ~= nil then whole(t) end
  elseif what == 5 then
    pcall(function() l[math.random(math.max(n, 1))] = token(math.random(1000)) end)
  elseif math.random(200) == 1 then
    l:clear()
  end
end

function actions.dict(w)
  local d = w.dict
  local what, i = math.random(6), math.random(25)
  local key = i % 2 == 0 and i or ("a long key with the number %d"):format(i)
  if what <= 2 then
    d[key] = token(i)
  elseif what == 3 then
    local t = d:pop(key)
    if t ~= nil and whole(t).id ~= i then error "a dict gave another key's value" end
  elseif what == 4 then
    local t = d:get(key)
    if t ~= nil and whole(t).id ~= i then error "a dict gave another key's value" end
  elseif what == 5 then
    d:update("count", function(old) return { id = (old and old.id or 0), text = ("%d"):format(0):rep(0) } end)
  else
    for _, t in d:items() do
      if t.id ~= 0 then whole(t) end
    end
  end
end

function actions.array(w, me)
  local i = me % 64 + 1
  w.array:add(i, 1)
  w.array:cas(i, w.array[i], 7)
end

function actions.pipe(w)
  local end_ = math.random(2) == 1 and w.a or w.b
  if math.random(2) == 1 then
    if not end_:poll(0) then end_:send(token(math.random(1000))) end
  else
    local t = end_:recv(0)
    if t ~= nil then whole(t) end
  end
end

---Objects in messages in queues, blocks of all sizes, made and dropped.
function actions.allocate(w)
  local q, f = conrun.queue.new(), conrun.future.new()
  q:put { ("x"):rep(math.random(1 << math.random(18))), f }
  f:set_result(w.fifo, ("y"):rep(math.random(300)))
  q:close { now = true }
  if math.random(4) == 1 then collectgarbage() end
end

function actions.thread()
  if math.random(20) ~= 1 then return end
  local t = conrun.thread.start(math.max, 1, 2)
  if t:result(20) ~= 2 then error "a thread gave a wrong result" end
end

function actions.process()
  if math.random(60) ~= 1 then return end
  local p = conrun.process.start(math.max, 1, 2)
  if p:result(20) ~= 2 then error "a process gave a wrong result" end
end

local names = {}
for name in pairs(actions) do
  names[#names + 1] = name
end
table.sort(names)

---What a worker does until it is told to stop, killed, or, now and then, ends in
---another way of its own accord.
---@param w world
---@param me integer
---@param seed integer
---@param stop table event
---@param mortal boolean
---@return string
function world.act(w, me, seed, stop, mortal)
  math.randomseed(seed)
  local n = 0
  while not stop:is_set() do
    actions[names[math.random(#names)]](w, me)
    n = n + 1
    if n % 16 == 0 then w.operations:add(16) end
    if mortal and math.random(4000) == 1 then
      if math.random(2) == 1 then os.exit(3, math.random(2) == 1) end
      error "on purpose"
    end
  end
  return "stopped"
end

-- ---------------------------------------------------------------------- check

---Takes all tokens out; raises if one is there twice.
---@param w world
---@return integer found
local function count_tokens(w)
  local seen, n = {}, 0
  for _, name in ipairs(QUEUES) do
    for _ = 1, TOKENS + 1 do
      local t = w[name]:get(0)
      if t == nil then break end
      if seen[whole(t).id] then error("token " .. t.id .. " is there twice") end
      seen[t.id] = true
      n = n + 1
    end
    if not w[name]:empty() then error("queue " .. name .. " does not get empty") end
  end
  return n
end

---@param w world
local function check_locks(w)
  local ok, why = w.lock:acquire(20)
  if not ok then error "the lock is held by nobody alive" end
  if why ~= "abandoned" and w.left:get() ~= w.right:get() then error "half-done work under the lock" end
  w.lock:release()
  if not w.condition:acquire(20) then error "the condition's lock is held by nobody alive" end
  w.condition:release()
  if w.semaphore:value() ~= 2 then error("the semaphore has " .. w.semaphore:value() .. " permits of 2") end
end

---@param w world
local function check_data(w)
  for i = 1, #w.list do
    whole(w.list[i])
  end
  w.list:clear()
  if #w.list ~= 0 then error "a cleared list has values" end
  local n = #w.dict:keys()
  for key, t in w.dict:items() do
    n = n - 1
    if t.id ~= 0 then whole(t) end
    w.dict[key] = nil
  end
  if n ~= 0 or #w.dict ~= 0 then error "a dict has other entries than keys" end
end

---Everybody has ended; `deaths` of them not by themselves.  Raises what is wrong.
---@param w world
---@param deaths integer
---@return integer lost tokens
function world.check(w, deaths)
  local lost = TOKENS - count_tokens(w)
  if lost < 0 or lost > HAND * deaths then
    error(("%d tokens lost in %d deaths"):format(lost, deaths))
  end
  check_locks(w)
  w.barrier:reset()
  if w.barrier.waiting ~= 0 then error "somebody dead waits at the barrier" end
  check_data(w)
  w.fifo:put(token(1))
  if whole(w.fifo:get(0)).id ~= 1 then error "the queue does not work any more" end
  return lost
end

return world
