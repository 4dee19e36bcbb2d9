-- SPDX-License-Identifier: MIT
--
-- random: random programs over the whole API, played one after the other.
--
--   make random RANDOM="--seed=N --seconds=N --kind=thread|process|mixed --failures=N"
--   make random RANDOM="--program=FILE"
--
-- A program follows from its seed alone (play.lua says what it is and what must hold of
-- it).  Each is played by a conrun of its own, which must end in time, find it sound,
-- leave nothing in shared memory, and, in a hard build, lose no wake-up.  One that is not
-- so is made smaller: actors and steps are left out one after the other, as long as what
-- is left still fails in one of several tries, for where strands meet is chance.  What
-- remains is printed, and kept in a file that can be played again with --program.
--
-- This is plain Lua, not conrun: it must stay sound when conrun is not.

local CONRUN = os.getenv "CONRUN" or "build/conrun"
local LIMIT = 20 * (tonumber(os.getenv "CONRUN_SPEC_DEADLINE") or 1) -- seconds for one program
local TRIES = 8 -- of a smaller program, before it counts as one that does not fail
local SHRINK = 150 -- seconds for making one smaller

local options = { seed = os.time(), seconds = 60, kind = "any", failures = 3, program = "", kept = "build/found" }
for _, word in ipairs(arg) do
  local name, value = word:match "^%-%-(%a+)=(.*)$"
  if not options[name] then
    print 'usage: make random RANDOM="[--seed=N] [--seconds=N] [--kind=KIND] [--failures=N] [--program=FILE]"'
    os.exit(word == "--help")
  end
  options[name] = math.tointeger(tonumber(value)) or value
end

-- ----------------------------------------------------------------------- generating

local random = math.random

