-- SPDX-License-Identifier: MIT
--
-- Does a longer queue carry more?
--
-- A producer puts numbers, a consumer takes them.  With room for one item the two
-- have to take turns, and each turn may cost a sleep and a wake-up.  Room for more
-- lets both run on while there is something to take and somewhere to put it.  Past
-- some size nothing is gained but a longer way from one end to the other.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
Does a longer queue carry more?

conrun scripts/queue_sizes.lua [--sizes=1,4,16,64,256,1024] [--items=20000]
                               [--kind=thread|process]

  --sizes=1,4,...  how many items the queue may hold
  --items=20000    that go through it each time
  --kind=thread    what the producer is
]]

local options = args.read(arg, usage, {
  sizes = "1,4,16,64,256,1024",
  items = { 20000, most = 10000000 },
  kind = { "thread", "process" },
})
local sizes = args.integers("--sizes", options.sizes, 1, 10000000)
local items = options.items

local function produce(queue)
  for i = 1, items do
    queue:put(i)
  end
  queue:close()
end

-- Gives the sum of all that came through, which no lost or doubled item leaves right.
local function carry(size)
  local queue, sum = conrun.queue.new(size), 0
  local producer = conrun[options.kind].start(produce, queue)
  for item in queue:items() do
    sum = sum + item
  end
  producer:join()
  return sum
end

local sides, wrong = {}, 0
for _, size in ipairs(sizes) do
  sides[tostring(size)] = function()
    wrong = wrong + (carry(size) == items * (items + 1) // 2 and 0 or 1)
  end
end
local measured = bench.compare(sides, { runs = 3 })

local rows, bars, best = {}, {}, sizes[1]
for i, size in ipairs(sizes) do
  local seconds = measured[tostring(size)].median
  local rate = items / seconds
  best = seconds < measured[tostring(best)].median and size or best
  rows[i] = { size, plot.seconds(seconds), plot.seconds(seconds / items) }
  bars[i] = { tostring(size), rate, ("%.0f/s"):format(rate) }
end

local right = { "right", "right", "right" }
print(("%d items from a %s to main, by the size of the queue:\n"):format(items, options.kind))
print(plot.table({ "size", "time", "per item" }, rows, { align = right }))
print "\nitems per second, by the size of the queue:\n"
print(plot.bars(bars))

local gain = measured[tostring(sizes[1])].median / measured[tostring(best)].median
print(("\nEvery item arrives once: %s (%d of %d runs wrong)"):format(plot.verdict(wrong == 0), wrong, 4 * #sizes))
print(("A longer queue carries more: %s (%d holds %.1f times the rate of %d)"):format(
  plot.verdict(best > sizes[1] and
    bench.decide(measured[tostring(sizes[1])].times, measured[tostring(best)].times, 1.2)),
  best,
  gain,
  sizes[1]
))
