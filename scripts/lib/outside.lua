-- SPDX-License-Identifier: MIT
--
-- outside: looks at conrun from outside, as the shell and the kernel see it.
--
-- Some things can only be shown by a program of their own, such as a crash that
-- ends it; and memory is what the kernel says it is.

local conrun = require "conrun"

local outside = {}

--- The running conrun, as the shell can start it.
outside.program = ("/proc/%d/exe"):format(conrun.current().pid)

--- What a shell command writes to stdout.  What the shell itself has to say, such
--- as "Segmentation fault", is thrown away.
---@param command string
---@return string
function outside.output(command)
  local pipe <close> = io.popen("{ " .. command .. "\n} 2>/dev/null")
  return pipe and pipe:read "a" or ""
end

--- A word as the shell must see it.
---@param word string
---@return string
function outside.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Runs a program in a conrun of its own.
---@param source string
---@return string output of both streams
---@return integer status 128 + the signal's number for a program that a signal ended
function outside.run(source)
  local text = outside.output(("%s -e %s 2>&1; echo \"\n$?\""):format(outside.program, outside.quote(source)))
  local output, status = text:match "^(.*)\n(%d+)\n$"
  return output or text, tonumber(status) or -1
end

--- The whole of a file, or nothing.
---@param path string
---@return string
function outside.read(path)
  local file <close> = io.open(path)
  return file and file:read "a" or ""
end

--- Kilobytes of memory that belong to one process alone.
---@param pid integer
---@return integer
function outside.private_memory(pid)
  local sum = 0
  for kilobytes in outside.read(("/proc/%d/smaps_rollup"):format(pid)):gmatch "Private_%a+:%s+(%d+)" do
    sum = sum + tonumber(kilobytes)
  end
  return sum
end

--- Ends the calling process by a signal, as a crash would.  No core file is wanted from it.
---@param signal string "SEGV", "KILL" ...
function outside.crash(signal)
  local pid = conrun.current().pid
  os.execute(("prlimit --pid %d --core=0 2>/dev/null; kill -%s %d"):format(pid, signal, pid))
  conrun.sleep(20)
end

return outside
