-- SPDX-License-Identifier: MIT
--
-- calls: every function and metamethod of conrun that a script can reach, called in
-- every way that nobody would call it.
--
--   build/conrun spec/fuzz/calls.lua [--seed=N] [--rounds=N] [--calls=N] [--trace]
--
-- A round is one worker.  It requires every module, the internal ones too, makes an
-- object of every type, and walks through all tables, metatables and results for
-- functions.  Then it calls them at random: with objects of other types, closed ones
-- and those of other libraries, numbers at all ends, tables with evil metamethods,
-- inside coroutines and finalizers.  Rounds differ in what they may do:
--
--   plain    only calls
--   vandal   fields of all tables that it found, and globals, are overwritten meanwhile
--   sandbox  the same in a worker without libraries (libs = {}), which has public modules alone
--
-- Any error is right.  Wrong is a signal: a crash, a broken invariant, a report of a
-- sanitizer; and a function that a sandbox must not have, wherever it comes from.  Functions
-- that are called back look at all that they are given.  A call that waits is interrupted,
-- since main sees that the count of calls stands still; a round in which that is in vain is
-- cut off (a function in C, as table.move is, may have been told to do something for ever).
-- What was called last is told, and the seed of the round, from which
-- --seed=N --rounds=1 --trace goes on.

local conrun = require "conrun"

local PATIENCE = 0.1 -- seconds without a call until the worker is interrupted
local STUCK = 50 -- interruptions in vain
local ENOUGH = 5 -- seconds after which a round makes no more calls, for many of them wait

local options = { seed = os.time(), rounds = 12, calls = 3000, trace = false, kind = "process" }
for _, word in ipairs(arg) do
  local name, value = word:match "^%-%-(%a+)=?(%w*)$"
  if options[name] == nil then
    print "usage: conrun spec/fuzz/calls.lua [--seed=N] [--rounds=N] [--calls=N] [--kind=thread] [--trace]"
    os.exit(word == "--help")
  end
  options[name] = name == "trace" or math.tointeger(tonumber(value)) or value
end

-- ------------------------------------------------------------- names of the modules

