-- SPDX-License-Identifier: MIT
--
-- carrier: the one worker of a cluster pool, which takes many tasks at a time.
--
-- The upper half of the pool (lua/conrun/pool.lua, futures) does not know of it: tasks are
-- posted to the pool's line as ever.  The carrier, a thread, takes them out of the line, at
-- most some times as many as the agents' workers, puts their bytes into the pool's stream,
-- and settles their futures with the bytes that agents send back.
--
-- What becomes of a task, in the order of events:
--
--   put        sent to the stream; again until the server has said that it has it
--   held       an agent has it, and says so with each beat (`seen`)
--   result     the future is settled and the agent told (confirm); what comes twice is
--              dropped, and confirmed too
--   died       its worker died: put again, or when that was its last attempt, failed
--   back       an agent that leaves has not begun with it: put again, no attempt was made
--   silent     neither beat nor result for several leases.  The server is asked: while it
--              has the message it will give it to an agent; otherwise the task is put again
--
-- Whatever the program does with a future (cancel) the carrier finds at its next look: it is
-- woken by a notice.  Errors of one task never end the carrier.  What does is told as the
-- reason why the pool is broken: no agent for too long, no server for too long.

local clock = require("conrun.core").public.clock
local engine = require "conrun.cluster.engine"
local net = require "conrun.core.net"
local wire = require "conrun.cluster.wire"

local carrier = {}
carrier.__index = carrier

local resend_after = 2 -- seconds without a word from the server
local few = 8 -- tasks that are under way when nobody knows how many workers there are
local letters_at_once = 64

--------------------------------------------------------------------------- sending

function carrier:say(kind, data)
  self.connection:publish("conrun.all." .. kind, data)
end

-- With how often the consumer was made, so that agents know what they have asked for in vain.
function carrier:announce(now)
  local options = self.options
  self.announced = now
  self:say("open", wire.tell {
    pool = self.pool, name = options.name, host = net.hostname(), pid = net.pid(), lease = options.lease,
    retries = options.retries, tags = options.tags, settings = #options.settings, made = self.consumers,
  })
end

function carrier:put(task, now)
  task.sent = now
  task.seen = now
  task.sequence = nil
  local bytes = task.size <= wire.inline and net.arguments(task.future, 0, task.size) or nil
  local code = task.code
  engine.put(self.connection, self.pool,
    wire.task(task.id, task.puts, task.attempts, task.mode, code.key, code.size, task.size, bytes),
    ("%s.%d"):format(self.accepted_at, task.id), ("%d-%d"):format(task.id, task.puts))
end

-- The same task as a new message.
function carrier:put_again(task, now)
  task.puts = task.puts + 1
  task.missing = nil
  self.put_again_count = self.put_again_count + 1
  self:put(task, now)
end

-- Functions by the bytes of their code, as long as a task has them.
function carrier:code_of(future, serial)
  local code = self.serials[serial]
  if code then return code end
  local key, size = net.code_key(future)
  code = self.codes[key]
  if not code then
    code = { key = key, size = size, tasks = {}, serials = {} }
    self.codes[key] = code
  end
  code.serials[serial] = true
  self.serials[serial] = code
  return code
end

function carrier:forget(task)
  self.tasks[task.id] = nil
  self.count = self.count - 1
  local code = task.code
  code.tasks[task] = nil
  if next(code.tasks) then return end
  self.codes[code.key] = nil
  for serial in pairs(code.serials) do
    self.serials[serial] = nil
  end
end

function carrier:settle(task, state, bytes)
  self:forget(task)
  net.settle(task.future, state, bytes)
end

function carrier:fail(task, kind, message, host)
  local bytes = net.failure(kind, message)
  self:settle(task, "failed", net.annotate(bytes, host or "", task.attempts))
end

-- Takes from the line what there is room for.
function carrier:fill(now)
  while self.ready and self.count < self.most do
    local future, mode, serial, size = net.task()
    if not future then return end
    self.last = self.last + 1
    local task = { id = self.last, future = future, mode = mode, size = size, attempts = 0, puts = 1 }
    task.code = self:code_of(future, serial)
    task.code.tasks[task] = true
    self.tasks[task.id] = task
    self.count = self.count + 1
    if size > self.options.max_value then
      self:fail(task, "transfer", ("the arguments have %d bytes, more than max_value (%d)"):format(
        size, self.options.max_value))
    else
      self:put(task, now)
    end
  end
end

