-- SPDX-License-Identifier: MIT
--
-- run: every test of the tree, each file in a process of its own.
--
--   lua5.4 spec/run.lua [C test program | spec file | folder] ...
--
-- A name that ends in _spec.lua is run by busted inside the conrun that CONRUN
-- names (build/conrun when it is not set); a folder stands for all spec files
-- below it; anything else is a test program.  What a file prints is shown only if
-- it fails.  The last line is "N passed, N failed".
--
-- Each file has a deadline (CONRUN_SPEC_DEADLINE scales it: 3 means three times
-- as long); a file that passes it is killed with all it started.  Afterwards no
-- process of the file may be alive: every one inherits a mark in its
-- environment, by which it is found whatever group or session it moved to.  A
-- process that stays counts as a failure of the file.
--
-- CONRUN_SPEC_JOBS says how many files may be run at once: 1 when it is not set.
--
-- The runner is plain Lua, not conrun: it must stay sound when conrun is not.

-- After a spec file nothing may be alive in the shared memory.  Not asked for under
-- ThreadSanitizer, which lets no signal into an empty loop: a daemon that spins there
-- outlives the program's patience.
local AUDIT = os.getenv "CONRUN_SPEC_AUDIT" or "--audit"

local DEADLINE = 60 * (tonumber(os.getenv "CONRUN_SPEC_DEADLINE") or 1)
local GRACE = 5 -- seconds in which a killed program's workers must have noticed

---Quotes a word for the shell.
---@param word string
---@return string
local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

---What a shell command prints.
---@param command string
---@return string
local function capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  pipe:close()
  return text
end