-- The Lua modules by their files, the C modules by their names in the source.
local function module_names(command, pattern)
  local names = {}
  local pipe <close> = assert(io.popen(command))
  for line in pipe:lines() do
    local name = line:match(pattern)
    if name then names[#names + 1] = (name:gsub("/init$", ""):gsub("/", ".")) end
  end
  return names
end

local modules = module_names("LC_ALL=C ls lua/conrun/*.lua lua/conrun/*/*.lua", "^lua/(.*)%.lua$")
for _, name in ipairs(module_names("LC_ALL=C sort -u src/lib/*.c", '^ *{"(conrun%.[%w.]+)", luaopen')) do
  modules[#modules + 1] = name
end

-- ------------------------------------------------------------------- in the worker

-- Everything that the round needs is a local from here on, for it overwrites what it
-- can reach.  Its own random numbers: the library's may be missing.
local function round(mode, seed, calls, trace, names, count, doing, stop, forbidden, escaped)
  local pcall, next, type, select, tostring, setmetatable, getmetatable, rawget, rawset, error =
    pcall, next, type, select, tostring, setmetatable, getmetatable, rawget, rawset, error
  local require, print, collectgarbage, load = require, print, collectgarbage, load
  local coroutine_wrap = coroutine and coroutine.wrap
  local add, set, is_set = count.add, doing.set, stop.is_set
  local tonumber = tonumber
  -- A sandbox has no library `table`.
  local function unpack(list, i, n)
    if i > n then return end
    return list[i], unpack(list, i + 1, n)
  end

  local state = seed * 2 + 1
  local function random(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % n + 1
  end
  local function chance(percent) return random(100) <= percent end
  local function pick(list) return list[random(#list)] end

  -- Values are kept by their metatables: each type is met as often as any other.
  local functions, tables, types, type_of = {}, {}, {}, {}
  local seen = {}
  local function insert(list, x) list[#list + 1] = x end
  local find, match = ("").find, ("").match

  -- ------------------------------------------------------------------- discovery

  -- Userdata of other libraries; what these do with wrong arguments is their matter.
  local foreign = {}
  if io then foreign = { io.stdout, (io.open "/dev/null") } end
  for _, name in next, { "lpeg", "cjson" } do
    local ok, m = pcall(require, name)
    if ok then insert(foreign, m.null or m.P(1)) end
  end
  for _, value in next, foreign do
    local meta = getmetatable(value)
    if meta then
      seen[meta] = true
      if type(meta.__index) == "table" then seen[meta.__index] = true end
    end
  end

  -- What a hub and an agent ask of the system is not for strings that happen to be there.
  local has_net, net = pcall(require, "conrun.core.net")
  for _, name in next, { "become", "private_file", "folder", "count_signals", "begin_agent", "carry" } do
    if has_net then seen[net[name]] = true end
  end
  local has_cluster, cluster = pcall(require, "conrun.cluster")
  if has_cluster then seen[cluster.command] = true end

  -- The libraries of Lua are not conrun's, and some of them end the program.
  for _, library in next, { _G, coroutine or {}, table or {}, string or {}, math or {}, os or {}, io or {},
    debug or {}, package or {}, utf8 or {}, package and package.loaded or {}, getmetatable "",
    getmetatable("").__index } do
    seen[library] = true
    for _, value in next, library do
      if type(value) == "function" then seen[value] = true end
    end
  end

  local KEPT = 12 -- of a type
  local function insert_value(value)
    local key = getmetatable(value)
    key = key == nil and type(value) or key
    local list = type_of[key]
    if not list then
      list = {}
      type_of[key] = list
      insert(types, list)
    end
    list[#list < KEPT and #list + 1 or random(KEPT)] = value
  end
  local function pick_value() return pick(pick(types)) end

  local function sorted_keys(t)
    local keys = {}
    for key in next, t do
      if type(key) == "string" or (type(key) == "number" and #keys < 20) then
        local i = #keys
        while i > 0 and tostring(keys[i]) > tostring(key) do
          keys[i + 1] = keys[i]
          i = i - 1
        end
        keys[i + 1] = key
      end
    end
    return keys
  end

  local walk
  local is, tell = escaped.get, escaped.set

  local function escape(path, value)
    if is(escaped) == "" then tell(escaped, path .. " is " .. forbidden[tostring(value)]) end
  end

  local function walk_fields(path, t, owner, depth)
    for _, key in next, sorted_keys(t) do
      walk(path .. "." .. tostring(key), t[key], owner, depth - 1)
    end
  end

  function walk(path, value, owner, depth)
    local kind = type(value)
    if (kind ~= "function" and kind ~= "table" and kind ~= "userdata") or seen[value] or depth == 0 then return end
    seen[value] = true
    if kind == "function" then
      -- Functions of C are known by their addresses, at least in the same process.
      if mode == "sandbox" and forbidden[tostring(value)] then escape(path, value) end
      insert(functions, { path = path, call = value, owner = owner })
      return
    end
    insert_value(value)
    if kind == "table" then
      insert(tables, value)
      pcall(walk_fields, path, value, owner or (getmetatable(value) and value), depth)
    end
    local meta = getmetatable(value)
    if type(meta) == "table" and not seen[meta] then
      seen[meta] = true
      insert(tables, meta)
      pcall(walk_fields, path .. "<meta>", meta, value, depth)
    end
  end

  -- ---------------------------------------------------------------- kinds of values

  local numbers = {
    0, -1, 1, 2, 3, 64, 65, 255, 256, 4096, 65536, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 53, 1 << 59, (1 << 62) + 1,
    0x7fffffffffffffff, -0x7fffffffffffffff - 1, 0.5, -0.0, 1e15, 1e308, -1e308, 1 / 0, -1 / 0, 0 / 0,
  }
  local words = {
    "", "x", "i64", "u8", "f32", "f64", "any", "boolean", "string", "thread", "process", "all", "first", "n",
    "stderr", "info", "a\0b", "conrun", "conrun.queue", "conrun.core.pool", "\xff\xfe", ("long "):rep(4000),
    "%s%d%99999d", "=[conrun", "10", "done", "state", "name", "pid",
  }
  local option_names = {
    "name", "daemon", "memory_limit", "libs", "sandbox", "workers", "kind", "initializer", "initargs",
    "max_tasks_per_worker", "task_timeout", "retries", "timeout", "when", "chunksize", "buffersize",
    "collect_errors", "progress", "action", "running", "cancel", "now", "duplex", "total", "label", "title",
    "width", "height", "first", "step", "count", "message", "n", "value", "traceback", "array", "offset",
    "meeting", "x", "y", "rows",
  }

  local any
  local depth = 0 -- of calls inside calls

  local function nothing() end
  local keep -- below: looks at what it is given
  local function take(...)
    keep(true, ...)
    return any()
  end
  local function raise() error(pick_value()) end
  local function give() return any() end
  local function collect() collectgarbage() return any() end
  local function close_something()
    local object = pick_value()
    local meta = getmetatable(object)
    local close = type(meta) == "table" and (rawget(meta, "__close") or rawget(meta, "__gc"))
    if type(close) == "function" then pcall(close, object) end
    return any()
  end
  local step
  local function call_on(...)
    if depth < 4 then step() end
    return ...
  end
  local callables =
    { take, take, nothing, raise, give, collect, close_something, call_on, print, tostring, error, load, next, pcall }

  -- A table with metamethods of all kinds, each of which gives what it should not.
  local events = { "__index", "__newindex", "__len", "__call", "__tostring", "__name", "__gc", "__close", "__eq",
    "__lt", "__concat", "__pairs", "__mode", "__metatable", "__transfer", "__add", "__unm" }
  local function evil_table()
    local t, meta = {}, {}
    for i = 1, random(4) - 1 do t[i] = any() end
    for _ = 1, random(5) do
      local event = pick(events)
      if event ~= "__gc" or not chance(50) then
        meta[event] = chance(70) and pick(callables) or any()
      end
    end
    -- One that is not called at the last moments, when nothing is interrupted any more.
    return setmetatable(t, meta)
  end

  local function list()
    local t = {}
    for i = 1, random(5) do t[i] = any() end
    return t
  end

  -- What is taken for a list, and lies about its length.
  local function liar()
    local length = pick(numbers)
    return setmetatable(list(), { __len = function() return length end, __index = give, __call = pick(callables) })
  end

  -- Options, some of them as they should be; fields that come and go.
  local function option_table()
    local t = {}
    for _ = 1, random(3) do
      t[pick(option_names)] = chance(40) and pick(words) or chance(40) and pick(numbers) or any()
    end
    if chance(20) then return setmetatable(t, { __index = function() return pick(words) .. pick(numbers) end }) end
    return t
  end

  local nesting = 0
  local kinds = {
    function() return pick(numbers) end,
    function() return pick(words) end,
    function() return nil end,
    function() return chance(50) end,
    function() return pick(callables) end,
    function() return pick(functions).call end,
    function() return pick_value() end,
    function() return pick_value() end,
    function() return pick_value() end,
    evil_table, option_table, option_table, list, liar,
    function() return coroutine_wrap and coroutine_wrap(give) end,
  }
  function any()
    if nesting > 3 then return pick(numbers) end
    nesting = nesting + 1
    local value = pick(kinds)()
    nesting = nesting - 1
    return value
  end

  -- ---------------------------------------------------------------------- the calls

  function keep(ok, ...)
    if not ok then return end
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      local kind = type(value)
      if kind == "userdata" or kind == "table" then
        if #functions > 900 or not pcall(walk, "result", value, nil, 3) then insert_value(value) end
      elseif kind == "function" and not seen[value] then
        local entry = { path = "result", call = value }
        if #functions < 900 then insert(functions, entry) else functions[random(900)] = entry end
      end
    end
  end

  -- A value of the type that an error message named, or what only looks like it.
  local function of_type(name)
    if chance(15) then return any() end
    if find(name, "number") or find(name, "integer") or find(name, "seconds") then return pick(numbers) end
    if find(name, "string") then return pick(words) end
    if find(name, "function") then return pick(callables) end
    if find(name, "table") or find(name, "list") then
      return chance(30) and option_table() or chance(50) and liar() or list()
    end
    for _ = 1, 40 do
      local value = pick_value()
      local meta = getmetatable(value)
      local own = type(meta) == "table" and rawget(meta, "__name")
      if own == name then return value end
    end
    return any()
  end

  -- Takes from an error message which argument should have been of which type.
  local function learn(entry, message)
    if type(message) ~= "string" then return end
    local at, wanted = match(message, "bad argument #(%d+) to '[^']*' %(([^()]-),? expected")
    at = at and tonumber(at)
    if at and at < 8 then
      entry.wanted = entry.wanted or {}
      entry.wanted[at] = wanted
    end
  end

  -- Arguments with which the function went through once, but for one of them; or new ones.
  local function choose(entry)
    local args = { n = random(6) - 1 }
    local good = entry.good and pick(entry.good)
    if good and chance(60) then
      for i = 1, good.n do args[i] = good[i] end
      args.n = good.n
      if chance(60) then args[random(good.n + 1)] = any() end
      return args
    end
    for i = 1, 6 do
      local wanted = entry.wanted and entry.wanted[i]
      args[i] = wanted and of_type(wanted) or not wanted and any()
      if wanted and args.n < i then args.n = i end
    end
    local luck = random(100)
    if luck <= 55 and entry.owner ~= nil then
      args[1] = entry.owner
    elseif luck <= 65 then
      args[1] = pick_value()
    end
    return args
  end

  local function note(entry, args, ok, ...)
    if not ok then return learn(entry, (...)) end
    entry.good = entry.good or {}
    entry.good[#entry.good < 4 and #entry.good + 1 or random(4)] = args
    keep(ok, ...)
  end

  local function call_function()
    local entry = pick(functions)
    pcall(set, doing, entry.path)
    if trace then print(seed, entry.path, entry.owner and type(entry.owner) or "") end
    local args = choose(entry)
    note(entry, args, pcall(entry.call, unpack(args, 1, args.n)))
  end

  -- The same metamethods as the operators call them.
  local operators = {
    function(a, b) return a[b] end,
    function(a, b) a[b] = any() end,
    function(a) return #a end,
    function(a, b) return a == b end,
    function(a, b) return a < b end,
    function(a, b) return a .. b end,
    function(a) return tostring(a) end,
    function(a, ...) return a(...) end,
    function(a) for _ in pairs(a) do if chance(20) then break end end end,
    function(a) for _ in a do if chance(20) then break end end end,
    function(a) local _ <close> = a end,
    function(a, b) return setmetatable({ any(), any() }, getmetatable(a)) == b end,
    function(a, b) return setmetatable({}, { __index = a, __len = a, __call = b, __tostring = b }) end,
    function(a, b) local name = pick(option_names) return a[name](a, b) end,
  }
  local function use_operator()
    pcall(set, doing, "operator")
    keep(pcall(pick(operators), pick_value(), any()))
  end

  -- Tables that conrun itself works with, and the globals that its C code asks for.
  local globals = { "require", "print", "tostring", "string", "table", "math", "debug", "os", "io", "package", "type",
    "setmetatable", "getmetatable", "error", "pcall", "next", "pairs" }
  local function overwrite()
    pcall(set, doing, "overwrite")
    if chance(10) then
      pcall(rawset, _G, pick(globals), any())
    elseif package and chance(10) then
      pcall(rawset, package.loaded, pick(names), any())
    elseif chance(5) then
      pcall(setmetatable, pick(tables), any())
    else
      local t = pick(tables)
      local keys = sorted_keys(t)
      if #keys > 0 then pcall(rawset, t, pick(keys), chance(50) and take or any()) end
    end
  end

  function step()
    depth = depth + 1
    pcall(add, count, 1)
    if mode ~= "plain" and chance(8) then overwrite() end
    local act = chance(80) and call_function or use_operator
    if coroutine_wrap and chance(10) then
      pcall(coroutine_wrap(act))
    else
      act()
    end
    depth = depth - 1
  end

  -- ----------------------------------------------------------------- the beginning

  local function module(name)
    local ok, m = pcall(require, name)
    if ok then walk(name, m, nil, 5) end
    return ok and m or nil
  end

  for _, name in next, names do module(name) end
  if mode == "sandbox" then insert(tables, getmetatable("").__index) end

  -- Constructors that need sensible arguments to give anything; they are remembered.
  local function make(name, f, ...)
    local m = module(name)
    if type(m) ~= "table" then return end
    local results = { pcall(m[f], ...) }
    for _, entry in next, functions do
      if entry.call == m[f] and results[1] then entry.good = { { n = select("#", ...), ... } } end
    end
    for i = 2, #results do walk(name .. "." .. f .. "()", results[i], nil, 5) end
    return results[2]
  end
  for _, again in next, { 1, 2 } do
    local _ = again
    make("conrun.lock", "new"); make("conrun.lock", "recursive")
    make("conrun.condition", "new"); make("conrun.semaphore", "new", 2); make("conrun.semaphore", "bounded", 1)
    make("conrun.event", "new"); make("conrun.barrier", "new", 1); make("conrun.barrier", "new", 2, { timeout = 0 })
    make("conrun.core.barrier", "new", 1)
    local q = make("conrun.queue", "new", 3)
    make("conrun.queue", "lifo"); make("conrun.queue", "priority")
    local closed = make("conrun.queue", "new")
    if closed then pcall(getmetatable(closed).__gc, closed) end
    make("conrun.pipe", "new"); make("conrun.pipe", "new", { duplex = true })
    local future = make("conrun.future", "new")
    make("conrun.pool", "new", { workers = 1, kind = "thread", name = "fuzzed" })
    local pool = make("conrun.pool", "new", { workers = 1, kind = "process", libs = {} })
    make("conrun.shared", "value", "i64", 7); make("conrun.shared", "value", "any", { 1 })
    make("conrun.shared", "array", "u8", 5); make("conrun.shared", "list", { 1, "two", { 3 } })
    make("conrun.shared", "dict", { one = 1, [2] = "two" }); make("conrun.shared", "buffer", 9)
    make("conrun.thread", "start", nothing); make("conrun.thread", "timer", 1000, nothing)
    make("conrun.process", "start", { libs = {} }, nothing)
    make("conrun.range", "new", 1, 10)
    make("conrun.errors", "new", { kind = "task", message = "x" })
    make("conrun.core.pool", "mapping", pool, nothing, false, 2)
    make("conrun.progress", "new", { total = 3 })
    local held = make("conrun.lock", "new")
    if held then walk("guard", held:hold(), nil, 5) end
    if q then pcall(q.put, q, 1) walk("items", q:items(), nil, 5) end
    if future then pcall(future.set_result, future, 1) end
  end
  for _, value in next, foreign do insert_value(value) end

  for _ = 1, calls do
    if is_set(stop) then break end
    depth, nesting = 0, 0
    pcall(step)
    if chance(1) then collectgarbage() end
    if chance(2) then
      -- What a finalizer calls, perhaps when the state is closed.
      setmetatable({}, { __gc = function() depth = depth < 3 and 3 or depth pcall(step) end })
    end
  end
  pcall(set, doing, "its end")
  return #functions
end

-- --------------------------------------------------------------------------- main

-- What a sandbox must not have, by the names that its functions print.
local forbidden = {}
for library, functions in pairs {
  io = { "open", "popen", "lines", "tmpfile", "output", "input" },
  os = { "execute", "remove", "rename", "tmpname", "getenv", "setlocale" },
  debug = { "getregistry", "sethook", "getupvalue", "setupvalue", "upvaluejoin", "getlocal", "setmetatable" },
  package = { "loadlib", "searchpath" },
  _G = { "dofile", "loadfile", "load", "require" },
} do
  for _, name in ipairs(functions) do
    forbidden[tostring(_G[library][name])] = library .. "." .. name
  end
end

local modes = { "plain", "vandal", "sandbox" }
local failed, calls, most = 0, 0, 0

---Waits for the worker's end; interrupts it where it stands still.
---@return string? wrong
local function watch(worker, count, stop)
  local before, vain, started = -1, 0, conrun.clock()
  while not worker:join(PATIENCE) do
    local now = count:get()
    if conrun.clock() > started + ENOUGH then stop:set() end
    vain = now == before and vain + 1 or 0
    if now == before then worker:interrupt() end
    if vain > STUCK and worker.kind == "process" then
      worker:kill()
      worker:join()
      return
    end
    before = now
  end
  local code = worker.exitcode
  if code and code < 0 then return "killed by signal " .. -code end
end

local function play(i)
  local seed, mode = options.seed + i - 1, modes[(options.seed + i) % #modes + 1]
  local count, doing = conrun.shared.value("i64", 0), conrun.shared.value("string", "its beginning")
  local stop, escaped = conrun.event.new(), conrun.shared.value("string", "")
  local start = { memory_limit = 200000000, daemon = true, libs = mode == "sandbox" and {} or nil }
  local worker = conrun[options.kind].start(start, round, mode, seed, options.calls, options.trace, modules,
    count, doing, stop, forbidden, escaped)
  local wrong = watch(worker, count, stop)
  if escaped:get() ~= "" then wrong = "an escape: " .. escaped:get() end
  calls = calls + count:get()
  if wrong then
    failed = failed + 1
    io.stderr:write(("%s round: %s in %s after %d calls; again: --seed=%d --rounds=1 --calls=%d\n"):format(mode, wrong,
      doing:get(), count:get(), seed, options.calls))
    return
  end
  local ok, functions = pcall(worker.result, worker, 0)
  if ok and functions and functions > most then most = functions end
  if options.trace and not ok then io.stderr:write(tostring(functions), "\n", tostring(functions.traceback), "\n") end
end

conrun.on_error(function(e, name)
  if options.trace then io.stderr:write(name, ": ", tostring(e), "\n", tostring(e.traceback), "\n") end
end)
-- Some of the functions write files.
local folder = io.popen("mktemp -d"):read()
assert(require("lfs").chdir(folder))
for i = 1, options.rounds do play(i) end
os.execute("rm -rf " .. folder)
io.stderr:write(("%d functions, %d calls, %d rounds from seed %d\n"):format(most, calls, options.rounds, options.seed))
io.stderr:write(("%d passed, %d failed\n"):format(options.rounds - failed, failed))
os.exit(failed == 0)
