-- SPDX-License-Identifier: MIT
--
-- How do I start processes, and how do they talk?
--
-- A process has a memory of its own: a function sent to it takes along what it
-- names, and what comes back is what it returns, or what it puts in an object
-- that is shared on purpose.

local conrun = require "conrun"
local args = require "conrun.args"
local plot = require "conrun.plot"

args.read(arg, [[
How do I start processes, and how do they talk?

conrun scripts/multiprocessing.lua

Takes no options.]], {})

-- Two processes print in any order.  Where a reader expects one, somebody has to
-- say so: the cube is computed at once, and printed when the square is out.
local square_is_out = conrun.event.new()

local function print_square(n)
  print("Square: " .. n * n)
  square_is_out:set()
end

local function print_cube(n)
  local cube = n * n * n
  square_is_out:wait(20)
  print("Cube: " .. cube)
end

local one = conrun.process.start(print_square, 10)
local two = conrun.process.start(print_cube, 10)
one:join()
two:join()
print "Done!"
print()

local rows = {}
local function show(tool, what, figures, holds)
  rows[#rows + 1] = { tool, what, figures, plot.verdict(holds) }
end

-- Process: a global that it changes stays as it was here.
-- luacheck: globals counter
counter = 1

local function change_global()
  counter = counter + 41
  return counter, conrun.current().pid
end

local worker = conrun.process.start({ name = "Counter" }, change_global)
local theirs, pid = worker:result()
worker:join()
show(
  "Process",
  "memory of its own",
  ("%d there, %d here; exit code %d"):format(
    theirs,
    counter,
    worker.exitcode
  ),
  theirs == 42 and counter == 1 and worker.exitcode == 0 and pid ~= conrun.current().pid
)

-- Pool: many calls, few processes.
local function cube(n)
  return n ^ 3 // 1 | 0
end

do
  local pool <close> = conrun.pool.processes(2)
  local cubes = plot.list(pool:map(cube, conrun.range(1, 5)))
  show("Pool", "map, results in order", cubes, cubes == "[1, 8, 27, 64, 125]")
end

-- Queue: a producer closes it, and that ends the consumer's loop.
local queue = conrun.queue.new(4)

local function produce(last)
  for i = 1, last do
    queue:put(i)
  end
  queue:close()
end

local producer = conrun.process.start(produce, 100)
local sum, items = 0, 0
for item in queue:items() do
  sum, items = sum + item, items + 1
end
producer:join()
show("Queue", "bounded to 4 items", ("%d items, sum %d"):format(items, sum), sum == 5050)

-- Pipe: two ends, each may send and receive.
local near, far = conrun.pipe.new()

local function shout_back(pipe)
  while true do
    local text = pipe:recv()
    if not text then
      return
    end
    pipe:send(text:upper())
  end
end

local echo = conrun.process.start(shout_back, far)
near:send "hello"
local reply = near:recv(20)
near:close()
echo:join()
show("Pipe", "there and back", ("sent hello, received %s"):format(reply), reply == "HELLO")

-- Shared memory: numbers that several processes see and change in place.
local squares = conrun.shared.array("i64", 6)
local total = conrun.shared.value("i64", 0)

local function fill(from, to)
  for i = from, to do
    squares[i] = i * i
    total:add(i * i)
  end
end

local halves = { conrun.process.start(fill, 1, 3), conrun.process.start(fill, 4, 6) }
for _, half in ipairs(halves) do
  half:join()
end
local seen = plot.list(squares:totable())
show(
  "Shared memory",
  "two fill one array",
  ("%s, total %d"):format(seen, total:get()),
  seen == "[1, 4, 9, 16, 25, 36]" and total:get() == 91
)

print(plot.table({ "tool", "shown", "measured", "verdict" }, rows))
