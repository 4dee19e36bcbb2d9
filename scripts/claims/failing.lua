-- SPDX-License-Identifier: MIT
--
-- What a worker leaves behind: its crash, and its memory.

local conrun = require "conrun"
local outside = require "outside"
local tools = require "claims.tools"

-- A thread's crash ends its program, so that experiment gets a program of its own.
local crashing_thread = [[
package.path = %q
require("conrun").thread.start(require("outside").crash, "SEGV"):join()]]

local function isolation()
  local _, status = outside.run(crashing_thread:format(package.path))
  local pool <close> = tools.pool("process", 2)
  local doomed, survivors = pool:submit(outside.crash, "SEGV"), 0
  for _, future in ipairs { pool:submit(tools.fib, 5), pool:submit(tools.fib, 6), pool:submit(tools.fib, 7) } do
    survivors = survivors + (future:error(20) and 0 or 1)
  end
  local failure = doomed:error(20)
  return "a real SIGSEGV in one worker",
    ("the program ends, status %d"):format(status),
    ("one task fails (%s), %d of 3 others go on"):format(failure and failure.kind, survivors),
    conrun.errors.is(failure, "worker_died") and survivors == 3 and status > 128
end

-- Many small pieces, which leave holes rather than pages behind.
local function fill_memory()
  local parts = {}
  for i = 1, 200000 do
    parts[i] = ("%080d"):format(i)
  end
  return #parts
end

local function memory_returned()
  local here = conrun.current().pid
  local thread, process = tools.both(function(kind)
    collectgarbage()
    local before = outside.private_memory(here)
    conrun[kind].start(fill_memory):result()
    return math.max(0, outside.private_memory(here) - before)
  end)
  return "what main keeps of 25 MB that a worker used",
    ("%.0f kB"):format(thread),
    ("%.0f kB"):format(process),
    tools.decide({ thread + 1, thread + 1, thread + 1 }, { process + 1, process + 1, process + 1 }, 2)
end

return {
  { "processes", "isolation", isolation },
  { "processes", "large data", memory_returned },
}
