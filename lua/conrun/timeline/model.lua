-- SPDX-License-Identifier: MIT
--
-- model: what the events of a trace mean.
--
-- Events lie in parts, a part has events of one strand (src/base/trace.h).  This module goes
-- through them twice: once for what must be known before anything can be said (who is who,
-- which flows have both their ends), and once, strand by strand, to tell a sink what
-- happened:
--
--   sink.slice(strand, start, stop, kind, name, args)    on one strand they nest
--   sink.hold(strand, start, stop, lock, args)           they need not
--   sink.point(strand, time, name, args)
--   sink.flow(strand, time, kind, id, begins)            it lies in a slice of that strand
--   sink.counter(strand, time, name, value)
--   sink.level(pool or queue, time, value)               by time; strand is nil
--
-- Kinds of slices: "task", "wait", "idle" (a worker that waits for a task), "span", and "call"
-- for what takes no time worth telling: submit, result, put, get.  Times are nanoseconds since the
-- trace began.  `args` is a list of names and values by turns.

local model = {}

---------------------------------------------------------------------- what is known first

local POST, START, SETTLED, TAKEN = 1, 2, 4, 8

-- The strands in the order in which they were seen first, each with its parts in order.
local function gather(core)
  local strands, by_id, i = {}, {}, 1
  local part = core.part(i)
  while part do
    if part.records > 0 then
      local strand = by_id[part.strand]
      if not strand then
        strand = { id = part.strand, name = part.name, pid = part.pid, tid = part.tid, kind = part.kind, parts = {} }
        by_id[part.strand] = strand
        strands[#strands + 1] = strand
      end
      strand.parts[#strand.parts + 1] = { number = i, turn = part.turn }
    end
    i = i + 1
    part = core.part(i)
  end
  for _, strand in ipairs(strands) do
    table.sort(strand.parts, function(a, b) return a.turn < b.turn end)
  end
  table.sort(strands, function(a, b) return a.parts[1].turn < b.parts[1].turn end)
  return strands, by_id
end

local function each_event(core, strand, fn)
  for _, part in ipairs(strand.parts) do
    core.each(part.number, fn)
  end
end

-- What of each future was seen, and which items of each queue.
local function survey(core, strands)
  local known = { seen = {}, taken = {}, started = {}, pools = {}, deaths = {}, put = {}, got = {}, files = {} }
  known.last = 0
  local seen = known.seen
  local function note(object, bit) seen[object] = (seen[object] or 0) | bit end
  local function items(list, object, number, count, order)
    if order ~= 0 then return end -- only in a FIFO queue the item that is put as the n-th is got as the n-th
    local of = list[object] or {}
    list[object] = of
    for n = number, number + count - 1 do
      of[n] = true
    end
  end
  local notes = {
    post = function(object) note(object, POST) end,
    start = function(object) note(object, START) end,
    settled = function(object) note(object, SETTLED) end,
    taken = function(object) note(object, TAKEN) end,
    put = function(object, number, count, what) items(known.put, object, number, count, what) end,
    got = function(object, number, count, what) items(known.got, object, number, count, what) end,
    pool = function(object, _, _, _, text) known.pools[object] = text end,
    death = function(object, number, _, _, _, time) known.deaths[object] = { time = time, status = number } end,
  }
  for _, strand in ipairs(strands) do
    each_event(core, strand, function(saw, time, what, count, object, number, text)
      strand.first = strand.first or time
      strand.last = time
      if time > known.last then known.last = time end
      local fn = notes[saw]
      if fn then fn(object, number, count, what, text, time) end
    end)
  end
  return known
end

------------------------------------------------------------------------------- names

-- The name that the function has where it is defined: the trace knows the line.
local function function_name(known, path, line)
  local lines = known.files[path]
  if lines == nil then
    lines = false
    local file = io.open(path)
    if file then
      lines = {}
      for text in file:lines() do
        lines[#lines + 1] = text
      end
      file:close()
    end
    known.files[path] = lines
  end
  local text = lines and lines[line]
  local name = text and (text:match "function%s+([%a_][%w_.:]*)%s*%(" or text:match "([%a_][%w_.]*)%s*=%s*function")
  local at = path:match "[^/]*$" .. ":" .. line
  return name or at, at
end

local function object_name(core, kind, number)
  local name = core.types[kind] or "part of a shared object"
  return number > 0 and name .. " " .. number or name
end

--------------------------------------------------------------------- the second passage

-- What one strand did.  `open` is the stack of what has begun and not ended.
local function replay(core, strands, known, strand, sink)
  local open, locks = {}, {}
  local call -- the last slice without length: things of one moment share it
  local died = known.deaths[strand.id]
  local the_end = died and died.time > strand.last and died.time or strand.last
  if strand.kind == "main" then the_end = known.last end

  local function close(entry, time)
    local args = entry.args
    if entry.unfinished then
      args[#args + 1] = "unfinished"
      args[#args + 1] = true
    end
    sink.slice(strand, entry.start, time, entry.kind, entry.name, args, entry)
  end

  local function push(kind, time, name, args, key)
    open[#open + 1] = { kind = kind, start = time, name = name, args = args, key = key }
    return open[#open]
  end

  local function find(kind, key)
    for i = #open, 1, -1 do
      if open[i].kind == kind and (key == nil or open[i].key == key) then return i end
    end
  end

  -- Ends the entry and those that are above it, which were left by an error.
  local function pop(i, time)
    for above = #open, i, -1 do
      close(open[above], time)
      open[above] = nil
    end
  end

  local function moment(time, name, args)
    if call and call.time == time and call.name == name then return end
    call = { time = time, name = name }
    sink.slice(strand, time, time + 1, "call", name, args)
  end

  local function has(object, bits) return (known.seen[object] or 0) & bits == bits end

  local function flow_items(time, list, kind, object, number, count, begins)
    local other = list[object]
    for n = number, number + count - 1 do
      if other and other[n] then sink.flow(strand, time, kind, object .. "." .. n, begins) end
    end
  end

  local on = {}

  function on.park(time, what, count, object, number, text)
    local verb = core.waits[what] or "wait"
    local args = {}
    if verb == "idle" then
      push("idle", time, "idle", { "pool", known.pools[object] or object }, "wait")
      return
    end
    local name = verb
    if count > 0 or object > 0 then name = verb .. " " .. object_name(core, count, object) end
    if text ~= "" then
      args[1], args[2] = "at", text
    end
    local holder = strands[number]
    if number ~= 0 then
      args[#args + 1] = "held by"
      args[#args + 1] = holder and holder.name or "a strand that the trace has nothing of"
    end
    local entry = push("wait", time, name, args, "wait")
    entry.object = object
    entry.verb = verb
  end

  function on.resume(time)
    local top = open[#open]
    if top and top.key == "wait" then pop(#open, time) end
  end

  function on.took(time, _, _, object) locks[object] = time end

  function on.gave(time, _, _, object, number, text)
    local start = locks[object]
    locks[object] = nil
    local args = number > 0 and { "taken at", text .. ":" .. number } or {}
    if start then sink.hold(strand, start, time, object, args) end
  end

  function on.put(time, what, count, object, number)
    moment(time, "put queue " .. object, { "items", count })
    if what == 0 then flow_items(time, known.got, "item", object, number, count, true) end
    sink.level("queue", object, time, number + count, nil)
  end

  function on.got(time, what, count, object, number)
    moment(time, "get queue " .. object, { "items", count })
    if what == 0 then flow_items(time, known.put, "item", object, number, count, false) end
    sink.level("queue", object, time, nil, number + count)
  end

  function on.post(time, _, _, object, number)
    moment(time, "submit", { "pool", known.pools[number] or number })
    if has(object, POST | START) then sink.flow(strand, time, "task", object, true) end
    sink.level("line", number, time, 1)
  end

  function on.start(time, _, count, object, number)
    local args = { "bytes of arguments", count }
    if number ~= 0 then
      args[3], args[4] = "pool", known.pools[number] or number
      sink.level("line", number, time, -1)
      sink.level("busy", number, time, 1)
    end
    local entry = push("task", time, "task", args, object)
    entry.pool = number
    if has(object, POST | START) and not known.started[object] then
      known.started[object] = true -- a task whose worker died may be tried again
      sink.flow(strand, time, "task", object, false)
    end
  end

  function on.name(_, _, count, object, number, text)
    local i = find("task", object)
    if not i then return end
    local args, name, at = open[i].args, "a function of C", "C"
    if number > 0 then
      name, at = function_name(known, text, number)
    end
    open[i].name = name
    args[#args + 1] = "function"
    args[#args + 1] = at
    if count > 1 then
      args[#args + 1] = "elements"
      args[#args + 1] = count
    end
  end

  function on.settled(time, what, count, object)
    local i = find("task", object)
    if i then
      local args = open[i].args
      open[i].outcome = core.outcomes[what]
      args[#args + 1] = "result"
      args[#args + 1] = core.outcomes[what]
      args[#args + 1] = "bytes of result"
      args[#args + 1] = count
    else
      moment(time, "settle future " .. object, { "result", core.outcomes[what] })
    end
    if has(object, SETTLED | TAKEN) then sink.flow(strand, time, "result", object, true) end
  end

  function on.over(time, _, _, object, number)
    local i = find("task", object)
    sink.counter(strand, time, "shared memory", number)
    if not i then return end
    local pool = open[i].pool
    pop(i, time)
    if pool ~= 0 then sink.level("busy", pool, time, -1) end
  end

  function on.taken(time, _, _, object)
    if not has(object, SETTLED | TAKEN) or known.taken[object] then return end
    known.taken[object] = true -- further takings of the same are no news
    moment(time, "result", {})
    sink.flow(strand, time, "result", object, false)
  end

  function on.mark(time, _, _, _, _, text) sink.point(strand, time, text, {}) end

  function on.open(time, _, _, _, number, text) push("span", time, text, {}, number) end

  -- A span that is closed while something that began in it goes on does not nest.
  function on.close(time, _, _, _, number)
    local i = find("span", number)
    if i == #open and i then
      pop(i, time)
    elseif i then
      local entry = table.remove(open, i)
      sink.hold(strand, entry.start, time, nil, entry.args, entry.name)
    end
  end

  function on.counter(time, _, _, _, number, text) sink.counter(strand, time, text, number) end

  each_event(core, strand, function(saw, time, what, count, object, number, text)
    local fn = on[saw]
    if fn then fn(time, what, count, object, number, text) end
  end)

  for _, entry in ipairs(open) do
    entry.unfinished = true
    if entry.kind == "task" and entry.pool ~= 0 then sink.level("busy", entry.pool, the_end, -1) end
  end
  if #open > 0 then pop(1, the_end) end
  for lock, start in pairs(locks) do
    sink.hold(strand, start, the_end, lock, { "unfinished", true })
  end
  if died and died.status < 0 then
    sink.point(strand, the_end, "killed by signal " .. -died.status, {})
  end
end

---------------------------------------------------------------------------- the whole

-- Levels as they were at each time: sums of changes, or what was put less what was got.
local function levels(known, changes, sink)
  for _, kind in ipairs { "busy", "line", "queue" } do
    for object, list in pairs(changes[kind]) do
      table.sort(list, function(a, b) return a[1] < b[1] end)
      local put, got, level, least = 0, 0, 0, 0
      if kind == "queue" then
        put = list[1][2] and list[1][2] - 1 or list[1][3] -- of what came before the trace remembers, nothing is known
        got = list[1][3] and list[1][3] - 1 or 0
      end
      for _, change in ipairs(list) do -- in a trace that lost its beginning, the ends may outnumber it
        if kind ~= "queue" then
          level = level + change[2]
          least = math.min(least, level)
        end
      end
      level = -least
      for _, change in ipairs(list) do
        if kind == "queue" then
          put = math.max(put, change[2] or 0)
          got = math.max(got, change[3] or 0)
          level = math.max(0, put - got)
        else
          level = level + change[2]
        end
        local pool = known.pools[object] or "pool " .. object
        local name = kind == "queue" and "queue " .. object
          or pool .. (kind == "busy" and ": busy" or ": in line")
        sink.level(name, change[1], level)
      end
    end
  end
end

--- Reads the trace and tells the sink.  Returns the strands and what is known of the whole.
function model.tell(core, make_sink)
  local strands, by_id = gather(core)
  local known = survey(core, strands)
  local changes = { busy = {}, line = {}, queue = {} }
  local sink = make_sink(strands, known)
  local told = setmetatable({
    level = function(kind, object, time, a, b)
      local list = changes[kind][object] or {}
      changes[kind][object] = list
      list[#list + 1] = { time, a, b }
    end,
  }, { __index = sink })
  for _, strand in ipairs(strands) do
    replay(core, by_id, known, strand, told)
  end
  levels(known, changes, sink)
  return strands, known
end

return model
