-- SPDX-License-Identifier: MIT
--
-- Which item holds up a map, and how do I see it?
--
-- A map cuts its list into chunks, so that a worker fetches work seldom.  If one item takes
-- much longer than all others, those behind it in its chunk wait for it, while other workers
-- have nothing left to do.  That is hard to find in a table of times and plain in a picture:
-- this script starts itself again under `conrun --trace=FILE`, which writes what every
-- strand did, and when, as a page for your browser.
--
-- The program adds to the picture what only it knows: a span for each of the two maps, and
-- a mark where the slow item begins.

local conrun = require "conrun"
local args = require "conrun.args"
local plot = require "conrun.plot"

local folder = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = folder .. "/?.lua;" .. package.path
local outside = require "lib.outside"

local usage = [[
Which item holds up a map, and how do I see it?

conrun scripts/timeline.lua [--file=timeline.html] [--items=48] [--slow=150]
                            [--workers=3] [--kind=process|thread] [--here]

  --file=timeline.html  where to write the page (.json is for ui.perfetto.dev)
  --items=48            of which the one in the middle is slow
  --slow=150            milliseconds that it takes; each other one takes 2
  --here                run without writing a page
]]

local options = args.read(arg, usage, {
  file = "timeline.html",
  items = { 48, most = 100000 },
  slow = { 150, most = 60000 },
  workers = { 3, most = 1000 },
  kind = { "process", "thread" },
  here = false,
})

-- The page is written by a conrun that runs this same script.
if not options.here then
  local words = { outside.program, outside.quote("--trace=" .. options.file), outside.quote(arg[0]), "--here" }
  for _, name in ipairs { "items", "slow", "workers", "kind" } do
    words[#words + 1] = ("--%s=%s"):format(name, options[name])
  end
  local good, _, code = os.execute(table.concat(words, " "))
  if not good then
    os.exit(code)
  end
  print(("\nNow look at %s: the slow task is the long bar, the button"):format(options.file))
  print "'critical path' shows what the end of each map has waited for."
  return
end

local slow = options.items // 2 + 1

-- Computes for that long, as an item would.
local function work(item)
  if item == slow then
    conrun.trace.mark "the slow item begins"
  end
  local stop = conrun.clock() + (item == slow and options.slow or 2) / 1000
  repeat until conrun.clock() >= stop
  return item
end

local pool <close> = conrun.pool.new { workers = options.workers, kind = options.kind, name = "workers" }
-- All workers are there when the first map begins.
pool:map(function() conrun.sleep(0.01) end, conrun.range(options.workers), { chunksize = 1 })

local function try(name, chunksize)
  local _ <close> = conrun.trace.span(name)
  local start = conrun.clock()
  local results = pool:map(work, conrun.range(options.items), { chunksize = chunksize })
  assert(#results == options.items)
  return conrun.clock() - start
end

local chunked = try "the usual chunks"
local single = try("a task for each item", 1)

print(plot.bars {
  { "the usual chunks", chunked, plot.seconds(chunked) },
  { "a task for each item", single, plot.seconds(single) },
})
print(("Nothing waits behind the slow item if each item is a task: %s"):format(plot.verdict(single < chunked)))
