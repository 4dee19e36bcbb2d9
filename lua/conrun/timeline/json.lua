-- SPDX-License-Identifier: MIT
--
-- json: a trace in the format of Chrome's trace events, which Perfetto and speedscope open.
--
-- A track for each strand, by its pid and tid.  Tasks, waits and spans are complete events
-- ("X"), which nest; lock holds, which need not nest, are pairs of asynchronous ones ("b",
-- "e"); flows are pairs "s" and "f", each at a moment within a slice of its track; levels are
-- counters.  One event is one line.

local model = require "conrun.timeline.model"

local text = require "conrun.timeline.text"

local quote = text.quote

-- Microseconds, of which the format has whole ones with a fraction.
local function micros(time)
  if time < 0 then time = 0 end
  return ("%d.%03d"):format(time // 1000, time % 1000)
end

local function pairs_of(args)
  local list = ""
  for i = 1, #args, 2 do
    list = list .. (i > 1 and "," or "") .. quote(args[i]) .. ":" .. text.value(args[i + 1])
  end
  return "{" .. list .. "}"
end

return function(core)
  local write, finish = text.writer(core.write)
  local first = true

  local function put(line)
    write(first and line or ",\n" .. line)
    first = false
  end

  -- What all events have, and a rest that begins with a comma or is empty.
  local function event(phase, strand, time, name, rest)
    local track = ',"pid":' .. strand.pid .. ',"tid":' .. strand.tid .. ',"ts":'
    put('{"ph":"' .. phase .. '","name":' .. quote(name) .. track .. micros(time) .. rest .. "}")
  end

  local function make_sink(strands)
    local main = { pid = strands[1].pid, tid = strands[1].pid }
    local sink = {}

    function sink.slice(strand, start, stop, kind, name, args)
      local rest = ',"dur":' .. micros(stop - start) .. ',"cat":"' .. kind .. '","args":' .. pairs_of(args)
      event("X", strand, start, name, rest)
    end

    local holds = 0
    function sink.hold(strand, start, stop, lock, args, name)
      holds = holds + 1
      name = name or "hold lock " .. lock
      local rest = (',"cat":"%s","id":"h%d"'):format(lock and "lock" or "span", holds)
      event("b", strand, start, name, rest .. ',"args":' .. pairs_of(args))
      event("e", strand, stop, name, rest)
    end

    function sink.point(strand, time, name, args)
      event("i", strand, time, name, ',"s":"t","cat":"mark","args":' .. pairs_of(args))
    end

    function sink.flow(strand, time, kind, id, begins)
      local rest = (',"cat":"%s","id":"%s%s"'):format(kind, kind:sub(1, 1), id)
      event(begins and "s" or "f", strand, time, kind, begins and rest or rest .. ',"bp":"e"')
    end

    function sink.counter(strand, time, name, value)
      local of = name == "shared memory" and main or strand
      event("C", of, time, name, ',"args":{"value":' .. text.value(value) .. "}")
    end

    function sink.level(name, time, value) sink.counter(main, time, name, value) end

    return sink
  end

  -- What a viewer calls a process or a track, and where it draws it.
  local function say(strand, what, field, value)
    local line = '{"ph":"M","name":"%s","pid":%d,"tid":%d,"args":{"%s":%s}}'
    put(line:format(what, strand.pid, strand.tid, field, text.value(value)))
  end

  write '{"displayTimeUnit":"ns","traceEvents":[\n'
  local strands = model.tell(core, make_sink)

  -- A thread of the system may have run several strands, one after the other.
  local named, processes = {}, {}
  for _, strand in ipairs(strands) do
    local key = strand.pid .. " " .. strand.tid
    named[key] = named[key] and named[key] .. ", " .. strand.name or strand.name
    if not processes[strand.pid] then
      processes[strand.pid] = true
      say(strand, "process_name", "name", "conrun: " .. strand.name)
    end
  end
  for place, strand in ipairs(strands) do
    local key = strand.pid .. " " .. strand.tid
    if named[key] then
      say(strand, "thread_name", "name", named[key])
      say(strand, "thread_sort_index", "sort_index", place)
      named[key] = nil
    end
  end
  write(('\n],"otherData":{"program":"conrun %s","began":%s,"events written over":%d,"events lost":%d}}\n'):format(
    core.version, text.value(core.day), core.over, core.lost))
  finish()
end
