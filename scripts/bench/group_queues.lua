-- SPDX-License-Identifier: MIT
--
-- queues: one sender, one receiver, another strand.  The main strand sends, and
-- the clock stops when it has the receiver's sum.

local conrun = require "conrun"

local function drain(line, count)
  local sum = 0
  for _ = 1, count do
    sum = sum + line:get()
  end
  return sum
end

local function drain_lists(line, count)
  local sum, got = 0, 0
  while got < count do
    local list = line:get_many(1000)
    for i = 1, #list do
      sum = sum + list[i]
    end
    got = got + #list
  end
  return sum
end

local function drain_tables(line, count)
  local sum = 0
  for _ = 1, count do
    sum = sum + line:get().id
  end
  return sum
end

local function ready_then(body, ready, line, count)
  ready:set()
  return body(line, count)
end

-- Seconds from the first item until the worker's sum is here.
local function through(kind, body, send, count)
  local line, ready = conrun.queue.new(), conrun.event.new()
  local worker = conrun[kind].start(ready_then, body, ready, line, count)
  ready:wait()
  local started = conrun.clock()
  send(line, count)
  local sum = worker:result()
  return conrun.clock() - started, sum
end

local function send_numbers(line, count)
  for i = 1, count do
    line:put(i)
  end
end

local function send_lists(line, count)
  local list = conrun.range(1, 1000):totable()
  for _ = 1, count // 1000 do
    line:put_many(list)
  end
end

local function send_tables(line, count)
  local item = { id = 7, name = "item", v = 0.5 }
  for _ = 1, count do
    line:put(item)
  end
end

local function echo(there, back, count)
  for _ = 1, count do
    back:put(there:get())
  end
end

local function ping_pong(kind, count)
  local there, back = conrun.queue.new(), conrun.queue.new()
  local worker = conrun[kind].start(echo, there, back, count + 1)
  there:put(0)
  back:get()
  local sum = 0
  local started = conrun.clock()
  for i = 1, count do
    there:put(i)
    sum = sum + back:get()
  end
  local taken = conrun.clock() - started
  worker:join()
  return taken, sum
end

local function sum_to(count)
  return count * (count + 1) // 2
end

local title = {
  thread = {
    "queue, 1 to 1 thread, small integers",
    "the same by put_many and get_many",
    "queue, 1 to 1 thread, tables {id=,name=,v=}",
    "ping-pong over two queues, threads",
  },
  process = {
    "queue, 1 to 1 process, small integers",
    "the same by put_many and get_many",
    "queue, 1 to 1 process, tables {id=,name=,v=}",
    "ping-pong over two queues, processes",
  },
}

-- One of 100 queues is filled, the selector finds it, and it is emptied.
local function select_one(count)
  local lines, sum = {}, 0
  for i = 1, 100 do
    lines[i] = conrun.queue.new()
  end
  local selector = conrun.select.new(lines)
  local started = conrun.clock()
  for i = 1, count do
    lines[i * 37 % 100 + 1]:put(i)
    sum = sum + selector:wait():get()
  end
  return conrun.clock() - started, sum
end

local rows = {}
for _, kind in ipairs { "thread", "process" } do
  local slow = kind == "process"
  rows[#rows + 1] = {
    name = "queue." .. kind,
    title = title[kind][1],
    unit = "rate",
    count = { 500000, python = slow and 50000 or 500000, floor = 5000000 },
    quick = 2000,
    expect = sum_to,
    conrun = function(count) return through(kind, drain, send_numbers, count) end,
    python = "queue_" .. kind,
    floor = "ring",
    target = { least = 7e6, text = "7 M/s" },
    note = slow and "Python: Pipe, faster than its Queue here"
      or "Python: SimpleQueue, by reference, one thread at a time",
  }
  rows[#rows + 1] = {
    name = "queue.many." .. kind,
    title = title[kind][2],
    unit = "rate",
    count = { 2000000, floor = 5000000 },
    quick = 2000,
    expect = function(count, side)
      return side == "floor" and sum_to(count) or count // 1000 * sum_to(1000)
    end,
    conrun = function(count) return through(kind, drain_lists, send_lists, count) end,
    python = "queue_many_" .. kind,
    floor = "ring",
    target = { least = 20e6, text = "20 M/s" },
    note = slow and "Python: lists of 1000 through a Pipe"
      or "Python: one list of 1000, by reference: nothing is copied",
  }
  rows[#rows + 1] = {
    name = "queue.table." .. kind,
    title = title[kind][3],
    unit = "rate",
    count = { 200000, python = slow and 30000 or 500000, floor = 1000000 },
    quick = 2000,
    expect = function(count) return 7 * count end,
    conrun = function(count) return through(kind, drain_tables, send_tables, count) end,
    python = "queue_table_" .. kind,
    floor = "tables",
    target = {
      least = function(floor) return math.max(1.5e6, 0.6 * floor) end,
      text = "0.6 x floor, 1.5 M/s",
    },
    note = "floor: Lua alone builds one" .. (slow and "" or "; Python: by reference, nothing is copied"),
  }
  rows[#rows + 1] = {
    name = "pingpong." .. kind,
    title = title[kind][4],
    unit = "rate",
    count = { 20000, python = 10000 },
    quick = 500,
    expect = function(count, side) return side == "floor" and count or sum_to(count) end,
    conrun = function(count) return ping_pong(kind, count) end,
    python = "ping_pong_" .. kind,
    floor = "ping_pong",
    target = { least = 150e3, text = "150 k/s" },
    note = "floor: a futex between two threads on one core",
  }
end
rows[#rows + 1] = {
  name = "select",
  title = "put to one of 100 queues, find it by a selector, get",
  unit = "rate",
  count = { 100000, python = 30000 },
  quick = 500,
  expect = function(count) return sum_to(count) end,
  conrun = select_one,
  python = "select_one",
  target = { least = 1e6, text = "1 M/s" },
  note = "Python: 100 pipes and selectors.DefaultSelector, of bytes",
}
return rows
