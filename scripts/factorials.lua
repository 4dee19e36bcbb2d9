-- SPDX-License-Identifier: MIT
--
-- How do results come back in order, and errors with them?
--
-- Lua's integers have 64 bits and wrap around silently.  The task checks before
-- it multiplies and raises an error instead; the error belongs to that one
-- number, arrives in its future, and the others still have their results.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
How do results come back in order, and errors with them?

conrun scripts/factorials.lua [LAST | FIRST LAST] [--workers=4]

Prints the factorials of 1 to 10, of 1 to LAST, or of FIRST to LAST.
]]

local options = args.read(arg, usage, { workers = { 4, most = 1000 } }, 2)
local first, last = 1, 10
if options[2] then
  first = args.integer("FIRST", options[1], 0, 100000)
  last = args.integer("LAST", options[2], 0, 100000)
elseif options[1] then
  last = args.integer("LAST", options[1], 1, 100000)
end
if first > last then
  args.fail("FIRST (%d) is greater than LAST (%d); give the smaller number first", first, last)
end

-- Level 0 leaves the place out of the message: it is a fact about n, not a bug.
local function factorial(n)
  local product = 1
  for factor = 2, n do
    if product > math.maxinteger // factor then
      error(("%d! overflows a 64-bit integer (%d! is the last that fits)"):format(n, factor - 1), 0)
    end
    product = product * factor
  end
  return product
end

local pool <close> = conrun.pool.new { workers = options.workers, kind = "thread" }

-- Posting all before asking for the first lets the workers run ahead; asking in
-- the order of posting gives the lines their order, whoever finished first.
local futures = {}
for n = first, last do
  futures[#futures + 1] = pool:submit(factorial, n)
end

for i, future in ipairs(futures) do
  local failure = future:error()
  if failure then
    print(("The factorial of %d: error: %s"):format(first + i - 1, failure.message))
  else
    print(("The factorial of %d is %d"):format(first + i - 1, future:result()))
  end
end

-- Tasks as light as these do not pay for their way through a pool one by one;
-- a map sends them in chunks.  All three sides compute the same numbers.
local count = 2000

local function loop()
  for _ = 1, count do
    factorial(10)
  end
end

local tens = {}
for i = 1, count do
  tens[i] = 10
end

local function submit_each()
  local pending = {}
  for i = 1, count do
    pending[i] = pool:submit(factorial, 10)
  end
  for _, future in ipairs(pending) do
    future:result()
  end
end

local function map_all()
  pool:map(factorial, tens)
end

local sides = bench.compare { loop = loop, submit = submit_each, map = map_all }
local function per_task(name)
  return plot.seconds(sides[name].median / count)
end
print(("\nTime per factorial of 10, %d of them:"):format(count))
print(plot.table({ "how", "time per task" }, {
  { "plain loop", per_task "loop" },
  { "pool:submit for each", per_task "submit" },
  { "pool:map, in chunks", per_task "map" },
}, { align = { "left", "right" } }))
print(("Chunks make light tasks cheaper than one by one: %s (%.1f times)"):format(
  plot.verdict(bench.decide(sides.submit.times, sides.map.times)),
  sides.submit.median / sides.map.median
))
print(("A plain loop beats the pool for tasks this light: %s (%.1f times the map's speed)"):format(
  plot.verdict(bench.decide(sides.map.times, sides.loop.times)),
  sides.map.median / sides.loop.median
))
