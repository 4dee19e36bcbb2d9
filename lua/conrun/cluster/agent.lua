-- SPDX-License-Identifier: MIT
--
-- agent: computes tasks of cluster pools on this machine (conrun --agent=URL).
--
-- One strand talks to the server, and never runs code of users: tasks are bytes here, which
-- go into a local pool of processes and come out as bytes.  There is one such pool for each
-- cluster pool that the agent works for, so nothing of one program is seen by another.
--
-- A task comes with a ticket, to which the agent says that the task is in work (each third
-- of the lease) and, when the program has confirmed the result, that it is done.  Until then
-- the result is kept, and sent again.  An agent that leaves gives back what it has not begun.

local clock = require("conrun.core").public.clock
local engine = require "conrun.cluster.engine"
local net = require "conrun.core.net"
local pool_core = require "conrun.core.pool"
local wire = require "conrun.cluster.wire"

local agent = {}
agent.__index = agent

local resend_after = 2 -- seconds without a confirmation
local again_after = 0.25 -- seconds, when the server has refused to give tasks
local slack = 2 -- seconds: a pull of which nothing was heard so long after its end is lost
local leave_within = 5 -- seconds for the last confirmations
local letters_at_once = 64

-- Tasks that are short are taken before a worker is free for them: the mean time of one, and
-- how many more for each worker.
local ahead = { { 0.002, 8 }, { 0.05, 1 } }

---------------------------------------------------------------------- in the workers

--- What each worker of a local pool calls first: modules of the program's own are found
--- there, then the user's initializer is called.
function agent.prepare(modules, initializer, arguments)
  for name, module in pairs(modules) do
    package.preload[name] = function(...)
      return assert(load(module.source, module.chunk))(...)
    end
  end
  if initializer then net.decode(initializer)(net.decode(arguments)) end
end

------------------------------------------------------------------------------ pools

function agent:say(line)
  io.stderr:write(("conrun agent %s:%d: %s\n"):format(self.host, self.pid, line))
end

-- What the program has told, and what it is: pool, settings, tasks.
function agent:open(told, now)
  local work = {
    id = told.pool, told = told, heard = now, tasks = {}, count = 0, codes = {}, fetches = {},
    pulls = {}, pull_number = 0, wanted = 0, pull_after = now, beaten = now, mean = nil,
    program = "conrun.p." .. told.pool .. ".",
  }
  self.works[told.pool] = work
  self.next_tick = now -- its lease may be shorter than those of the others
  work.settings = self:fetch(work, "s", "", told.settings, now)
end

function agent:fetch(work, what, key, size, now)
  local f = wire.fetch(self.connection, work.program .. "w", self.own, work.id, what, key, size)
  work.fetches[what .. key] = f
  f:ask(now)
  return f
end

-- The local pool, when the settings have come.
function agent:start(work, value)
  local settings = net.decode(value)
  local options = settings.options
  options.kind = "process"
  options.workers = self.workers
  options.name = work.told.name
  options.initializer = agent.prepare
  options.initargs = { settings.modules, settings.initializer, settings.initargs }
  work.pool = pool_core.public.new(options)
  net.host(work.pool)
end

-- The program needs nothing more of this pool.
function agent:close(work)
  self.works[work.id] = nil
  if work.pool then work.pool:terminate() end
end

------------------------------------------------------------------------------ tasks

-- As many as are in work at once, and those that wait for a worker here.
function agent:room(work)
  local more = 0
  for _, step in ipairs(ahead) do
    if work.mean and work.mean < step[1] then
      more = step[2]
      break
    end
  end
  return self.workers * (1 + more)
end

-- Tasks of all pools share the workers.
function agent:others(work)
  local n = 0
  for _, other in pairs(self.works) do
    if other ~= work then n = n + other.count end
  end
  return n
end

