-- SPDX-License-Identifier: MIT
--
-- top: conrun --top, what another program does, again and again.
--
-- Internal: src/host/live.c calls it with the terminal, whose keys come as the bytes that it
-- sends.  Four times a second the program is looked at; the share of time that a strand is
-- busy is the processor time that the kernel has counted for its thread between two looks.
--
-- A frame is a list of lines that fit the terminal.  Where it is narrow, the columns that
-- tell least are left out, so that there is room for what a strand waits for.

local dump = require "conrun.view.dump"
local plot = require "conrun.plot"
local text = require "conrun.text"
local words = require "conrun.view.words"

local top = {}

local PAUSE = 0.25 -- seconds between two looks
local LEAST = 24 -- columns for what a strand waits for; for that others are left out

------------------------------------------------------------------------------- rates

-- Adds to a look what follows from the one before it.
local function compare(seen, before)
  local cpu = {}
  for _, strand in ipairs(before and before.strands or {}) do
    cpu[strand.id] = strand.cpu
  end
  local passed = before and seen.uptime - before.uptime or 0
  if passed > 0 then
    for _, strand in ipairs(seen.strands) do
      local busy = strand.cpu and cpu[strand.id] and (strand.cpu - cpu[strand.id]) / passed
      strand.busy = busy and math.max(0, math.min(1, busy))
    end
    local function finished(look) return look.tasks.done + look.tasks.failed end
    seen.rate = math.max(0, finished(seen) - finished(before)) / passed
  end
end

------------------------------------------------------------------------------ sorting

local function since(strand) return strand.waits and strand.state ~= "idle" and strand.waits.seconds or -1 end

-- By the key that chooses it: its name, and what is largest first.
local sorts = {
  s = { "start" },
  n = { "name", function(strand) return strand.name end, up = true },
  b = { "busy", function(strand) return strand.busy or -1 end },
  w = { "waiting", since },
  m = { "memory", function(strand) return strand.memory or -1 end },
}

-- Strands that are equal stay in the order in which they were found.
local function sorted(strands, sort)
  local value, place, list = sort[2], {}, {}
  for i, strand in ipairs(strands) do
    place[strand], list[i] = i, strand
  end
  if value then
    table.sort(list, function(a, b)
      local x, y = value(a), value(b)
      if x == y then
        return place[a] < place[b]
      end
      return (x < y) == (sort.up == true)
    end)
  end
  return list
end

------------------------------------------------------------------------------ columns

local function percent(share) return share and ("%.0f%%"):format(share * 100) or "-" end

-- From left to right; `rank`: those with the highest go first where there is no room.
local columns = {
  { "STRAND", function(s) return words.clean(s.name) end, most = 20 },
  { "KIND", function(s) return s.kind end, rank = 4 },
  { "PID", function(s) return tostring(s.pid) end, rank = 6, right = true },
  { "STATE", function(s) return s.state end },
  { "BUSY", function(s) return percent(s.busy) end, right = true },
  { "MEMORY", function(s) return words.size(s.memory) end, rank = 5, right = true },
  { "TASK", function(s) return s.pool_name and ("%s %s"):format(s.pool_name, s.task or "") or "" end, rank = 2,
    most = 24 },
  { "SINCE", function(s) return s.waits and words.time(s.waits.seconds) or "" end, rank = 1, right = true },
}
local LAST = "WAITS FOR"

