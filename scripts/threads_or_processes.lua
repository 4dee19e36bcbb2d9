-- SPDX-License-Identifier: MIT
--
-- Threads or processes?  Nineteen claims, tested here.
--
-- Every claim is a small experiment in claims/*.lua: it runs the same code with
-- threads and with processes, measures, and compares.  The verdict is about this
-- machine and this run; some claims that are true of Python are not true here,
-- because each conrun worker has a Lua state of its own and no interpreter lock.

local folder = arg[0]:match "^(.*/)" or "./"
package.path = folder .. "lib/?.lua;" .. folder .. "?.lua;" .. package.path

local args = require "conrun.args"
local plot = require "conrun.plot"
local tools = require "claims.tools"

local usage = [[
Threads or processes?  Nineteen claims, tested here.

conrun scripts/threads_or_processes.lua [--only=WORD] [--no-python]
                                        [--width=80]

  --only=WORD   only claims with this word in them
  --no-python   does not compare with Python
  --width=80    of the tables, in characters
]]

local options = args.read(arg, usage, { only = "", no_python = false, width = { 80, least = 60, most = 1000 } })

-- The claims in their files' order: first those for threads, then those for processes.
local claims = {}
for _, side in ipairs { "threads", "processes" } do
  for _, part in ipairs { "costs", "sharing", "waiting", "libraries", "computing", "failing" } do
    for _, claim in ipairs(require("claims." .. part)) do
      local name = ("%s for %s"):format(claim[1], claim[2])
      if claim[1] == side and name:lower():find(options.only:lower(), 1, true) then
        claims[#claims + 1] = { name = name, subject = claim[2], measure = claim[3] }
      end
    end
  end
end
if #claims == 0 then
  args.fail("no claim has '%s' in it; try --only=memory", options.only)
end

local rows, held, count = {}, {}, 0
for i, claim in ipairs(claims) do
  local measured, thread, process, holds = claim.measure(options)
  local unmeasured = holds == tools.unmeasured
  rows[i] = { claim.name, measured, thread, process, unmeasured and holds or plot.verdict(holds) }
  if not unmeasured then held[claim.subject] = holds end
  count = count + (held[claim.subject] and 1 or 0)
end

local header = { "claim", "measured", "threads", "processes", "verdict" }
print(plot.table(header, rows, { width = options.width }))
if options.only ~= "" then
  return
end
print(("\n%d of %d claims hold on this machine."):format(count, #claims))
if tools.warning then
  print(("note: %s; the next run may decide otherwise"):format(tools.warning))
end

-- What follows from the verdicts: what to use where the claim holds, and where not.
-- From what was too close to call, nothing follows.
local advice = {
  { "light tasks", "many short-lived workers", "threads, they start sooner", "either, they start alike" },
  { "low memory", "very many workers at once", "threads, they are smaller", "either" },
  { "I/O-bound work", "waiting for files, programs, sockets", "threads, the waits overlap", "processes" },
  { "CPU-bound work", "computing", "processes, they scale better", "either: no interpreter lock" },
  { "low-latency hand-over", "many small messages", "threads", "either, a hand-over costs the same" },
  { "large or frequently shared state", "much shared state", "threads", "either, with conrun.shared" },
  { "isolation", "code that may crash", "processes, only one task fails", "neither is safe here" },
  { "many network calls", "peers that may never answer", "processes, they can be killed", "either, with time limits" },
  { "C libraries that are not thread-safe", "C libraries with one global state", "processes", "either" },
  { "libraries that know only threads", "libraries that hand out pointers or files", "threads", "either" },
  { "large data", "rare jobs that need much memory", "processes, all of it goes back", "either" },
}
local recommendations = {}
for _, row in ipairs(advice) do
  if held[row[1]] ~= nil then
    recommendations[#recommendations + 1] = { row[2], held[row[1]] and row[3] or row[4] }
  end
end
print()
print(plot.table({ "your work looks like ...", "use ..." }, recommendations, { width = options.width }))
