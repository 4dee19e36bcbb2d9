-- SPDX-License-Identifier: MIT
--
-- Dining philosophers: what does lock order prevent?
--
-- Each philosopher needs the fork to the left and the fork to the right.  If all
-- take the left one first, all can hold one and wait for ever for the other.  If
-- everyone takes the fork with the lower number first, the one who sits between
-- the last fork and the first reaches for the first like his neighbour, and
-- somebody always has two.

local conrun = require "conrun"
local args = require "conrun.args"
local plot = require "conrun.plot"

local usage = [[
Dining philosophers: what does lock order prevent?

conrun scripts/philosophers.lua [--count=5] [--meals=100]
                                [--kind=thread|process]
                                [--order=both|left|number]

  --count=5      philosophers, and forks
  --meals=100    that each wants to eat
  --order=left   only the table where everybody takes the left fork first
  --order=number only the table where the lower fork comes first
]]

local options = args.read(arg, usage, {
  count = { 5, most = 1000 },
  meals = { 100, most = 1000000 },
  kind = { "thread", "process" },
  order = { "both", "left", "number" },
})
if options.count < 2 then
  args.fail("--count needs at least 2 philosophers: a fork lies between two")
end

local names = { "Hypatia", "Plato", "Diotima", "Laozi", "Hume", "Kant", "Arendt", "Weil" }

-- `seated` is there for the doomed table only: it makes sure that all hold their
-- first fork before anybody reaches for the second, which by chance alone might
-- take a million meals to happen.
local function dine(me, first, second, eaten, seated)
  for _ = 1, options.meals do
    first:acquire()
    if seated then
      seated:wait()
    end
    second:acquire()
    eaten:add(me, 1)
    second:release()
    first:release()
  end
end

local function seat(forks, eaten, in_order, seated)
  local guests = {}
  for i = 1, #forks do
    local left, right = i, i % #forks + 1
    if in_order and right < left then
      left, right = right, left
    end
    local name = names[i] or "Guest " .. i
    local start = conrun[options.kind].start
    guests[i] = start({ name = name, daemon = true }, dine, i, forks[left], forks[right], eaten, seated)
  end
  return guests
end

-- Whoever waits for a philosopher that waits for ever is part of the deadlock, so
-- the error comes here; the report with everybody's place in it goes to stderr.
local function wait_for(guests)
  for _, guest in ipairs(guests) do
    local ok, failure = pcall(guest.result, guest)
    if not ok then
      return failure
    end
  end
end

-- A process is killed, forks in hand; a thread's wait is interrupted.
local function send_home(guests)
  for _, guest in ipairs(guests) do
    if options.kind == "process" then
      guest:kill()
    else
      guest:interrupt()
    end
  end
  for _, guest in ipairs(guests) do
    guest:join()
  end
end

local function eat(in_order)
  local forks, eaten = {}, conrun.shared.array("i64", options.count)
  for i = 1, options.count do
    forks[i] = conrun.lock.new()
  end
  local seated = not in_order and conrun.barrier.new(options.count) or nil
  local started = conrun.clock()
  local guests = seat(forks, eaten, in_order, seated)
  local failure = wait_for(guests)
  local taken, meals = conrun.clock() - started, 0
  for _, count in ipairs(eaten:totable()) do
    meals = meals + count
  end
  send_home(guests)
  return failure, meals, plot.seconds(taken)
end

-- Those sent home end with an error, of which nobody needs to hear.
conrun.on_error(function() end)
local wanted = options.count * options.meals

if options.order ~= "number" then
  print "Everybody takes the left fork first:"
  local failure, meals, taken = eat(false)
  local deadlock = conrun.errors.is(failure, "deadlock")
  print(("  %s"):format(failure and failure.message:match "[^\n]+" or "no error"))
  print(("  It ends in a deadlock: %s (%d of %d meals eaten, %s)"):format(
    plot.verdict(deadlock),
    meals,
    wanted,
    taken
  ))
end

if options.order ~= "left" then
  print "Everybody takes the fork with the lower number first:"
  local failure, meals, taken = eat(true)
  print(("  Everybody eats: %s (%d of %d meals eaten, %s)"):format(
    plot.verdict(not failure and meals == wanted),
    meals,
    wanted,
    taken
  ))
end
