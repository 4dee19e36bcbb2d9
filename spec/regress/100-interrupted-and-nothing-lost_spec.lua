-- SPDX-License-Identifier: MIT
--
-- An interruption could be raised between the return of a function that takes something and
-- the moment when the taker has it: `lock:hold` had the lock, but the <close> variable was
-- not armed yet; `queue:get` had the item, but nobody else.  Of 100 interruptions of a loop
-- over `hold` 74 left the lock taken for good.
--
-- A worker is interrupted many times in a loop that takes things and gives them back, at
-- moments that nobody chooses.  After each time, what was taken is back or has arrived.

local conrun = require "conrun"

local function times(name) return (name == "lock:hold" or name == "lock:with") and 1000 or 100 end

-- Each makes, in the worker, a loop without end and a function that says whether something
-- was lost by the interruption of it; what was lost is put right for the next time.
local cases = {}

local function lock_case(new, loop)
  return function()
    local lock = new()
    return function() loop(lock) end, function()
      local lost = lock:locked()
      while lock:locked() do lock:release() end
      return lost
    end
  end
end

local function nothing() end

local function hold(lock)
  while true do local _ <close> = lock:hold() end
end

local function with(lock)
  while true do lock:with(nothing) end
end

cases["lock:hold"] = lock_case(conrun.lock.new, hold)
cases["lock:with"] = lock_case(conrun.lock.new, with)
cases["lock.recursive:hold"] = lock_case(conrun.lock.recursive, hold)
cases["condition:hold"] = lock_case(conrun.condition.new, hold)
cases["condition:with"] = lock_case(conrun.condition.new, with)

cases["hold within hold"] = lock_case(conrun.lock.recursive, function(lock)
  while true do
    local _ <close> = lock:hold()
    local _ <close> = lock:hold()
    lock:with(nothing)
  end
end)

cases["hold with work inside"] = lock_case(conrun.lock.new, function(lock)
  while true do
    local _ <close> = lock:hold()
    for _ = 1, math.random(3000) do end
  end
end)

cases["assert(hold)"] = lock_case(conrun.lock.new, function(lock)
  while true do local _ <close> = assert(lock:hold(1)) end
end)

cases["hold in a function of its own"] = lock_case(conrun.lock.new, function(lock)
  local function enter()
    local guard = lock:hold()
    for _ = 1, 10 do end
    return guard
  end
  while true do local _ <close> = enter() end
end)

cases["a guard written in Lua"] = lock_case(conrun.lock.new, function(lock)
  local Guard = {}
  function Guard.__close()
    for _ = 1, 20 do end
    lock:release()
  end
  local function enter()
    lock:acquire()
    return setmetatable({}, Guard)
  end
  while true do local _ <close> = enter() end
end)

cases["hold in a coroutine"] = lock_case(conrun.lock.new, function(lock)
  coroutine.wrap(function()
    while true do
      local _ <close> = lock:hold()
      coroutine.wrap(function() lock:locked() end)()
    end
  end)()
end)

cases["hold in a finalizer"] = lock_case(conrun.lock.new, function(lock)
  while true do
    setmetatable({}, { __gc = function() local _ <close> = lock:hold(0) end })
    collectgarbage "step"
  end
end)

local function semaphore_case(loop)
  return function()
    local s = conrun.semaphore.new(1)
    return function() loop(s) end, function()
      local lost = s:value() ~= 1
      if s:value() < 1 then s:release() end
      return lost
    end
  end
end

cases["semaphore:hold"] = semaphore_case(hold)
cases["semaphore:with"] = semaphore_case(with)

-- The items are numbers in a row, so the one that comes next tells of the last one.  Only
-- `check` adds more, which nobody interrupts.
local function row_case(fill, take)
  return function()
    local source, last, seen = {}, 0, 0
    local function refill()
      if seen < last + 500 then
        fill(source, seen)
        seen = seen + 1000
      end
    end
    refill()
    return function()
      while true do
        last = take(source, function(x) last = x end) or last
      end
    end, function()
      refill()
      local before = last
      last = take(source, nothing)
      return last ~= before + 1
    end
  end
end

local function filled(new)
  return function(source, last)
    source.q = source.q or new()
    for i = last + 1, last + 1000 do
      source.q:put(i, new == conrun.queue.priority and i or nil)
    end
  end
end

cases["queue:get"] = row_case(filled(conrun.queue.new), function(source) return (source.q:get()) end)

