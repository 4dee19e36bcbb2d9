-- SPDX-License-Identifier: MIT
--
-- data: large values there and back, and the cost of one access to shared ones.

local conrun = require "conrun"

-- Workers that answer until the program ends.
local function echo(pipe)
  while true do
    pipe:send(pipe:recv())
  end
end

local function last_of(pipe)
  while true do
    local array = pipe:recv()
    pipe:send(array[#array])
  end
end

local function echoing(kept, kind, body)
  if not kept.pipe then
    local theirs
    kept.pipe, theirs = conrun.pipe.new()
    kept.worker = conrun[kind].start({ daemon = true }, body, theirs)
  end
  return kept.pipe
end

local function there_and_back(pipe, value)
  local started = conrun.clock()
  pipe:send(value)
  local back = pipe:recv()
  return conrun.clock() - started, back
end

-- In a run, on each side: a program that sends such strings sends more than one.
local string_rounds = 4

local function string_back(kind, count, kept)
  local pipe = echoing(kept, kind, echo)
  kept.data = kept.data or ("x"):rep(count)
  local taken, back = 0, nil
  for _ = 1, string_rounds do
    local once
    once, back = there_and_back(pipe, kept.data)
    taken = taken + once
  end
  return taken / string_rounds, back == kept.data and count or 0
end

local function floats_back(kind, count, kept)
  local pipe = echoing(kept, kind, echo)
  if not kept.data then
    kept.data = {}
    for i = 1, count do
      kept.data[i] = i + 0.5
    end
  end
  local taken, back = there_and_back(pipe, kept.data)
  for i = 1, count do
    if back[i] ~= kept.data[i] then
      return taken, "different at " .. i
    end
  end
  return taken, #back
end

local function array_back(kind, count, kept)
  local pipe = echoing(kept, kind, last_of)
  if not kept.data then
    kept.data = conrun.shared.array("f64", count)
    kept.data[count] = count
    there_and_back(pipe, kept.data)
  end
  local taken, last = there_and_back(pipe, kept.data)
  return taken, math.tointeger(last)
end

local keys = {}
for i = 1, 1000 do
  keys[i] = "key " .. i
end

local function dict_get(count, kept)
  local dict = kept.dict
  if not dict then
    dict = conrun.shared.dict()
    for i, key in ipairs(keys) do
      dict[key] = i
    end
    kept.dict = dict
  end
  local sum = 0
  local started = conrun.clock()
  for _ = 1, count // 1000 do
    for i = 1, 1000 do
      sum = sum + dict[keys[i]]
    end
  end
  return conrun.clock() - started, sum
end

local function dict_set(count)
  local dict = conrun.shared.dict()
  local started = conrun.clock()
  for turn = 1, count // 1000 do
    for i = 1, 1000 do
      dict[keys[i]] = turn
    end
  end
  return conrun.clock() - started, dict[keys[1000]]
end

local function array_get(count)
  local array = conrun.shared.array("f64", 1000)
  for i = 1, 1000 do
    array[i] = i
  end
  local sum = 0
  local started = conrun.clock()
  for _ = 1, count // 1000 do
    for i = 1, 1000 do
      sum = sum + array[i]
    end
  end
  return conrun.clock() - started, math.tointeger(sum)
end

local function array_set(count)
  local array = conrun.shared.array("f64", 1000)
  local started = conrun.clock()
  for turn = 1, count // 1000 do
    for i = 1, 1000 do
      array[i] = turn
    end
  end
  return conrun.clock() - started, math.tointeger(array[1000])
end

local function sum_of_keys(count)
  return count // 1000 * 500500
end

-- Sets count turns; Python counts them from 0, the floor has no array to look into.
local function last_turn(count, side)
  return count // 1000 - (side == "python" and 1 or 0)
end

local rows = {}
for _, kind in ipairs { "thread", "process" } do
  local process = kind == "process"
  local by_reference = not process and "Python's threads share the object: nothing to compare" or nil
  rows[#rows + 1] = {
    name = "string." .. kind,
    title = "64 MB string to a " .. kind .. " and back",
    unit = "total",
    count = 64000000,
    quick = 100000,
    conrun = function(count, kept) return string_back(kind, count, kept) end,
    python = process and "string_process" or nil,
    floor = "copy",
    target = { most = 70e-3, text = "70 ms" },
    note = by_reference or "Python: Pipe.send_bytes; floor: one copy",
  }
  rows[#rows + 1] = {
    name = "floats." .. kind,
    title = "table of 1e6 floats to a " .. kind .. " and back",
    unit = "total",
    count = 1000000,
    quick = 2000,
    conrun = function(count, kept) return floats_back(kind, count, kept) end,
    python = process and "floats_process" or nil,
    floor = "floats",
    target = {
      most = function(floor) return 2.5 * floor end,
      text = "2.5 x floor",
    },
    note = by_reference or "Python: a list through a Pipe; floor: building it in Lua",
  }
  rows[#rows + 1] = {
    name = "array." .. kind,
    title = "shared.array of 1e6 floats to a " .. kind .. ", an answer back",
    unit = "total",
    count = 1000000,
    quick = 2000,
    conrun = function(count, kept) return array_back(kind, count, kept) end,
    python = process and "array_handle_process" or nil,
    target = { most = 0.1e-3, text = "0.1 ms" },
    note = by_reference or "Python: SharedMemory by name",
  }
end

for _, row in ipairs {
  { "dict.get", dict_get, sum_of_keys, "dict_get", "hash_get", 0.25e-6, "0.25 us", 5000 },
  { "dict.set", dict_set, last_turn, "dict_set", "hash_set", 0.25e-6, "0.25 us", 5000 },
  { "array.get", array_get, sum_of_keys, "array_get", "index", 55e-9, "55 ns" },
  { "array.set", array_set, last_turn, "array_set", "newindex", 55e-9, "55 ns" },
} do
  local name, fn, expect, python, floor, most, text, slow = table.unpack(row)
  rows[#rows + 1] = {
    name = name,
    title = "shared " .. name:gsub("%.", ": "),
    unit = "each",
    count = { 1000000, python = slow },
    quick = 2000,
    expect = function(count, side)
      return side == "floor" and floor == "newindex" and count or expect(count, side)
    end,
    conrun = fn,
    python = python,
    floor = floor,
    target = { most = most, text = text },
    note = slow and "Python: Manager().dict(); floor: a method and a hash"
      or "Python: RawArray; floor: a metamethod in C",
  }
end
return rows
