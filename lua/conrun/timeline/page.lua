-- SPDX-License-Identifier: MIT
--
-- page: a trace as one page of HTML, which needs nothing but a browser.
--
-- The page has the data as JSON, a style and a script, which draws.  Names stand in a list and
-- are told by their place in it, since a program has few and says them often.
--
--   strands    [name, kind, pid, tid, first, last]
--   slices     [strand, start, length, kind, name, args, future]    strands and names from 0
--   holds      [strand, start, length, name, args]
--   points     [strand, time, name]
--   flows      [kind, id, strand, time, begins]
--   levels     name -> [time, value, time, value ...]

local model = require "conrun.timeline.model"
local text = require "conrun.timeline.text"

local kinds = { task = 0, wait = 1, idle = 2, span = 3, call = 4 }
local flow_kinds = { task = 0, result = 1, item = 2 }

local head = [[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>conrun timeline</title>
<style>
%s</style>
</head>
<body>
<header>
<h1>conrun timeline</h1>
<p id="facts"></p>
</header>
<noscript><p>The timeline is drawn by a script within this page, which your browser does not run.</p></noscript>
<div id="tools" role="toolbar" aria-label="view">
<input id="search" type="search" placeholder="search (press /)" aria-label="search">
<output id="found"></output>
<button id="whole" type="button">whole run (0)</button>
<button id="path" type="button" aria-pressed="false">critical path (c)</button>
</div>
<div id="lanes"><canvas id="canvas" tabindex="0" role="application"
  aria-label="lanes of the strands; the keys are listed below"></canvas><div id="room"></div></div>
<div id="detail" aria-live="polite">Point at something, or press the arrow keys.</div>
<p id="legend"></p>
<details open><summary>Tasks</summary><div class="table"><table id="tasks"></table></div></details>
<details open><summary>Locks</summary><div class="table"><table id="locks"></table></div></details>
<details open><summary>Strands</summary><div class="table"><table id="strands"></table></div></details>
<details open><summary>Keys</summary>
<p><kbd>w</kbd> <kbd>s</kbd> or the wheel: nearer, farther; <kbd>a</kbd> <kbd>d</kbd> or dragging: earlier, later;
<kbd>&larr;</kbd> <kbd>&rarr;</kbd> previous and next on the strand, <kbd>&uarr;</kbd> <kbd>&darr;</kbd> the strand
above and below; <kbd>Enter</kbd> zooms to what is chosen; <kbd>0</kbd> the whole run; <kbd>c</kbd> critical path;
<kbd>/</kbd> search, then <kbd>n</kbd> and <kbd>N</kbd> go through what was found;
shift and the wheel: other lanes.</p>
</details>
<script id="data" type="application/json">
]]

local tail = [[
</script>
<script>
%s</script>
</body>
</html>
]]

return function(core)
  local write, finish = text.writer(core.write)
  local names, place, count = {}, {}, 0
  local slices, holds, points, flows, levels, order = {}, {}, {}, {}, {}, {}

  local function name_of(name)
    if not place[name] then
      names[#names + 1] = text.quote(name)
      place[name] = count
      count = count + 1
    end
    return place[name]
  end

  local function args_of(args)
    local list = {}
    for i = 1, #args, 2 do
      list[#list + 1] = text.quote(args[i]) .. ":" .. text.value(args[i + 1])
    end
    return "{" .. table.concat(list, ",") .. "}"
  end

  local function make_sink(strands)
    for i, strand in ipairs(strands) do
      strand.place = i - 1
    end
    local sink = {}

    function sink.slice(strand, start, stop, kind, name, args, entry)
      local future = entry and (kind == "task" and entry.key or entry.verb == "result" and entry.object) or 0
      slices[#slices + 1] = ("[%d,%d,%d,%d,%d,%s,%d]"):format(strand.place, start, stop - start, kinds[kind],
        name_of(name), args_of(args), future)
    end

    function sink.hold(strand, start, stop, lock, args, name)
      holds[#holds + 1] = ("[%d,%d,%d,%d,%s]"):format(strand.place, start, stop - start,
        name_of(name or "lock " .. lock), args_of(args))
    end

    function sink.point(strand, time, name)
      points[#points + 1] = ("[%d,%d,%d]"):format(strand.place, time, name_of(name))
    end

    function sink.flow(strand, time, kind, id, begins)
      local begin = begins and 1 or 0
      id = text.quote(tostring(id))
      flows[#flows + 1] = ("[%d,%s,%d,%d,%d]"):format(flow_kinds[kind], id, strand.place, time, begin)
    end

    function sink.level(name, time, value)
      if not levels[name] then
        levels[name] = {}
        order[#order + 1] = name
      end
      local list = levels[name]
      list[#list + 1] = { time, text.value(value) }
    end

    function sink.counter(_, time, name, value) sink.level(name, time, value) end

    return sink
  end

  local strands = model.tell(core, make_sink)

  local function put(name, list)
    write(('"%s":['):format(name))
    for i, item in ipairs(list) do
      write(i > 1 and ",\n" or "\n")
      write(item)
    end
    write "],\n"
  end

  write(head:format(require "conrun.timeline.style"))
  write(('{"program":"conrun %s","began":%s,'):format(core.version, text.value(core.day)))
  write(('"over":%d,"lost":%d,\n'):format(core.over, core.lost))
  local rows = {}
  for _, strand in ipairs(strands) do
    rows[#rows + 1] = ("[%s,%s,%d,%d,%d,%d]"):format(text.quote(strand.name), text.quote(strand.kind), strand.pid,
      strand.tid, strand.first, strand.last)
  end
  put("strands", rows)
  put("slices", slices)
  put("holds", holds)
  put("points", points)
  put("flows", flows)
  put("names", names)
  table.sort(order)
  rows = {}
  for _, name in ipairs(order) do
    local list = levels[name]
    table.sort(list, function(a, b) return a[1] < b[1] end)
    local numbers = {}
    for i, level in ipairs(list) do
      numbers[i] = level[1] .. "," .. level[2]
    end
    rows[#rows + 1] = ("[%s,[%s]]"):format(text.quote(name), table.concat(numbers, ","))
  end
  put("levels", rows)
  write '"end":0}\n'
  write((tail:gsub("%%s", function() return require "conrun.timeline.look" .. require "conrun.timeline.draw" end)))
  finish()
end