cases["queue:items"] = row_case(filled(conrun.queue.new), function(source, note)
  for x in source.q:items() do
    note(x)
    if note == nothing or x % 10 == 0 then return x end
  end
end)

cases["queue.priority:get"] = row_case(filled(conrun.queue.priority), function(source) return (source.q:get()) end)

cases["queue:get_many"] = row_case(filled(conrun.queue.new), function(source, note)
  local many = source.q:get_many(note == nothing and 1 or 5)
  return many[#many]
end)

cases["pipe:recv"] = row_case(function(source, last)
  if not source.q then
    source.q, source.other = conrun.pipe.new()
  end
  for i = last + 1, last + 1000 do
    source.other:send(i)
  end
end, function(source) return (source.q:recv()) end)

cases["list:pop"] = row_case(function(source, last)
  source.q = source.q or conrun.shared.list()
  for i = last + 1, last + 1000 do
    source.q:insert(1, i)
  end
end, function(source) return (source.q:pop()) end)

-- What has to be built anew by functions of the program is not lost while they run.
cases["queue:get of objects"] = row_case(function(source, last)
  source.q = source.q or conrun.queue.new()
  local Item = {}
  Item.__transfer = function(item)
    return function(n)
      for _ = 1, 3000 do end
      return n
    end, item.n
  end
  for i = last + 1, last + 1000 do
    source.q:put(setmetatable({ n = i }, Item))
  end
end, function(source) return (source.q:get()) end)

cases["dict:pop"] = function()
  local d, last = conrun.shared.dict(), 0
  return function()
    while true do
      d[last + 1] = last + 1
      last = d:pop(last + 1)
    end
  end, function()
    local here = d:pop(last + 1)
    local lost = not here and d:get(last, false)
    return lost
  end
end

-- A file has no finalizer to lean on while the collector is stopped: a file that was opened
-- and not closed keeps its number.
cases["io.open"] = function()
  collectgarbage "stop"
  return function()
    while true do local _ <close> = io.open "/dev/null" end
  end, function()
    local file <close> = io.open "/proc/self/fd/64"
    return file ~= nil
  end
end

local function serve(make, n, ready, lost)
  local round, check = make()
  for i = 1, n do
    pcall(function()
      ready:put(i)
      round()
    end)
    if check() then lost:add(1) end
  end
end

local function interrupt(kind, name)
  local n, ready, lost = times(name), conrun.queue.new(), conrun.shared.value "i64"
  local w = conrun[kind].start(serve, cases[name], n, ready, lost)
  for i = 1, n do
    assert.are.equal(i, ready:get())
    for _ = 1, math.random(2000) do end
    w:interrupt()
  end
  w:result()
  return lost:get()
end

for _, kind in ipairs { "thread", "process" } do
  describe("an interrupted worker (" .. kind .. ")", function()
    for name in pairs(cases) do
      it("loses nothing: " .. name, function() assert.are.equal(0, interrupt(kind, name)) end)
    end
  end)
end

local stops = {
  ["cancel{running=true}"] = function(_, f) f:cancel { running = true } end,
  ["terminate"] = function(pool) pool:terminate() end,
  ["task_timeout"] = function() end,
}

-- Returns how often the lock stayed taken.
local function stop_tasks(n, how, kind, loop)
  local lost, lock = 0, conrun.lock.new()
  local options = { workers = 1, kind = kind, task_timeout = how == "task_timeout" and 0.001 or nil }
  local pool, begun = conrun.pool.new(options), conrun.queue.new()
  local function task(l)
    begun:put(true)
    loop(l)
  end
  for _ = 1, n do
    local f = pool:submit(task, lock)
    if how ~= "task_timeout" then begun:get() end
    for _ = 1, math.random(2000) do end
    stops[how](pool, f)
    assert.is_truthy(f:error())
    if how == "terminate" then pool = conrun.pool.new(options) end
    if lock:acquire(30) then
      lock:release()
    else
      lost, lock = lost + 1, conrun.lock.new()
    end
  end
  pool:shutdown()
  return lost
end

for _, kind in ipairs { "thread", "process" } do
  for how in pairs(stops) do
    describe(("a task that is stopped by %s (%s)"):format(how, kind), function()
      for name, loop in pairs { hold = hold, with = with } do
        it("gives back what it has taken by " .. name, function()
          assert.are.equal(0, stop_tasks(how == "terminate" and 20 or 100, how, kind, loop))
        end)
      end
    end)
  end
end
