-- SPDX-License-Identifier: MIT
--
-- watchdog: what a hang is told by, where no wait has a timeout.
--
-- It is a shell and nothing of conrun's, so that it is no strand that could still do
-- something: a deadlock beside it is one.  It reads in a file what is being tried; when
-- that has not changed for too long it says so, lets conrun print what its strands do,
-- and kills it.

local conrun = require "conrun"

local watchdog = {}

local SCRIPT = [[
file=%s main=%d left=%d before=
while [ -e /proc/$main/exe ]; do
  sleep 1
  now=$(cat $file 2>/dev/null)
  if [ "$now" != "$before" ]; then before=$now left=%d; else left=$((left - 1)); fi
  if [ $left -le 0 ]; then
    echo "hangs: $now"
    kill -QUIT $main; sleep 2; kill -CONT -- $(cat $file.zygote 2>/dev/null) 2>/dev/null
    kill -KILL $main; break
  fi
done
rm -f $file $file.zygote
]]

local path, file

---Begins to watch this program.
---@param seconds number for one note; more where CONRUN_SPEC_DEADLINE says so
function watchdog.set(seconds)
  path = os.tmpname()
  seconds = seconds * (tonumber(os.getenv "CONRUN_SPEC_DEADLINE") or 1) // 1
  file = assert(io.open(path, "w"))
  os.execute(("sh -c '%s' &"):format(SCRIPT:format(path, conrun.current().pid, seconds, seconds)))
end

---What is tried now.
---@param text string
function watchdog.note(text)
  file:seek "set"
  file:write(("%-99s\n"):format(text))
  file:flush()
end

---A process that may be stopped when the program hangs, and goes on then: a killed main's
---children are ended by it.
---@param pid integer
function watchdog.wake(pid)
  local out <close> = assert(io.open(path .. ".zygote", "w"))
  out:write(pid)
end

return watchdog