function agent:pull(work, now)
  for i = #work.pulls, 1, -1 do
    local p = work.pulls[i]
    if now > p.until_time then
      work.wanted = work.wanted - p.left
      table.remove(work.pulls, i)
    end
  end
  if self.leaving or not work.pool or work.told.made == 0 or now < work.pull_after then return end
  local free = self:room(work) - math.min(self:others(work), self.workers) - work.count - work.wanted
  if free < 1 or free < self.workers / 2 and work.count + work.wanted > 0 then return end
  work.pull_number = work.pull_number + 1
  local reply = ("%st.%s.%d"):format(self.own, work.id, work.pull_number)
  local seconds = engine.take(self.connection, work.id, free, reply)
  work.pulls[#work.pulls + 1] = { number = work.pull_number, left = free, until_time = now + seconds + slack }
  work.wanted = work.wanted + free
end

local function forget(work, task)
  if work.tasks[task.id] ~= task then return end
  work.tasks[task.id] = nil
  work.count = work.count - 1
end

-- One of those that were pulled has come: the oldest pull has one less.
local function count_pulled(work)
  local p = work.pulls[1]
  if not p then return end
  p.left = p.left - 1
  work.wanted = work.wanted - 1
  if p.left == 0 then table.remove(work.pulls, 1) end
end

-- A pull has ended: at its time, or because the server refuses it.
function agent:pulled(id, number, status, now)
  local work = self.works[id]
  if not work then return end
  if status ~= "408" and status ~= "404" then work.pull_after = now + again_after end
  for i, p in ipairs(work.pulls) do
    if p.number == number then
      work.wanted = work.wanted - p.left
      table.remove(work.pulls, i)
      return
    end
  end
end

function agent:add(work, data, ticket, now)
  local id, puts, before, mode, key, code_size, size, bytes = wire.read_task(data)
  local task = work.tasks[id]
  count_pulled(work)
  if task and (task.state == "died" or task.state == "back") and puts > task.puts then -- another attempt
    engine.done(self.connection, task.ticket)
    forget(work, task)
  elseif task then -- the lease had run out, and nobody else was quicker; or the server has lost it
    task.ticket, task.puts = ticket, puts
    if task.state then self:send(work, task, now) end
    return
  end
  task = { id = id, puts = puts, mode = mode, key = key, size = size, bytes = bytes, ticket = ticket,
    attempts = before + engine.deliveries(ticket) }
  work.tasks[id] = task
  work.count = work.count + 1
  if task.attempts > work.told.retries + 1 then
    task.attempts = task.attempts - 1
    self:fail(work, task, ("the task was given to %d agents, and was lost with each"):format(task.attempts))
    return
  end
  if not work.codes[key] then
    work.codes[key] = { waiting = {} }
    self:fetch(work, "c", key, code_size, now)
  end
  if not bytes then self:fetch(work, "a", tostring(id), size, now) end
  self:begin(work, task, now)
end

-- When function and arguments are there.
function agent:begin(work, task, now)
  local code = work.codes[task.key]
  if not code.handle then
    code.waiting[task] = true
    return
  end
  if not task.bytes then return end
  task.future = net.post(work.pool, code.handle, task.mode, task.bytes)
  task.bytes = nil
  task.began = now
  task.rounds = math.max(1, work.count / self.workers)
  task.future:on_done(function() self.finished[#self.finished + 1] = { work, task } end)
end

--------------------------------------------------------------------------- results

function agent:send(work, task, now)
  task.sent = now
  local bytes = task.result
  if not bytes and task.size_out <= wire.inline then
    bytes = net.result(task.future, 0, task.size_out)
  end
  self.connection:publish(work.program .. "r",
    wire.result(task.id, task.attempts, task.state, self.id, self.host, bytes and #bytes or task.size_out, bytes))
end

function agent:fail(work, task, message)
  task.state = "failed"
  task.result = net.failure("worker_died", message)
  self:send(work, task, clock())
end

-- Its future is final.
function agent:finish(work, task, now)
  if self.works[work.id] ~= work or work.tasks[task.id] ~= task then return end
  local state, size, died = net.outcome(task.future)
  task.state, task.size_out = died and "died" or state, size
  if task.given_back then task.state = "back" end
  if state ~= "done" and not task.given_back then task.result = net.result(task.future, 0, size) end
  local took = (now - task.began) / task.rounds
  work.mean = work.mean and work.mean * 0.9 + took * 0.1 or took
  self.done = self.done + 1
  self:send(work, task, now)
end

-- Has not been begun, or is not to be finished here.
function agent:give_back(work, task, now)
  if task.given_back or task.state then return end
  if task.future and not task.future:cancel() then return end
  task.given_back = true
  if task.future then return end -- its callback does the rest
  task.state, task.size_out, task.result = "back", 0, ""
  task.attempts = task.attempts - 1
  self:send(work, task, now)
end

-------------------------------------------------------------------- what comes in

local handlers = {}

-- The program has results.
function handlers:c(_, data)
  local pool, ids = wire.read_ids(data)
  local work = self.works[pool]
  if not work then return end
  for _, id in ipairs(ids) do
    local task = work.tasks[id]
    if task and task.state then
      engine.done(self.connection, task.ticket)
      forget(work, task)
    end
  end
end

-- A piece of a function, of arguments, of settings.
function handlers:d(_, data)
  local now = clock()
  local pool, what, key, offset, bytes = wire.read_piece(data)
  local work = self.works[pool]
  local f = work and work.fetches[what .. key]
  local value = f and f:add(offset, bytes, now)
  if not value then return end
  work.fetches[what .. key] = nil
  if what == "s" then
    self:start(work, value)
  elseif what == "c" then
    local code = work.codes[key]
    local waiting = code.waiting
    code.handle, code.waiting = net.new_code(value), {}
    for task in pairs(waiting) do
      if work.tasks[task.id] == task then self:begin(work, task, now) end
    end
  else
    local task = work.tasks[tonumber(key)]
    if not task then return end
    task.bytes = value
    self:begin(work, task, now)
  end
end

-- What was wanted is not there any more: nobody wants the tasks either.
function handlers:x(_, data)
  local pool, what, key = wire.read_piece(data)
  local work = self.works[pool]
  if not work then return end
  work.fetches[what .. key] = nil
  for _, task in pairs(work.tasks) do
    if what == "c" and task.key == key and not task.future or what == "a" and task.id == tonumber(key) then
      engine.done(self.connection, task.ticket)
      forget(work, task)
    end
  end
  if what == "c" then work.codes[key] = nil end
end

-- The program wants a piece of a result.
function handlers:w(_, data)
  local back, pool, what, key, offset, n = wire.read_want(data)
  local work = self.works[pool]
  local task = work and work.tasks[tonumber(key)]
  if not task or not task.state then return end
  local bytes = task.result and task.result:sub(offset + 1, offset + n)
    or net.result(task.future, offset, math.min(n, wire.piece))
  task.sent = clock() -- it is on its way
  self.connection:publish(back .. "d", wire.give(pool, what, key, offset, bytes))
end

-- The end of a pull.
function handlers:t(rest, _, status)
  local id, number = rest:match "^(%x+)%.(%d+)$"
  if id then self:pulled(id, tonumber(number), status or "", clock()) end
end

local heard = {}

function heard:open(data)
  local now = clock()
  local told, version = wire.told(data)
  if not told then
    if self.strangers[version] then return end
    self.strangers[version] = true
    self:say(("a program speaks '%s', this agent '%s'"):format(version, wire.version))
    self:beat(now)
    return
  end
  local work = self.works[told.pool]
  if work then
    work.heard = now
    if work.told.made ~= told.made then work.pulls, work.wanted = {}, 0 end
    work.told = told
  elseif not self.leaving and wire.has_all(self.tags, told.tags) then
    self:open(told, now)
    self:beat(now)
  end
end

function heard:close(data)
  local work = self.works[wire.read_ids(data)]
  if work then self:close(work) end
end

function heard:cancel(data)
  local pool, ids = wire.read_ids(data)
  local work = self.works[pool]
  if not work then return end
  for _, id in ipairs(ids) do
    local task = work.tasks[id]
    if task then
      engine.done(self.connection, task.ticket)
      forget(work, task)
      if task.future then task.future:cancel { running = true } end
    end
  end
end

function agent:handle(subject, data, ticket, status)
  local work = self.works[subject:match "^conrun%.t%.(%x+)$"]
  if work then
    if work.pool then self:add(work, data, ticket, clock()) end
    return
  end
  local word = subject:match "^conrun%.all%.(%a+)$"
  if word then
    if heard[word] then heard[word](self, data) end
    return
  end
  local kind, rest = subject:sub(#self.own + 1):match "^(%a)%.?(.*)$"
  if kind and handlers[kind] then handlers[kind](self, rest, data, status) end
end

-------------------------------------------------------------------- now and then

function agent:busy()
  local n = 0
  for _, work in pairs(self.works) do
    n = n + work.count
  end
  return math.min(n, self.workers)
end

function agent:beat(now)
  self.beaten = now
  self.connection:publish("conrun.beat", wire.tell {
    id = self.id, host = self.host, pid = self.pid, workers = self.workers, busy = self:busy(),
    done = self.done, tags = self.tags, leaves = self.leaving or nil,
  })
end

-- All that it has is in work.
function agent:keep_leases(work, now)
  work.beaten = now
  local ids = {}
  for id, task in pairs(work.tasks) do
    ids[#ids + 1] = id
    engine.beat(self.connection, task.ticket)
  end
  if #ids > 0 then self.connection:publish(work.program .. "b", wire.ids(self.id, ids)) end
end

function agent:look_after(work, now)
  if now - work.heard > math.max(work.told.lease, 1) then
    self:say(("nothing was heard of program %s:%d for %g s; its tasks are stopped"):format(
      work.told.host, work.told.pid, work.told.lease))
    engine.delete(self.connection, work.id)
    self:close(work)
    return
  end
  if now - work.beaten >= work.told.lease / 3 then self:keep_leases(work, now) end
  for _, f in pairs(work.fetches) do
    f:ask(now)
  end
  for _, task in pairs(work.tasks) do
    if task.state and now - task.sent > resend_after then self:send(work, task, now) end
  end
end

function agent:tick(now)
  local pace = 1
  local _, times = self.connection:status()
  if times ~= self.times then -- what was asked for is forgotten
    self.times = times
    for _, work in pairs(self.works) do
      work.pulls, work.wanted = {}, 0
      work.heard = now
      for _, task in pairs(work.tasks) do
        task.sent = -math.huge
      end
    end
  end
  for _, work in pairs(self.works) do
    pace = math.min(pace, work.told.lease / 4)
    self:look_after(work, now)
  end
  self.next_tick = now + pace
  if now - self.beaten >= pace then self:beat(now) end
end

------------------------------------------------------------------------- the whole

function agent:step()
  local now = clock()
  if now >= self.next_tick then self:tick(now) end
  local next_time = self.next_tick
  for _, work in pairs(self.works) do
    self:pull(work, now)
    if work.pull_after > now then next_time = math.min(next_time, work.pull_after) end
  end
  local subject, data, reply, status = self.connection:take(math.max(0, next_time - now))
  local n = 0
  while subject do
    local ok, why = pcall(self.handle, self, subject, data, reply, status)
    if not ok then self:say("a message that cannot be understood: " .. tostring(why)) end
    n = n + 1
    if n == letters_at_once then break end
    subject, data, reply, status = self.connection:take(0)
  end
  local finished = self.finished
  self.finished = {}
  now = clock()
  for _, pair in ipairs(finished) do
    self:finish(pair[1], pair[2], now)
  end
end

function agent:has_tasks()
  for _, work in pairs(self.works) do
    if work.count > 0 then return true end
  end
  return false
end

-- What runs is finished, what waits is given back.
function agent:drain(now)
  self.leaving = true
  self:say(("leaves when %d tasks are finished; a second signal gives them back"):format(self:busy()))
  for _, work in pairs(self.works) do
    for _, task in pairs(work.tasks) do
      self:give_back(work, task, now)
    end
  end
end

-- What runs is given back, too.
function agent:abandon(now)
  self.abandoned = now
  for _, work in pairs(self.works) do
    for _, task in pairs(work.tasks) do
      if not task.state then
        task.given_back = true
        task.state, task.size_out, task.result = "back", 0, ""
        self:send(work, task, now)
      end
    end
    if work.pool then work.pool:terminate() end
  end
end

-- Until it is to end, and all that it had is confirmed.
function agent:run()
  local answered = 0
  repeat
    self:step()
    local signals, now = net.signals(), clock()
    if signals > answered then
      answered = answered + 1
      if answered == 1 then self:drain(now) elseif answered == 2 then self:abandon(now) end
    end
  until self.leaving and not self:has_tasks() or self.abandoned and now - self.abandoned > leave_within
  self:beat(clock())
  for _, work in pairs(self.works) do
    self:close(work)
  end
  self.connection:flush()
end

--- Works for whoever has the token, until it is interrupted.
function agent.main(options)
  net.begin_agent()
  net.count_signals()
  local connection <close> = options.connection
  local self = setmetatable({
    connection = connection, workers = options.workers, tags = options.tags,
    id = net.random(), host = net.hostname(), pid = net.pid(), works = {}, finished = {}, strangers = {},
    done = 0, times = 0, beaten = -math.huge, next_tick = -math.huge,
  }, agent)
  self.own = "conrun.a." .. self.id .. "."
  assert(connection:subscribe(self.own .. ">"))
  assert(connection:subscribe "conrun.all.>")
  self:say(("%d workers for %s"):format(self.workers, options.url))
  self:run()
end

return agent