---@generic T
---@param list T[]
---@return T
local function one_of(list)
  return list[random(#list)]
end

local function chance(n)
  return random(n) == 1
end

---A short timeout, or none.
local function timeout()
  return chance(3) and one_of { 0, 0.001, 0.004 } or nil
end

local function short()
  return one_of { 0, 0.001, 0.004 }
end

---@class draft
---@field objects table[]
---@field tokens integer numbers of items and tasks that have been given away
---@field steps_left integer
---@field floor integer number of the first pool that may be used

local object_types = {
  fifo = function() return { max = chance(2) and random(3) or nil } end,
  lifo = function() return { max = chance(2) and random(3) or nil } end,
  priority = function() return { max = chance(2) and random(3) or nil } end,
  lock = function() return {} end, recursive = function() return {} end, condition = function() return {} end,
  permits = function() return { n = random(2) } end, counter = function() return {} end,
  gate = function() return {} end, flag = function() return {} end,
  barrier = function() return { n = random(2, 3) } end,
  pipe = function() return {} end, future = function() return {} end,
  list = function() return {} end, dict = function() return {} end,
  sum = function() return {} end, any = function() return {} end,
  array = function() return {} end, buffer = function() return {} end,
  pool = function(kind)
    return {
      n = random(2), kind = kind(), tasks = chance(4) and random(3) or nil, retries = chance(4) and 1 or nil,
    }
  end,
}

local type_names = {}
for name in pairs(object_types) do
  type_names[#type_names + 1] = name
end
table.sort(type_names)

---A number of its own for each item that a step may put.
local function tokens(d, n)
  local first = d.tokens + 1
  d.tokens = d.tokens + n
  return first
end

local make_steps -- some steps; those below a lock wait for nothing without a timeout

---What can be done with an object of each type.
---@type table<string, (fun(d: draft, o: integer): table)[]>
local uses = {}

local function put(d, o)
  return { op = "put", o = o, token = tokens(d, 1), heavy = chance(2), timeout = timeout() }
end

local function get(_, o)
  return { op = "get", o = o, timeout = timeout() }
end

uses.fifo = {
  put, put, get, get,
  function(d, o)
    local n = random(4)
    return { op = "put_many", o = o, n = n, token = tokens(d, n), timeout = timeout() }
  end,
  function(_, o) return { op = "get_many", o = o, n = random(4), timeout = timeout() } end,
  function(_, o) return { op = "size", o = o } end,
  function(_, o) return chance(3) and { op = "close", o = o, now = chance(2) } or { op = "size", o = o } end,
  function(_, o) return chance(2) and { op = "items", o = o, n = random(3) } or { op = "size", o = o } end,
  function(_, o) return { op = "done", o = o, timeout = short() } end,
}
uses.lifo = uses.fifo
uses.priority = { put, put, get, get, table.unpack(uses.fifo, 6) }

local function locked(op)
  return function(d, o)
    return { op = op, o = o, timeout = op ~= "with" and timeout() or nil, steps = make_steps(d, random(0, 2), true) }
  end
end
uses.lock = { locked "acquire", locked "hold", locked "with" }
uses.recursive = uses.lock
uses.condition = {
  locked "acquire", locked "with",
  function(_, o) return { op = "wait_for", o = o } end,
  function(_, o) return { op = "wait", o = o, timeout = short() } end,
  function(_, o) return { op = "notify", o = o, n = random(2) } end,
}
uses.permits = {
  function(d, o)
    return { op = "permit", o = o, how = one_of { "with", "hold" }, steps = make_steps(d, random(0, 2), true) }
  end,
}
uses.counter = {
  function(_, o) return { op = "count", o = o, timeout = timeout() } end,
  function(_, o) return { op = "release", o = o, n = random(2) } end,
}
uses.gate = {
  function(_, o) return { op = "await", o = o, timeout = timeout() } end,
  function(_, o) return { op = "set", o = o } end,
}
uses.flag = {
  function(_, o) return { op = "await", o = o, timeout = short() } end,
  function(_, o) return { op = one_of { "set", "clear" }, o = o } end,
}
uses.barrier = { function(_, o) return { op = "meet", o = o, timeout = timeout() } end }
uses.pipe = {
  function(_, o) return { op = "send", o = o, side = one_of { "a", "b" } } end,
  function(_, o) return { op = "recv", o = o, side = one_of { "a", "b" }, timeout = timeout() } end,
  function(_, o) return { op = "poll", o = o, side = one_of { "a", "b" }, timeout = short() } end,
}
uses.future = {
  function(_, o)
    return { op = "settle", o = o, how = one_of { "set_result", "set_result", "set_error", "cancel" } }
  end,
  function(_, o) return { op = "result", o = o, timeout = timeout() } end,
  function(_, o) return { op = "on_done", o = o } end,
}
uses.list = {
  function(_, o)
    return { op = "list", o = o, how = one_of { "append", "append", "insert", "pop", "read", "clear" } }
  end,
}
uses.dict = {
  function(_, o)
    return { op = "dict", o = o, how = one_of { "set", "set", "pop", "update", "read", "clear" }, key = random(4) }
  end,
}
uses.sum = { function(_, o) return { op = "sum", o = o } end }
uses.any = { function(_, o) return { op = "any", o = o, how = one_of { "set", "get", "cas" } } end }
uses.array = { function(_, o) return { op = "array", o = o, how = one_of { "add", "cas", "fill" }, i = random(8) } end }
uses.buffer = { function(_, o) return { op = "buffer", o = o, how = one_of { "write", "read" } } end }

local function fetch()
  local how = one_of { "result", "result", "cancel", "drop" }
  return { op = "fetch", how = how, running = chance(2), timeout = timeout() }
end

---A task may die only where it takes nobody along, and may use its own pool and those
---behind it, so that pools do not wait for each other in a circle.
local function task_steps(d, o)
  local floor = d.floor
  d.floor = o
  local steps = make_steps(d, random(0, 2))
  d.floor = floor
  if d.objects[o].kind == "process" and chance(6) then
    steps[#steps + 1] = { op = "die", how = one_of { "kill", "exit" } }
  end
  return steps
end

uses.pool = {
  function(d, o) return { op = "submit", o = o, token = tokens(d, 1), steps = task_steps(d, o) } end,
  function(d, o) return { op = "submit", o = o, token = tokens(d, 1), steps = task_steps(d, o) } end,
  fetch, fetch,
  function(_, o) return { op = "map", o = o, n = random(9), chunksize = random(3) } end,
  function(_, o) return { op = "map_async", o = o, n = random(5) } end,
  function(_, o)
    return { op = "imap", how = one_of { "imap", "imap_unordered" }, o = o, n = random(9), leave = random(12) }
  end,
  function(_, o)
    return chance(3) and { op = "shut", o = o, how = one_of { "close", "terminate" } } or fetch()
  end,
}

local selectable = { fifo = true, lifo = true, priority = true, gate = true, future = true }

local function select_step(d)
  local list = {}
  for i, o in ipairs(d.objects) do
    if selectable[o.type] and chance(2) then list[#list + 1] = i end
  end
  return #list > 0 and { op = "select", list = list, timeout = timeout() } or { op = "collect" }
end

local function gather_step(d)
  local list = {}
  for i, o in ipairs(d.objects) do
    if o.type == "future" then list[#list + 1] = i end
  end
  return {
    op = "gather", list = list, how = one_of { "wait", "completed", "all" }, when = one_of { "all", "first", "error" },
    timeout = timeout(),
  }
end

---Helpers, and what is of no object.
local general = {
  function() return { op = "collect" } end,
  function() return { op = "sleep", time = short() } end,
  function() return { op = "compute", n = random(3000) } end,
  select_step, select_step, gather_step,
  function(d)
    local kind = d.kind() -- a daemon that is a thread may outlive the program's patience
    return {
      op = "start", kind = kind, daemon = kind == "process" and chance(2), times = 1, number = 0,
      steps = make_steps(d, random(0, 2)),
    }
  end,
  function()
    return { op = "join", how = one_of { "join", "result", "kill", "interrupt", "drop" }, timeout = timeout() }
  end,
  function(d)
    return {
      op = "timer", time = random() * 0.004, cancel = chance(3), times = 1, number = 0,
      steps = make_steps(d, random(0, 2)),
    }
  end,
  function(d) return { op = "drop", o = random(#d.objects) } end,
  function(d)
    for i, o in ipairs(d.objects) do
      if o.type == "fifo" then return { op = "pass", o = i, other = random(#d.objects), keep = chance(2) } end
    end
    return { op = "collect" }
  end,
}

---What may wait without a timeout, and so must not with a lock in hand.
local function never_waits(s)
  if s.op == "put" or s.op == "put_many" or s.op == "get" or s.op == "get_many" or s.op == "await" or s.op == "count"
    or s.op == "recv" or s.op == "result" or s.op == "meet" then
    s.timeout = s.timeout or short()
    return true
  end
  local harmless = {
    size = true, close = true, release = true, notify = false, set = true, clear = true, send = true, settle = true,
    on_done = true, list = true, dict = true, sum = true, any = true, array = true, buffer = true, collect = true,
    sleep = true, compute = true,
  }
  return harmless[s.op]
end

local function make_step(d)
  if chance(4) then return one_of(general)(d) end
  local o = random(#d.objects)
  if d.objects[o].type == "pool" and o < d.floor then return { op = "collect" } end
  return one_of(uses[d.objects[o].type])(d, o)
end

function make_steps(d, n, brief)
  local steps = {}
  for _ = 1, n do
    if d.steps_left > 0 then
      d.steps_left = d.steps_left - 1
      local s = make_step(d)
      if not brief or never_waits(s) then steps[#steps + 1] = s end
    end
  end
  return steps
end

local KINDS = {
  thread = function() return "thread" end,
  process = function() return "process" end,
  mixed = function() return one_of { "thread", "process" } end,
}

local function make_janitor(n)
  local list = {}
  for _ = 1, random(0, 4) do
    list[#list + 1] = {
      time = random() * 0.01, whom = random(n),
      op = one_of { "kill", "kill", "terminate", "interrupt", "collect", "collect" },
    }
  end
  list[#list + 1] = { time = random() * 0.01, op = "collect" }
  return list
end

---@param seed integer
---@param kind string
---@return table program
local function generate(seed, kind)
  math.randomseed(seed)
  if kind == "any" then kind = one_of { "thread", "process", "mixed" } end
  local d = { objects = {}, tokens = 0, steps_left = 60, floor = 1, kind = KINDS[kind] }
  for i = 1, random(1, 5) do
    local name = one_of(type_names)
    d.objects[i] = object_types[name](d.kind)
    d.objects[i].type = name
  end
  local program = { seed = seed, objects = d.objects, actors = {}, janitor = {} }
  for i = 1, random(1, 4) do
    local steps = make_steps(d, random(1, 10))
    local actor = { kind = d.kind(), times = chance(2) and random(8) or 1, steps = steps }
    if actor.kind == "process" and chance(5) then
      table.insert(steps, random(#steps + 1), { op = "die", how = one_of { "kill", "exit", "raise" } })
    end
    program.actors[i] = actor
  end
  program.janitor = make_janitor(#program.actors)
  if chance(2) then
    program.main = { name = "main", number = 0, times = random(3), steps = make_steps(d, random(6)) }
  end
  program.stride = d.tokens
  return program
end

-- ------------------------------------------------------------ what follows from the rest

---Calls `f` with every step and how often it may be played.
local function each_step(program, f)
  local function walk(steps, times)
    for _, s in ipairs(steps) do
      f(s, times)
      if s.steps then walk(s.steps, 2 * times) end -- a task may be tried twice
    end
  end
  for _, actor in ipairs(program.actors) do
    walk(actor.steps, actor.times)
  end
  if program.main then walk(program.main.steps, program.main.times) end
end

local DEADLY = { die = true, kill = true, terminate = true, interrupt = true, cancel = true }

---How many may die or be interrupted, how many waits the finale has to serve, how many
---numbers there are in all repetitions.
local function complete(program)
  local most = program.main and program.main.times or 1
  for _, actor in ipairs(program.actors) do
    most = math.max(most, actor.times)
  end
  program.deaths, program.waits, program.drops, program.violent = 0, 0, false, false
  for _, s in ipairs(program.janitor) do
    if DEADLY[s.op] then program.deaths = program.deaths + 1 end
  end
  each_step(program, function(s, times)
    if DEADLY[s.op] or DEADLY[s.how] and s.op ~= "settle" then program.deaths = program.deaths + 8 * times end
    if s.op == "count" or s.op == "recv" then program.waits = program.waits + times end
    if s.op == "close" and s.now then program.drops = true end
  end)
  program.violent = program.deaths > 0
  program.turns, program.tokens = most, 2 * program.stride * most -- a task may be tried twice
  return program
end

-- -------------------------------------------------------------------------- writing

local function key_text(k)
  return type(k) == "string" and ("%s = "):format(k:find "^[%a_][%w_]*$" and k or ("[%q]"):format(k)) or ""
end

---A table as Lua, lists first, keys in order; short ones in one line.
local function text_of(x, indent)
  if type(x) ~= "table" then return type(x) == "string" and ("%q"):format(x) or tostring(x) end
  local parts, keys, inner = {}, {}, indent .. "  "
  for _, v in ipairs(x) do
    parts[#parts + 1] = text_of(v, inner)
  end
  for k in pairs(x) do
    if not (math.type(k) and k >= 1 and k <= #x) then keys[#keys + 1] = k end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do
    parts[#parts + 1] = key_text(k) .. text_of(x[k], inner)
  end
  local line = table.concat(parts, ", ")
  if #line + #indent < 100 and not line:find "\n" then return "{ " .. line .. " }" end
  return "{\n" .. inner .. table.concat(parts, ",\n" .. inner) .. ",\n" .. indent .. "}"
end

local function write(program, path)
  local file = assert(io.open(path, "w"))
  file:write("return ", text_of(program, ""), "\n")
  file:close()
end

local function slurp(path)
  local file = io.open(path, "rb")
  local text = file and file:read "a" or ""
  if file then file:close() end
  return text
end

-- -------------------------------------------------------------------------- playing

local file, output, watch = os.tmpname(), os.tmpname(), os.tmpname()

---A finding without its numbers: what a smaller program has to fail with, too.
local function kind_of(text)
  for _, word in ipairs { "lost wake%-up", "deadlock", "broken invariant", "audit: left", "ended by a signal" } do
    if text:find(word) then return word end
  end
  return (text:gsub("^exit code 1\n", ""):match "^[^\n]*":gsub("%d+", "#"))
end

---What was wrong with one play, or nil.
---@param program table
---@return string?
local function play(program)
  write(complete(program), file)
  os.remove(watch)
  local command = "CONRUN_WATCH=%s timeout -s KILL %g %s --audit spec/chaos/play.lua %s >%s 2>&1 </dev/null"
  local _, how, code = os.execute(command:format(watch, LIMIT, CONRUN, file, output))
  local text, lost = slurp(output), slurp(watch)
  if lost ~= "" then return lost .. text end
  if how == "signal" or code >= 128 then
    return ("ended by a signal, or after %g s (code %d)\n"):format(LIMIT, code) .. text
  end
  if code ~= 0 then return ("exit code %d\n"):format(code) .. text end
  if not text:find "sound\n" or text:find "deadlock" or text:find "audit: left" then return text end
  return nil
end

-- ----------------------------------------------------------------------- making smaller

local function copy(x)
  if type(x) ~= "table" then return x end
  local y = {}
  for k, v in pairs(x) do
    y[k] = copy(v)
  end
  return y
end

---Every list of a program from which something may be left out, by the road to it.
local function lists_of(program)
  local lists = {}
  local function add(list)
    lists[#lists + 1] = list
    for _, s in ipairs(list) do
      if s.steps then add(s.steps) end
    end
  end
  for _, actor in ipairs(program.actors) do
    add(actor.steps)
  end
  if program.main then add(program.main.steps) end
  add(program.janitor)
  return lists
end

---@class failure
---@field kind string
---@field deadline integer when to stop making it smaller

---@param program table
---@param failure failure
---@return boolean
local function still_fails(program, failure)
  for _ = 1, TRIES do
    if os.time() > failure.deadline then return false end
    local why = play(copy(program))
    if why and kind_of(why) == failure.kind then return true end
  end
  return false
end

---The program without the items `from` to `to` of its list number `n`; list 0 is that of
---the actors.
local function without(program, n, from, to)
  local smaller = copy(program)
  local list = n == 0 and smaller.actors or lists_of(smaller)[n]
  for _ = from, to do
    if list[from] then table.remove(list, from) end
  end
  return smaller
end

---Leaves out ever smaller pieces of a list.
local function shrink_list(program, n, failure)
  local size = #(n == 0 and program.actors or lists_of(program)[n])
  local piece = size
  while piece >= 1 do
    local from = 1
    while from <= size do
      local smaller = without(program, n, from, math.min(from + piece - 1, size))
      if still_fails(smaller, failure) then
        program = smaller
        size = #(n == 0 and program.actors or lists_of(program)[n] or {})
      else
        from = from + piece
      end
    end
    piece = piece // 2
  end
  return program
end

local function shrink(program, why)
  local failure = { kind = kind_of(why), deadline = os.time() + SHRINK }
  if program.main then
    local smaller = copy(program)
    smaller.main = nil
    if still_fails(smaller, failure) then program = smaller end
  end
  program = shrink_list(program, 0, failure)
  local n = 1
  while lists_of(program)[n] do
    program = shrink_list(program, n, failure)
    n = n + 1
  end
  for i, actor in ipairs(program.actors) do
    local smaller = copy(program)
    smaller.actors[i].times = 1
    if actor.times > 1 and still_fails(smaller, failure) then program = smaller end
  end
  return program
end

-- ---------------------------------------------------------------------------- the run

local function report(program, why)
  print(("anomaly: seed %d"):format(program.seed))
  print(why)
  print "making it smaller ..."
  io.stdout:flush()
  local small = shrink(program, why)
  os.execute("mkdir -p " .. options.kept)
  local kept = ("%s/random-%d.lua"):format(options.kept, program.seed)
  write(complete(copy(small)), kept)
  print(("a smaller program that fails, in %s:"):format(kept))
  print(slurp(kept))
  print(("replay: make random RANDOM='--program=%s', or the whole: RANDOM='--seed=%d --seconds=1 --kind=%s'"):format(
    kept, program.seed, options.kind))
end

local played, failed = 0, 0
if options.program ~= "" then
  local program = dofile(options.program)
  for _ = 1, TRIES do
    local why = play(copy(program))
    played, failed = played + 1, failed + (why and 1 or 0)
    if why then print(why) end
  end
else
  print(("seed %d, %d s, %s"):format(options.seed, options.seconds, CONRUN))
  local stop = os.time() + options.seconds
  repeat
    local program = generate(options.seed + played, options.kind)
    local why = play(copy(program))
    played = played + 1
    if why then
      failed = failed + 1
      report(program, why)
    end
  until os.time() >= stop or failed >= options.failures
end
os.remove(file)
os.remove(output)
os.remove(watch)
print(("%d programs, the last of seed %d"):format(played, options.seed + played - 1))
print(("%d passed, %d failed"):format(played - failed, failed))
os.exit(failed == 0)