-- The columns that there is room for, each with its width.
local function choose(strands, room)
  local chosen, sum = {}, 0
  for _, column in ipairs(columns) do
    local width = #column[1]
    for _, strand in ipairs(strands) do
      width = math.max(width, text.width(column[2](strand)))
    end
    width = math.min(width, column.most or width)
    chosen[#chosen + 1], sum = { column, width }, sum + width + 2
  end
  while sum + LEAST > room do
    local least, at = 0, nil
    for i, pair in ipairs(chosen) do
      if (pair[1].rank or 0) > least then
        least, at = pair[1].rank, i
      end
    end
    if not at then
      break
    end
    sum = sum - table.remove(chosen, at)[2] - 2
  end
  return chosen
end

local function cells(chosen, of, last)
  local parts = {}
  for i, pair in ipairs(chosen) do
    local column, width = pair[1], pair[2]
    parts[i] = text.pad(text.clip(of(column), width, "…"), width, column.right and "right" or "left")
  end
  parts[#parts + 1] = last
  return table.concat(parts, "  ")
end

local shades = { running = "32", calling = "36", stopped = "31", gone = "31", idle = "2" }

local function strand_lines(seen, shown)
  local names, lines = words.pools(seen), {}
  for _, strand in ipairs(seen.strands) do
    strand.pool_name = names[strand.pool]
  end
  local chosen = choose(seen.strands, shown.columns)
  for i, strand in ipairs(sorted(seen.strands, shown.sort)) do
    local line = cells(chosen, function(column) return column[2](strand) end, words.doing(strand))
    lines[i] = { line, shades[strand.state] }
  end
  return cells(chosen, function(column) return column[1] end, LAST), lines
end

local function object_lines(seen)
  local rows, lines = {}, {}
  local function add(name, object, inside)
    rows[#rows + 1] = { name, ("%7d"):format(object.waiting),
      ("%7s"):format(object.longest and words.time(object.longest) or ""), inside }
  end
  for _, pool in ipairs(seen.pools) do
    add(("pool '%s'"):format(words.clean(pool.name)), pool, words.pool(pool))
  end
  for _, object in ipairs(seen.objects) do
    add(("%s %d"):format(object.type, object.id), object, words.inside(object))
  end
  local width = 20
  for _, row in ipairs(rows) do
    width = math.min(30, math.max(width, text.width(row[1])))
  end
  local function line(row)
    return text.pad(text.clip(row[1], width, "…"), width) .. "  " .. table.concat(row, "  ", 2)
  end
  for i, row in ipairs(rows) do
    lines[i] = { line(row), tonumber(row[2]) > 0 and "33" or nil }
  end
  return line { "OBJECT", "WAITERS", "LONGEST", "WHAT IS IN IT" }, lines
end

------------------------------------------------------------------------------- a frame

local function head(seen, shown)
  local lines = words.head(seen, "shared")
  lines[#lines] = lines[#lines] .. (seen.rate and (", %.0f/s"):format(seen.rate) or "")
    .. (shown.paused and "   PAUSED" or "")
  return lines
end

local function foot(shown)
  if shown.objects then
    return "q quit  p pause  o strands  arrows scroll"
  end
  return ("q quit  p pause  o locks, queues, pools  sort: s start n name b busy w waiting m memory (%s)")
    :format(shown.sort[1])
end

-- Lines of a frame, each { text, colour }; the terminal's last row is the foot.
local function frame(seen, shown)
  local lines = {}
  for i, line in ipairs(head(seen, shown)) do
    lines[i] = { line, i == 1 and "1" or nil }
  end
  local title, rows = (shown.objects and object_lines or strand_lines)(seen, shown)
  local room = math.max(1, shown.rows - #lines - 2)
  shown.page = room
  shown.first = math.max(1, math.min(shown.first, #rows - room + 1))
  lines[#lines + 1] = { title, "7", fill = true }
  table.move(rows, shown.first, math.min(#rows, shown.first + room - 1), #lines + 1, lines)
  while #lines < shown.rows - 1 do
    lines[#lines + 1] = { "" }
  end
  local below = #rows - (shown.first + room - 1)
  lines[shown.rows] = { (below > 0 and ("%d more  "):format(below) or "") .. foot(shown), "2" }
  return lines
end

-- What a terminal without UTF-8 would take for several characters.
local function plain(line)
  return (line:gsub("…", "."):gsub(utf8.charpattern, function(c) return #c > 1 and "?" or c end))
end

local function draw(terminal, seen, shown)
  shown.columns, shown.rows = terminal.size()
  local parts = {}
  for i, line in ipairs(frame(seen, shown)) do
    if i > shown.rows then
      break
    end
    local part = text.clip(shown.utf8 and line[1] or plain(line[1]), shown.columns, "")
    part = line.fill and text.pad(part, shown.columns) or part
    local color = line[2] and (terminal.colors or not line[2]:find "^3")
    parts[i] = (color and "\27[%sm%s\27[0m\27[K" or "%s%s\27[K"):format(color and line[2] or "", part)
  end
  terminal.draw("\27[H" .. table.concat(parts, "\r\n") .. "\27[J")
end

-------------------------------------------------------------------------------- keys

local function scroll(by) return function(shown) shown.first = shown.first + by(shown) end end

local keys = {
  p = function(shown) shown.paused = not shown.paused end,
  o = function(shown) shown.objects, shown.first = not shown.objects, 1 end,
  ["\27[A"] = scroll(function() return -1 end),
  ["\27[B"] = scroll(function() return 1 end),
  ["\27[5~"] = scroll(function(shown) return -shown.page end),
  ["\27[6~"] = scroll(function(shown) return shown.page end),
  ["\27[H"] = function(shown) shown.first = 1 end,
  ["\27[F"] = function(shown) shown.first = math.maxinteger // 2 end,
}
keys[" "], keys["\t"], keys.k, keys.j = keys.p, keys.o, keys["\27[A"], keys["\27[B"]
for _, letter in ipairs { "A", "B", "H", "F" } do
  keys["\27O" .. letter] = keys["\27[" .. letter] -- as some terminals send them
end
for key, sort in pairs(sorts) do
  keys[key] = function(shown) shown.sort, shown.first = sort, 1 end
end

-- False: the person wants to leave.
local function press(typed, shown)
  local at = 1
  while at <= #typed do
    local key = typed:match("^\27[%[O][%d;]*[%a~]", at) or typed:sub(at, at)
    if key == "q" then
      return false
    elseif keys[key] then
      keys[key](shown)
    end
    at = at + #key
  end
  return true
end

--- Shows the program until the person leaves, or it ends.
---@param chosen table the program, open
---@param terminal table key, size, draw, colors
---@return string? text to print if the program has ended
function top.run(chosen, terminal)
  local shown = { sort = sorts.s, first = 1, page = 1, utf8 = plot.unicode() }
  local seen, typed
  local clock = require "conrun".clock
  local due = 0
  repeat
    if not seen or clock() >= due and not shown.paused then
      local now = chosen:look()
      if not now then
        return ("process %d has ended\n"):format(seen and seen.pid or chosen.asked)
      end
      compare(now, seen)
      seen, due = now, clock() + PAUSE
    end
    draw(terminal, seen, shown)
    typed = terminal.key(shown.paused and PAUSE or math.max(0, due - clock()))
  until not typed or not press(typed, shown)
end

--- The program to show; off a terminal what --dump says of it is all there is.
---@param pid integer 0: whichever there is
---@return table? program
---@return string? message
---@return string? list
function top.choose(pid) return dump.choose(pid, "--top") end

return top
