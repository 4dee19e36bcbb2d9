-- SPDX-License-Identifier: MIT
--
-- Finds, repeats and mends a bug that hardly ever shows.
--
-- Two threads count: each reads, adds one and writes back.  Run it ten thousand times, and
-- it counts right nearly always.  Exploration does not run it and hope: it decides itself
-- which thread goes on before each operation on the shared value, and tries the schedules.

local args = require "conrun.args"
local conrun = require "conrun"

local usage = [[
Finds, repeats and mends a bug that hardly ever shows.

conrun scripts/explore.lua [--runs=200] [--strategy=exhaustive|random|pct]

  --runs=200        as usual, before it is explored
  --strategy=random schedules by chance
]]

local options = args.read(arg, usage, { runs = 200, strategy = { "exhaustive", "random", "pct" } })

local function count(bump)
  local total = conrun.shared.value("i64", 0)
  local function work() bump(total) end
  local a, b = conrun.thread.start(work), conrun.thread.start(work)
  a:join()
  b:join()
  assert(total:get() == 2, "an update is lost")
end

local function broken(total) total:set(total:get() + 1) end
local function mended(total) total:add(1) end

print "1. As usual: the kernel decides, and mostly nothing happens."
local lost = 0
for _ = 1, options.runs do
  lost = lost + (pcall(count, broken) and 0 or 1)
end
print(("   %d of %d runs lost an update.\n"):format(lost, options.runs))

print "2. Explored: all schedules, those with the fewest preemptions first."
local ok, text, found = conrun.explore.run(function() count(broken) end, { strategy = options.strategy })
assert(not ok)
print("   " .. text:gsub("\n", "\n   ") .. "\n")

print "3. Repeated: the same schedule is the same run, each time."
for i = 1, 3 do
  local _, _, again = conrun.explore.run(function() count(broken) end, { schedule = found.schedule })
  print(("   run %d: %s"):format(i, again.failure))
end

print "\n4. Mended: the value adds by itself, in one operation."
ok, text = conrun.explore.run(function() count(mended) end)
print("   " .. text)
print("\nExploration finds what the kernel hides: " .. (ok and "holds" or "does not hold"))