---The whole file, or nil if it cannot be read.
---@param path string
---@return string?
local function slurp(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

---@return string absolute path of the conrun under test
local function conrun_path()
  local path = os.getenv "CONRUN" or "build/conrun"
  if path:sub(1, 1) ~= "/" then path = capture("pwd"):gsub("\n", "/") .. path end
  return path
end

local CONRUN = conrun_path()

-- ------------------------------------------------------------------ processes

---The ids of live processes whose environment has the mark.  A zombie is no live
---process: it only waits for somebody to read its exit code.
---@param mark string
---@return string[]
local function marked(mark)
  local found = {}
  for pid in capture("echo /proc/[0-9]*"):gmatch "/proc/(%d+)" do
    local environment = slurp("/proc/" .. pid .. "/environ")
    if environment and environment:find(mark, 1, true) then
      local state = (slurp("/proc/" .. pid .. "/stat") or ""):match "%) (%a)"
      if state and state ~= "Z" and state ~= "X" then found[#found + 1] = pid end
    end
  end
  return found
end

---Waits for the marked processes to go, kills those that do not, and returns a
---line about them, or nil if all went by themselves.
---@param mark string
---@return string?
local function bury(mark)
  local limit = os.time() + GRACE
  local left = marked(mark)
  while #left > 0 and os.time() <= limit do
    os.execute "sleep 0.05"
    left = marked(mark)
  end
  if #left == 0 then return nil end
  local lines = { "processes left behind:" }
  for _, pid in ipairs(left) do
    local function line_of(file)
      return ((slurp("/proc/" .. pid .. "/" .. file) or ""):gsub("%z", " "):gsub("\n.*", ""))
    end
    local state, parent = line_of("stat"):match "%) (%a) (%d+)"
    lines[#lines + 1] = ("  %s %s(%s, state %s, parent %s, in %s)"):format(pid, line_of "cmdline", line_of "comm",
      state, parent, line_of "wchan")
  end
  os.execute("kill -9 " .. table.concat(left, " ") .. " 2>/dev/null")
  return table.concat(lines, "\n")
end

-- What every sanitized program of a spec is told: signals that a spec sends must
-- kill, not be reported; and a report must not change the exit code that a spec
-- looks at, since it is found by its file.
local SANITIZERS = {
  ASAN_OPTIONS = "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0",
  TSAN_OPTIONS = "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0:exitcode=0",
  UBSAN_OPTIONS = "print_stacktrace=1",
  LSAN_OPTIONS = "exitcode=23",
}

---Environment that sends the reports of sanitizers to files beside the output:
---those of workers too, whose exit codes nobody looks at.
---@param output string
---@return string
local function sanitizer_environment(output)
  local words = {}
  for name, options in pairs(SANITIZERS) do
    local given = os.getenv(name) or ""
    words[#words + 1] = ("%s=%s:log_path=%s:%s"):format(name, options, output, given)
  end
  return table.concat(words, " ")
end

-- Where a hard build tells of lost wake-ups, in whatever strand of whatever program of a
-- spec; each is a failure.
local WATCH = "CONRUN_WATCH=%s.watch"

local serial = 0

---Runs a command with a deadline; returns its output, its exit code, and text
---about what it did wrong besides: processes that it left, reports of sanitizers.
---@param command string
---@return string output, integer code, string? left
local function run(command)
  serial = serial + 1
  local output = os.tmpname()
  local mark = ("CONRUN_SPEC_RUN=%s.%d"):format(output:match "[^/]*$", serial)
  local _, _, code = os.execute(("%s CONRUN=%s %s %s timeout --kill-after=5 %g %s >%s 2>&1 </dev/null"):format(
    mark, quote(CONRUN), sanitizer_environment(output), WATCH:format(output), DEADLINE, command, output))
  local left = bury(mark)
  local text = slurp(output) or ""
  local report = capture(("cat %s.* 2>/dev/null; rm -f %s %s.*"):format(output, output, output))
  if report ~= "" then left = report .. (left or "") end
  return text, code, left
end

-- -------------------------------------------------------------------- results

---The counts in what busted or a test program printed; nil if it did not come to
---its last line.
---@param text string
---@return integer? passed, integer? failed
local function counts(text)
  local passed, failed, errors = text:match "(%d+) success%a* / (%d+) failure%a* / (%d+) error"
  if not passed then
    for p, f in text:gmatch "(%d+) passed, (%d+) failed" do
      passed, failed, errors = p, f, 0
    end
  end
  if not passed then return nil end
  return math.tointeger(tonumber(passed)), tonumber(failed) + tonumber(errors) | 0
end

---What a file came to: counts, and the reason for a failure that no test told.
---@param text string
---@param code integer
---@param left string?
---@return integer passed, integer failed, string? reason
local function judge(text, code, left)
  local passed, failed = counts(text)
  local reason
  if code == 124 or code == 137 then
    reason = ("not done after %g seconds"):format(DEADLINE)
  elseif not passed then
    reason = ("ended with exit code %d before its last test"):format(code)
  elseif code ~= 0 and failed == 0 then
    reason = ("exit code %d after its last test"):format(code)
  end
  if left then reason = reason and reason .. "\n" .. left or left end
  return passed or 0, (failed or 0) + (reason and 1 or 0), reason
end

---@param name string
---@return string
local function command_of(name)
  if not name:find "_spec%.lua$" and not name:find "_sweep%.lua$" then return quote(name) end
  return ("%s %s spec/busted.lua --output=plainTerminal %s"):format(quote(CONRUN), AUDIT, quote(name))
end

---Seconds since some moment, by a clock that goes on while this program waits.
---@return number
local function now()
  return tonumber((slurp "/proc/uptime" or ""):match "^[%d.]+") or os.time()
end

---Runs one file and tells about it, where it stands among all, and how long it took;
---returns the counts.
---@param name string
---@param place string "12/97"
---@return integer passed, integer failed
local function check(name, place)
  local started = now()
  local text, code, left = run(command_of(name))
  local passed, failed, reason = judge(text, code, left)
  local verdict = failed == 0 and "ok" or "FAILED"
  print(("%-6s %4d passed %3d failed %6.1f s  %7s  %s"):format(verdict, passed, failed, now() - started, place, name))
  if failed > 0 then
    print((text:gsub("\n*$", "")))
    if reason then print(name .. ": " .. reason) end
    print()
  end
  io.stdout:flush()
  return passed, failed
end

---The arguments with folders replaced by the spec files below them.
---@param names string[]
---@return string[]
local function expand(names)
  local files = {}
  for _, name in ipairs(names) do
    local below = capture(("find %s -name '*_spec.lua' 2>/dev/null | LC_ALL=C sort"):format(quote(name)))
    if below == "" then files[#files + 1] = name end
    for file in below:gmatch "[^\n]+" do
      files[#files + 1] = file
    end
  end
  return files
end

---Runs the files one after the other.
---@param files string[]
---@return integer passed, integer failed
local function run_all(files)
  local passed, failed = 0, 0
  for i, name in ipairs(files) do
    local p, f = check(name, ("%d/%d"):format(i, #files))
    passed, failed = passed + p, failed + f
  end
  return passed, failed
end

---Runs several files at once, each in a runner of its own, and counts what these tell.
---@param files string[]
---@param jobs integer
---@return integer passed, integer failed
local function run_at_once(files, jobs)
  local words = {}
  for i, name in ipairs(files) do
    words[i] = quote(name) .. " " .. quote(("%d/%d"):format(i, #files))
  end
  local runner = ("printf '%%s\\n' %s | xargs -d '\\n' -P %d -n 2 %s %s --one"):format(
    table.concat(words, " "), jobs, quote(arg[-1]), quote(arg[0]))
  local passed, failed, heard = 0, 0, 0
  local lanes = assert(io.popen(runner))
  for line in lanes:lines() do
    print(line)
    io.stdout:flush()
    local p, f = line:match "^%u*[ok]* +(%d+) passed +(%d+) failed +[%d.]+ s +%d+/%d+ "
    if p then passed, failed, heard = passed + p, failed + f, heard + 1 end
  end
  lanes:close()
  return passed, failed + #files - heard -- a runner that did not come to its end is a failure
end

if arg[1] == "--one" then
  io.stdout:setvbuf "full"
  check(arg[2], arg[3])
  os.exit(true)
end

local jobs = math.tointeger(tonumber(os.getenv "CONRUN_SPEC_JOBS")) or 1
local files, begun = expand(#arg > 0 and arg or { "spec" }), now()
local passed, failed
if jobs > 1 then
  passed, failed = run_at_once(files, jobs)
else
  passed, failed = run_all(files)
end
print(("%d files in %.0f s"):format(#files, now() - begun))
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0)
