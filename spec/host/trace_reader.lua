-- SPDX-License-Identifier: MIT
--
-- trace_reader: reads a file of Chrome's trace events, and raises for whatever a viewer might
-- shrug off: JSON that is not quite, strings that are no UTF-8, slices that overlap without
-- nesting, pairs of which one half is missing, flows that go back in time or hang in the air.

local reader = {}

---------------------------------------------------------------------------------- JSON

local function parse(text)
  local at = 1
  local function fail(what) error(("%s at byte %d: %q"):format(what, at, text:sub(at, at + 40)), 0) end
  local function skip() at = text:match("^[ \t\r\n]*()", at) end
  local function take(pattern)
    local found, behind = text:match("^(" .. pattern .. ")()", at)
    if found then at = behind end
    return found
  end
  local value

  local function string()
    local s = take '"[^"\\\0-\31]*"'
    if not s then -- with escapes
      local stop = at + 1
      while text:sub(stop, stop) ~= '"' do
        if stop > #text then fail "a string without an end" end
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
      s = text:sub(at, stop)
      local rest = s:sub(2, -2):gsub("\\u%x%x%x%x", ""):gsub('\\["\\/bfnrt]', "")
      if rest:find "[\\\0-\31]" then fail "a bad escape" end
      at = stop + 1
    end
    s = s:sub(2, -2)
    if not utf8.len(s) then fail "a string that is no UTF-8, before this" end
    s = s:gsub("\\u(%x%x%x%x)", function(hex) return utf8.char(tonumber(hex, 16)) end)
    return (s:gsub("\\(.)", { n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }))
  end

  local function members(close, one)
    at = at + 1
    skip()
    if take(close) then return end
    repeat
      skip()
      one()
      skip()
    until not take ","
    if not take(close) then fail "an end was expected" end
  end

  function value()
    skip()
    local c = text:sub(at, at)
    if c == '"' then return string() end
    if c == "{" then
      local object = {}
      members("}", function()
        if text:sub(at, at) ~= '"' then fail "a name was expected" end
        local name = string()
        skip()
        if not take ":" then fail "a colon was expected" end
        if object[name] ~= nil then fail("a second " .. name) end
        object[name] = value()
      end)
      return object
    end
    if c == "[" then
      local list = {}
      members("]", function() list[#list + 1] = value() end)
      return list
    end
    if take "true" then return true end
    if take "false" then return false end
    if take "null" then return "null" end
    local number = take "%-?%d+%.?%d*[eE]?[+-]?%d*"
    if not number or number:find "^%-?0%d" or not tonumber(number) then fail "no value" end
    return tonumber(number)
  end

  local whole = value()
  skip()
  if at <= #text then fail "something behind the end" end
  return whole
end

--- What a text of JSON says; raises if it is not quite JSON.
reader.parse = parse

-------------------------------------------------------------------------------- checks

local function nanoseconds(micros) return math.floor(micros * 1000 + 0.5) end

local function check(condition, format, ...)
  if not condition then error(format:format(...), 0) end
end

local function key(e) return e.pid .. "/" .. e.tid end

-- What a track has must be one within the other, or one behind the other.
local function check_nesting(slices)
  table.sort(slices, function(a, b)
    if a.from ~= b.from then return a.from < b.from end
    return a.to > b.to
  end)
  local open = {}
  for _, e in ipairs(slices) do
    while open[1] and open[#open].to <= e.from do
      open[#open] = nil
    end
    local outer = open[#open]
    check(not outer or e.to <= outer.to, "'%s' (%d-%d) begins in '%s' (%d-%d) and ends behind it", e.name, e.from, e.to,
      outer and outer.name or "", outer and outer.from or 0, outer and outer.to or 0)
    e.outer = outer
    open[#open + 1] = e
  end
end

-- Each name of a pair stands for one beginning and one end behind it.
local function check_pairs(all, what, first, second)
  local halves = {}
  for _, e in ipairs(all) do
    if e.ph == first or e.ph == second then
      check(type(e.id) == "string" and type(e.cat) == "string", "%s without id or category", what)
      local id = e.cat .. "/" .. e.id
      halves[id] = halves[id] or {}
      check(not halves[id][e.ph], "a second '%s' of %s %s", e.ph, what, id)
      halves[id][e.ph] = e
    end
  end
  for id, pair in pairs(halves) do
    check(pair[first] and pair[second], "half a %s: %s", what, id)
    check(pair[first].from <= pair[second].from, "%s %s goes back in time", what, id)
  end
end

-- The slices are sorted, and each knows the one around it.
local function check_bound(flow, slices)
  local low, high = 0, #(slices or {})
  while low < high do
    local middle = (low + high + 1) // 2
    if slices[middle].from <= flow.from then low = middle else high = middle - 1 end
  end
  local e = low > 0 and slices[low]
  while e and e.to < flow.from do
    e = e.outer
  end
  if e then return end
  error(("flow %s/%s at %d is in no slice of track %s"):format(flow.cat, flow.id, flow.from, key(flow)), 0)
end

local phases = { X = true, b = true, e = true, i = true, s = true, f = true, C = true, M = true }

--- Reads and checks.  Returns the events, and the tracks by their names.
function reader.read(text)
  local whole = parse(text)
  local events, slices, tracks = whole.traceEvents, {}, {}
  for _, e in ipairs(events) do
    check(phases[e.ph] and type(e.name) == "string", "an event without phase or name")
    check(math.type(e.pid) == "integer" and math.type(e.tid) == "integer", "'%s' is on no track", e.name)
    if e.ph == "M" then
      if e.name == "thread_name" then tracks[e.args.name] = e end
    else
      check(type(e.ts) == "number" and e.ts >= 0, "'%s' has no time", e.name)
      e.from = nanoseconds(e.ts)
      e.to = e.from + nanoseconds(e.dur or 0)
      check(e.ph ~= "X" or (e.dur or -1) >= 0, "'%s' has no length", e.name)
    end
    if e.ph == "C" then check(type(e.args.value) == "number", "counter '%s' has no value", e.name) end
    if e.ph == "X" then
      slices[key(e)] = slices[key(e)] or {}
      table.insert(slices[key(e)], e)
    end
  end
  for _, list in pairs(slices) do
    check_nesting(list)
  end
  check_pairs(events, "pair", "b", "e")
  check_pairs(events, "flow", "s", "f")
  local named = {}
  for _, track in pairs(tracks) do
    named[key(track)] = true
  end
  for _, e in ipairs(events) do
    if e.ph == "s" or e.ph == "f" then check_bound(e, slices[key(e)]) end
    check(e.ph == "M" or e.ph == "C" or named[key(e)], "track %s has no name", key(e))
  end
  return events, tracks, whole.otherData
end

--- Those events that have all these fields.
function reader.find(events, fields)
  local found = {}
  for _, e in ipairs(events) do
    local all = true
    for name, v in pairs(fields) do
      all = all and e[name] == v
    end
    if all then found[#found + 1] = e end
  end
  return found
end

return reader
