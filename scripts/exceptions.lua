-- SPDX-License-Identifier: MIT
--
-- What becomes of an error in a worker, for threads and for processes.
--
-- An error ends the call that raised it and nothing else.  It arrives where the
-- result would have, as an object that knows the worker, the line and the
-- traceback.  A worker that is killed is an error of the same sort.

local conrun = require "conrun"
local args = require "conrun.args"
local plot = require "conrun.plot"

local usage = [[
conrun scripts/exceptions.lua [--kind=both|thread|process]
]]

local options = args.read(arg, usage, { kind = { "both", "thread", "process" } })

local function fail()
  error "An error occurred!"
end

local function square(n)
  return n * n
end

local techniques = {}
local function technique(name, show)
  techniques[#techniques + 1] = { name = name, show = show }
end

-- 1. The worker catches its own error and carries on.
local function careful()
  local ok, message = pcall(fail)
  return ok, message, "and went on"
end

technique("pcall inside the worker", function(kind)
  local ok, message, after = conrun[kind].start(careful):result(20)
  print(("  caught there: %s, %s"):format(message, after))
  return not ok and message:find "An error occurred!" ~= nil
end)

-- 2. A handler runs where the error happened, while its stack is still there.
-- Level 1 is the handler, 2 is `error`, 3 is the function that called it.
local function handle(message)
  local place = debug.getinfo(3, "l").currentline
  return ("handled in %s, raised at line %d: %s"):format(conrun.current().name, place, message)
end

local function self_handling()
  local _, report = xpcall(fail, handle)
  return report
end

technique("the worker's own handler", function(kind)
  local report = conrun[kind].start({ name = "Careful" }, self_handling):result(20)
  print("  " .. report)
  return report:find "handled in Careful" ~= nil
end)

-- 3. One handler for all workers, fed by a queue that they put their errors in.
local function report_to(errors, n)
  local ok, message = pcall(n % 2 == 0 and fail or square, n)
  if not ok then
    errors:put { worker = conrun.current().name, task = n, message = message }
  end
end

technique("a central handler with an error queue", function(kind)
  local errors, workers, count = conrun.queue.new(), {}, 0
  for n = 1, 4 do
    workers[n] = conrun[kind].start({ name = "Reporter-" .. n }, report_to, errors, n)
  end
  for _, worker in ipairs(workers) do
    worker:join()
  end
  errors:close()
  local lines = {}
  for report in errors:items() do
    count = count + 1
    lines[count] = ("  %s, task %d: %s"):format(report.worker, report.task, report.message)
  end
  table.sort(lines)
  print(table.concat(lines, "\n"))
  return count == 2
end)

-- 4. A future raises the error where the result is asked for; the pool goes on.
technique("a future carries the error", function(kind)
  local pool <close> = conrun.pool.new { workers = 2, kind = kind }
  local future = pool:submit(fail)
  local ok, failure = pcall(future.result, future, 20)
  print("  Caught an exception: " .. tostring(failure))
  print("  raised by " .. tostring(failure.strand) .. "; the pool goes on: " .. pool:apply(square, 7))
  return not ok and conrun.errors.is(failure, "task") and failure.traceback:find "exceptions.lua:%d+" ~= nil
end)

-- 5. Workers log, in whole lines; a monitor sees each one end, and how.
local function noisy(n)
  conrun.log.info("task %d begins", n)
  if n == 2 then
    conrun.log.error("task %d fails", n)
    fail()
  end
  return n
end

-- What the target gets may end with a newline or not; the report wants none.
local function remember(lines)
  return function(line)
    lines:append((line:gsub("\n$", "")))
  end
end

local function logged(lines, n)
  conrun.log.to(remember(lines))
  return noisy(n)
end

technique("logging and monitoring", function(kind)
  local pool <close> = conrun.pool.new { workers = 2, kind = kind }
  local lines, futures, ended = conrun.shared.list(), {}, { ok = 0, failed = 0 }
  for n = 1, 3 do
    futures[n] = pool:submit(logged, lines, n)
  end
  for future in conrun.future.as_completed(futures, 20) do
    local way = future:error() and "failed" or "ok"
    ended[way] = ended[way] + 1
  end
  local errors = 0
  for i = 1, #lines do
    errors = errors + (lines[i]:lower():find "error" and 1 or 0)
  end
  print(("  %d log lines, %d of them errors"):format(#lines, errors))
  print(("  monitor: %d tasks ended well, %d failed"):format(ended.ok, ended.failed))
  return #lines == 4 and errors == 1 and ended.ok == 2 and ended.failed == 1
end)

-- 6. A crash.  It takes its process along: one worker if the worker is a process,
-- the program if it is a thread, which is why the thread gets a program to ruin.
-- No core file is wanted from it, hence the prlimit.
local function crash(signal)
  local pid = conrun.current().pid
  os.execute(("prlimit --pid %d --core=0 2>/dev/null; kill -%s %d"):format(pid, signal, pid))
  conrun.sleep(20)
end

local function crash_process(signal)
  local pool <close> = conrun.pool.new { workers = 2, kind = "process" }
  local doomed, others = pool:submit(crash, signal), {}
  for n = 1, 6 do
    others[n] = pool:submit(square, n)
  end
  local failure, sum = doomed:error(20), 0
  for _, future in ipairs(others) do
    sum = sum + future:result(20)
  end
  print(("  %s: %s"):format(signal, failure))
  print(("  the other six tasks: sum of squares %d"):format(sum))
  return conrun.errors.is(failure, "worker_died") and sum == 91
end

local program = [[
local conrun = require "conrun"
local function crash()
  os.execute("prlimit --pid " .. conrun.current().pid .. " --core=0 2>/dev/null")
  os.execute("kill -%s " .. conrun.current().pid)
end
conrun.thread.start(crash):join()
]]

-- The shell says 128 + the signal's number for a program that a signal ended.
local function crash_thread(signal)
  local command = ("/proc/%d/exe -e '%s' 2>/dev/null; echo $?"):format(
    conrun.current().pid,
    program:format(signal)
  )
  local pipe <close> = assert(io.popen("{ " .. command .. "; } 2>/dev/null"))
  local status = tonumber(pipe:read "a")
  print(("  %s in a thread: the whole program ends with status %d"):format(signal, status))
  return status > 128
end

technique("a crashed worker", function(kind)
  local try = kind == "thread" and crash_thread or crash_process
  local crashed, killed = try "SEGV", try "KILL"
  return crashed and killed
end)

-- 7. The error leaves the scope, and with it the lock; the update before it is
-- whole or has not happened.
local function move(lock, from, to, amount)
  local guard <close> = lock:hold() -- luacheck: ignore guard
  if amount > from:get() then
    error(("cannot move %d, only %d there"):format(amount, from:get()))
  end
  from:add(-amount)
  to:add(amount)
end

technique("a lock is released in spite of an error", function(kind)
  local pool <close> = conrun.pool.new { workers = 2, kind = kind }
  local lock, from, to = conrun.lock.new(), conrun.shared.value("i64", 100), conrun.shared.value("i64", 0)
  local amounts, failures = { 30, 500, 20, 90 }, 0
  for _, amount in ipairs(amounts) do
    local failure = pool:submit(move, lock, from, to, amount):error(20)
    failures = failures + (failure and 1 or 0)
  end
  print(("  %d of %d moves failed; %d + %d = 100; locked: %s"):format(
    failures,
    #amounts,
    from:get(),
    to:get(),
    lock:locked()
  ))
  return failures == 2 and from:get() == 50 and to:get() == 50 and not lock:locked()
end)

-- 8. An error that nobody asks for is reported and harms nobody: the report
-- names the worker and the line, and the program goes on.
local function report_program(kind)
  return ([[
local conrun = require "conrun"
local function unlucky() error "nobody catches this" end
local unhandled = conrun.%s.start({ name = "Unlucky" }, unlucky)
unhandled:join()
print "main goes on"
]]):format(kind)
end

technique("an unhandled error is reported", function(kind)
  local command = ("/proc/%d/exe -e '%s' 2>&1"):format(conrun.current().pid, report_program(kind))
  local pipe <close> = assert(io.popen(command))
  local text = pipe:read "a"
  for line in text:gmatch "[^\n]+" do
    print("  | " .. line)
  end
  return text:find "Unlucky" ~= nil and text:find ":2:" ~= nil and text:find "main goes on" ~= nil
end)

local kinds = options.kind == "both" and { "thread", "process" } or { options.kind }
local rows = {}
for number, entry in ipairs(techniques) do
  local row = { ("%d. %s"):format(number, entry.name) }
  for _, kind in ipairs(kinds) do
    print(("%d. %s (%s)"):format(number, entry.name, kind))
    row[#row + 1] = plot.verdict(entry.show(kind))
  end
  rows[#rows + 1] = row
end

local header = { "technique" }
for _, kind in ipairs(kinds) do
  header[#header + 1] = kind == "thread" and "threads" or "processes"
end
print()
print(plot.table(header, rows))