---------------------------------------------------------------------- what comes in

local handlers = {}

-- The server has, or has not, a task.
function handlers:k(rest, data, status)
  local task = self.tasks[tonumber(rest)]
  if not task or task.sequence then return end
  local sequence = engine.accepted(data, status)
  task.sequence = sequence
  if not sequence then -- the stream may be gone; tick sees to it
    self.ready = false
    task.sent = -math.huge
  end
end

-- The stream is there, or why not.
function handlers:s(_, data, status)
  self.refused = engine.refusal(data)
  if status then self.refused = "it has no JetStream (nats-server needs the option -js; conrun --hub gives it)" end
  if self.refused then return end
  if self.streams > 0 and engine.is_new(data) then -- the server has lost the one before, with all that was in it
    for _, task in pairs(self.tasks) do
      task.sequence = nil
      task.puts = task.puts + 1
      task.sent = -math.huge
    end
  end
  self.streams = self.streams + 1
  engine.share(self.connection, self.pool, self.options, self.shared_reply)
end

-- And its consumer.
function handlers:c(_, data, status)
  self.refused = status and "status " .. status or engine.refusal(data)
  if self.refused then return end
  self.ready = true
  self.consumers = self.consumers + 1
  self.next_tick = -math.huge
  self:announce(clock())
end

-- What the server says of a silent task.
function handlers:g(rest, data, status)
  local now = clock()
  local task = self.tasks[tonumber(rest)]
  if not task or now - task.seen < self.patience then return end
  if not status and not engine.refusal(data) then
    task.seen = now
    task.missing = nil
  elseif not task.missing then
    task.missing = now -- its result may be on its way
    task.seen = now - self.patience + self.options.lease
  else
    self:lost(task, "the task and its result are lost", nil, now)
  end
end

-- An attempt has come to nothing.
function carrier:lost(task, why, error_bytes, now, host)
  task.attempts = task.attempts + 1
  if task.attempts <= self.options.retries and not self.terminated then
    self:put_again(task, now)
  elseif error_bytes then
    self:settle(task, "failed", net.annotate(error_bytes, host, task.attempts))
  else
    self:fail(task, "worker_died", ("%s (%d of %d attempts)"):format(
      why, task.attempts, self.options.retries + 1), host)
  end
end

function carrier:finish(task, state, attempts, host, bytes, now)
  if state == "died" then
    task.attempts = attempts - 1
    self:lost(task, nil, bytes, now, host)
  elseif state == "back" then
    task.attempts = attempts
    self:put_again(task, now)
  elseif state == "failed" then
    self:settle(task, state, type(bytes) == "string" and net.annotate(bytes, host, attempts) or bytes)
  else
    self:settle(task, state, bytes)
  end
end

