-- SPDX-License-Identifier: MIT
--
-- denied: specs run again with one system call refused, as on an older kernel or in a
-- container.
--
--   lua5.4 spec/denied.lua [CALL[=ERROR]] ...
--
-- Each call that conrun can do without has the specs of those parts that use it.  (Those
-- that it cannot do without must be named by the message: spec/regress/082.)  All programs
-- of a spec file run so, the one that runs the specs among them.  The last line is
-- "N passed, N failed".

local WAITS = {
  "build/release/spec/c/base_test", "build/release/spec/c/sync_test", "spec/chaos/deadlock_spec.lua",
  "spec/chaos/no_deadlock_spec.lua", "spec/chaos/keeper_spec.lua", "spec/pool/nested_spec.lua", "spec/lib",
}
local BIRTHS = { "spec/worker/worker_spec.lua", "spec/worker/process_spec.lua", "spec/worker/births_spec.lua" }
local DEATHS = { "spec/chaos/killed_spec.lua", "spec/chaos/keeper_spec.lua" }

-- In the order of what an old system lacks first.
local CASES = {
  { "futex_waitv", WAITS }, -- before Linux 5.16, and in emulators
  { "futex_waitv=EPERM", { "spec/lib/event_spec.lua", "spec/lib/select_spec.lua" } }, -- old containers refuse so
  { "close_range", { "spec/worker/inherit_spec.lua" } }, -- before 5.9
  { "close_range=EPERM", { "spec/worker/process_spec.lua" } },
  { "clone3", BIRTHS }, -- before 5.3, and in containers
  { "pidfd_open", DEATHS }, -- before 5.3
  { "madvise=EINVAL", { "build/release/spec/c/arena_test", "spec/lib/large_spec.lua" } },
  { "fallocate=EOPNOTSUPP", { "spec/lib/buffer_spec.lua" } },
  { "timer_create=EAGAIN", { "spec/pool/pool_spec.lua" } },
  { "getrandom", BIRTHS },
  { "sched_getaffinity", { "spec/lua/conrun_spec.lua", "spec/pool/map_spec.lua" } },
  { "prctl", { "spec/worker/process_spec.lua", "spec/chaos/killed_spec.lua" } },
  { "rseq", BIRTHS },
  { "personality=EPERM", { "spec/host/schedule_spec.lua" } }, -- in containers: addresses are by chance
}

---Runs the specs of a case; returns the counts.
---@param what string
---@param files string[]
---@return integer passed, integer failed
local function run(what, files)
  print("-- without " .. what)
  local pipe = assert(io.popen(("build/native/deny %s lua5.4 spec/run.lua %s"):format(what, table.concat(files, " "))))
  local passed, failed
  for line in pipe:lines() do
    passed, failed = line:match "^(%d+) passed, (%d+) failed$"
    if not passed then print(line) end
  end
  pipe:close()
  return passed or 0, failed or 1
end

local wanted = {}
for _, what in ipairs(arg) do wanted[what] = true end

local passed, failed = 0, 0
for _, case in ipairs(CASES) do
  if #arg == 0 or wanted[case[1]] then
    local p, f = run(case[1], case[2])
    passed, failed = passed + p, failed + f
  end
end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0)