function carrier:confirm(agent, id)
  local ids = self.confirmed[agent]
  if not ids then
    ids = {}
    self.confirmed[agent] = ids
  end
  ids[#ids + 1] = id
end

function handlers:r(_, data)
  local now = clock()
  local id, attempts, state, agent, host, size, bytes = wire.read_result(data)
  local task = self.tasks[id]
  if not task then
    self.dropped = self.dropped + 1
    self:confirm(agent, id)
    return
  end
  task.seen = now
  if bytes or size == 0 or state == "cancelled" or state == "back" then
    self:confirm(agent, id)
    self:finish(task, state, attempts, host, bytes, now)
  elseif size > self.options.max_value then
    self:confirm(agent, id)
    self:fail(task, "transfer", ("the result has %d bytes, more than max_value (%d)"):format(
      size, self.options.max_value), host)
  elseif not task.fetch or task.fetch.agent ~= agent then
    task.fetch = wire.fetch(self.connection, wire.subject("a", agent, "w"), self.pieces_at, self.pool, "r",
      tostring(id), size)
    task.fetch.agent, task.fetch.state, task.fetch.attempts, task.fetch.host = agent, state, attempts, host
    task.fetch:ask(now)
  end
end

function handlers:d(_, data)
  local now = clock()
  local _, _, key, offset, bytes = wire.read_piece(data)
  local task = self.tasks[tonumber(key)]
  local f = task and task.fetch
  if not f then return end
  task.seen = now
  local value = f:add(offset, bytes, now)
  if not value then return end
  task.fetch = nil
  self:confirm(f.agent, task.id)
  self:finish(task, f.state, f.attempts, f.host, value, now)
end

-- The bytes of something that an agent wants, or nil.
function carrier:slice(what, key, offset, n)
  if what == "a" then
    local task = self.tasks[tonumber(key)]
    return task and net.arguments(task.future, offset, n)
  elseif what == "c" then
    local code = self.codes[key]
    local task = code and next(code.tasks)
    return task and net.code(task.future, offset, n)
  elseif what == "s" then
    return self.options.settings:sub(offset + 1, offset + n)
  end
  return nil
end

function handlers:w(_, data)
  local back, pool, what, key, offset, n = wire.read_want(data)
  local bytes = self:slice(what, key, offset, math.min(n, wire.piece))
  if bytes then
    self.connection:publish(back .. "d", wire.give(pool, what, key, offset, bytes))
  else
    self.connection:publish(back .. "x", wire.give(pool, what, key, offset, ""))
  end
end

function handlers:b(_, data)
  local now = clock()
  local _, ids = wire.read_ids(data)
  for _, id in ipairs(ids) do
    local task = self.tasks[id]
    if task then task.seen = now end
  end
end

-- An agent lives.
function carrier:heard(data)
  local now = clock()
  local told, version = wire.told(data)
  if not told then
    self:refuse(version)
    return
  end
  local agent = self.agents[told.id]
  if not agent and not told.leaves then self:announce(now) end
  told.heard = now
  self.agents[told.id] = not told.leaves and self:suits(told) and told or nil
  if not agent or told.leaves then self:count_slots() end
end

function carrier:suits(agent)
  return wire.has_all(agent.tags, self.options.tags)
end

function carrier:refuse(version)
  if self.strangers[version] then return end
  self.strangers[version] = true
  self.stranger = ("an agent speaks '%s', this program '%s'"):format(version, wire.version)
  io.stderr:write("conrun: ", self.stranger, "\n")
end

function carrier:count_slots()
  local slots = 0
  for _, agent in pairs(self.agents) do
    slots = slots + agent.workers
  end
  self.slots = math.min(slots, self.options.workers or slots)
  self.most = math.max(few, 4 * self.slots + few)
  net.slots(self.slots)
  self:show(clock())
end

function carrier:handle(subject, data, _, status)
  if subject == "conrun.beat" then
    self:heard(data)
    return
  end
  local kind, rest = subject:sub(self.prefix + 1):match "^(%a)%.?(.*)$"
  local handler = kind and handlers[kind]
  if handler then handler(self, rest, data, status) end
end

----------------------------------------------------------------------- now and then

-- What the program has cancelled while it was under way.
function carrier:look_for_cancelled()
  local ids = {}
  for id, task in pairs(self.tasks) do
    if net.wants_stop(task.future) then
      ids[#ids + 1] = id
      if task.sequence then engine.cancel(self.connection, self.pool, task.sequence) end
      self:settle(task, "cancelled")
    end
  end
  if #ids > 0 then self:say("cancel", wire.ids(self.pool, ids)) end
end

function carrier:send_confirmations()
  for agent, ids in pairs(self.confirmed) do
    self.connection:publish(wire.subject("a", agent, "c"), wire.ids(self.pool, ids))
    self.confirmed[agent] = nil
  end
end

function carrier:look_after_tasks(now)
  for id, task in pairs(self.tasks) do
    if task.fetch then
      task.fetch:ask(now)
    elseif not task.sequence and self.ready and now - task.sent > resend_after then
      self:put(task, now)
    elseif task.sequence and now - task.seen > self.patience then
      engine.look(self.connection, self.pool, task.sequence, ("%s.%d"):format(self.looked_at, id))
    end
  end
end

function carrier:look_after_agents(now)
  local gone = false
  for id, agent in pairs(self.agents) do
    if now - agent.heard > self.options.lease then
      self.agents[id] = nil
      gone = true
    end
  end
  if gone then self:count_slots() end
  if next(self.agents) or not self:has_work() then
    self.alone = nil
  else
    self.alone = self.alone or now
  end
  if self.alone and now - self.alone > self.options.wait_timeout then
    error(("no agent has come for %g s%s: start one with conrun --agent=%s --workers=N%s"):format(
      self.options.wait_timeout, self.stranger and " (" .. self.stranger .. ")" or "", self.options.servers[1],
      #self.options.tags > 0 and " --tags=" .. table.concat(self.options.tags, ",") or ""), 0)
  end
end

function carrier:has_work()
  local _, queued = net.state()
  return self.count > 0 or queued > 0
end

-- No task will come any more, and none is left.
function carrier:is_over()
  local state, queued = net.state()
  return state ~= "open" and queued == 0 and self.count == 0
end

function carrier:may_take()
  local state, queued = net.state()
  return self.ready and self.count < self.most and (state == "open" or queued > 0)
end

function carrier:look_after_server(now)
  local connected, times = self.connection:status()
  if connected then
    self.away = nil
  else
    self.away = self.away or { since = now, at = os.date "%H:%M:%S" }
    self.ready = false
    if now - self.away.since > self.options.engine_timeout then
      error(("the server %s has been away since %s"):format(self.options.servers[1], self.away.at), 0)
    end
  end
  if times ~= self.times then -- what was under way may be lost
    self.times = times
    self.ready = false
    self.made_at = nil
    for _, task in pairs(self.tasks) do
      if not task.sequence then task.sent = -math.huge end
    end
  end
  if connected and not self.ready and (not self.made_at or now - self.made_at > resend_after) then
    if self.refused then error("the server refuses a stream: " .. self.refused, 0) end
    self.made_at = now
    engine.announce(self.connection, self.pool, self.made_reply)
  end
end

function carrier:show(now)
  local list = {}
  for _, agent in pairs(self.agents) do
    list[#list + 1] = { id = agent.id, host = agent.host, pid = agent.pid, workers = agent.workers,
      busy = agent.busy, done = agent.done, tags = agent.tags, seen = now - agent.heard }
  end
  table.sort(list, function(a, b) return a.host .. a.id < b.host .. b.id end)
  self.options.board:set("agents", list)
  self.options.board:set("counts", { dropped = self.dropped, put_again = self.put_again_count })
end

function carrier:tick(now)
  self.next_tick = now + self.pace
  self:look_after_server(now)
  if now - self.announced >= self.pace then self:announce(now) end
  self:look_after_tasks(now)
  self:look_after_agents(now)
  self:show(now)
end

------------------------------------------------------------------------- the whole

function carrier:letters(now)
  local n = 0
  local wait = math.max(0, self.next_tick - now)
  local subject, data, reply, status = self.connection:take(wait, self:may_take())
  while subject do
    self:handle(subject, data, reply, status)
    n = n + 1
    if n == letters_at_once then break end
    subject, data, reply, status = self.connection:take(0)
  end
end

function carrier:loop()
  repeat
    local now = clock()
    if now >= self.next_tick then self:tick(now) end
    self:fill(now)
    self:look_for_cancelled()
    self:letters(now)
    self:send_confirmations()
  until self:is_over()
end

-- Nothing of the pool is left at the server, and nobody works for it.
function carrier:leave()
  if not self.connection:status() then return end
  self:send_confirmations()
  self:say("close", wire.ids(self.pool, {}))
  engine.delete(self.connection, self.pool)
  self.connection:flush()
end

local function open(options)
  local connection, why = net.connect(options)
  if not connection then error(("cannot reach %s: %s"):format(options.servers[1], why), 0) end
  local self = setmetatable({
    connection = connection, options = options, pool = options.pool,
    tasks = {}, count = 0, last = 0, codes = {}, serials = {}, confirmed = {},
    agents = {}, strangers = {}, slots = 0, most = few, dropped = 0, put_again_count = 0,
    streams = 0, consumers = 0, times = 0, announced = -math.huge, next_tick = -math.huge,
    pace = math.min(1, options.lease / 4), patience = 3 * options.lease,
  }, carrier)
  local own = "conrun.p." .. self.pool .. "."
  self.prefix, self.pieces_at = #own, own
  self.accepted_at, self.looked_at = own .. "k", own .. "g"
  self.made_reply, self.shared_reply = own .. "s", own .. "c"
  connection:subscribe(own .. ">")
  connection:subscribe "conrun.beat"
  return self
end

--- The initializer of a cluster pool's one worker: all its life.
function carrier.serve(options)
  local self
  local ok, why = pcall(function()
    self = open(options)
    self:loop()
  end)
  if ok then
    self:leave()
    return
  end
  local terminated = net.state() == "terminated"
  if not terminated then net.give_up(tostring(why)) end
  if not self then return end
  local bytes = terminated and net.failure("cancelled", "the pool was terminated")
    or net.failure("broken", tostring(why))
  for _, task in pairs(self.tasks) do
    net.settle(task.future, "failed", bytes)
  end
  self:leave()
end

return carrier
