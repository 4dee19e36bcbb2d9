-- SPDX-License-Identifier: MIT
--
-- What becomes of an error, or a crash, in a worker?
--
-- An error ends the call that raised it and nothing else.  It arrives where the
-- result would have, as an object that knows the worker, the line and the
-- traceback.  A worker that is killed is an error of the same sort.

package.path = (arg[0]:match "^(.*/)" or "./") .. "lib/?.lua;" .. package.path

local conrun = require "conrun"
local args = require "conrun.args"
local lesson = require "lesson"
local outside = require "outside"

local options = args.read(arg, "What becomes of an error, or a crash, in a worker?\n\n"
  .. "conrun scripts/exceptions.lua [--kind=both|thread|process]", { kind = { "both", "thread", "process" } })

local techniques = {}
local function technique(name, show)
  techniques[#techniques + 1] = { name = ("%d. %s"):format(#techniques + 1, name), show = show }
end

local function say(format, ...)
  print("  " .. format:format(...))
end

local function fail() error "An error occurred!" end
local function square(n) return n * n end

technique("pcall inside the worker", function(kind)
  local ok, message = conrun[kind].start(pcall, fail):result(20)
  say("caught there: %s; the worker went on to return it", message)
  return not ok and message:find "An error occurred!" ~= nil
end)

-- A handler runs where the error happened, while its stack is still there: level
-- 1 is the handler, 2 is `error`, 3 is the function that called it.
local function handle(message)
  local place = debug.getinfo(3, "l").currentline
  return ("handled in %s, raised at line %d: %s"):format(conrun.current().name, place, message)
end

technique("the worker's own handler", function(kind)
  local _, report = conrun[kind].start({ name = "Careful" }, xpcall, fail, handle):result(20)
  say("%s", report)
  return report:find "handled in Careful" ~= nil
end)

technique("a central handler with an error queue", function(kind)
  local errors, workers, count = conrun.queue.new(), {}, 0
  for n = 1, 4 do
    workers[n] = conrun[kind].start({ name = "Reporter-" .. n }, function()
      local ok, message = pcall(n % 2 == 0 and fail or square, n)
      return ok or errors:put { worker = conrun.current().name, task = n, message = message }
    end)
  end
  for _, worker in ipairs(workers) do
    worker:join()
  end
  errors:close()
  for report in errors:items() do
    count = count + 1
    say("%s, task %d: %s", report.worker, report.task, report.message)
  end
  return count == 2
end)

technique("a future carries the error", function(kind)
  local pool <close> = conrun.pool.new { workers = 2, kind = kind }
  local ok, failure = pcall(pool.apply, pool, fail)
  say("Caught an exception: %s", failure)
  say("raised by %s; the pool goes on: %d", failure.strand, pool:apply(square, 7))
  return not ok and conrun.errors.is(failure, "task") and failure.traceback:find "exceptions.lua:%d+" ~= nil
end)

technique("logging and monitoring", function(kind)
  local pool <close> = conrun.pool.new { workers = 2, kind = kind }
  local lines, futures, failed, errors = conrun.shared.list(), {}, 0, 0
  for n = 1, 3 do
    futures[n] = pool:submit(function()
      conrun.log.to(function(line) lines:append(line) end)
      conrun.log.info("task %d begins", n)
      return n ~= 2 or conrun.log.error("task %d fails", n) or fail()
    end)
  end
  for future in conrun.future.as_completed(futures, 20) do
    failed = failed + (future:error() and 1 or 0)
  end
  for _, line in lines:items() do
    errors = errors + (line:lower():find "error" and 1 or 0)
  end
  say("%d log lines, %d of them errors", #lines, errors)
  say("monitor: %d tasks ended well, %d failed", #futures - failed, failed)
  return #lines == 4 and errors == 1 and failed == 1
end)

-- A crash takes its process along: one worker if the worker is a process ...
local function crash_process(signal)
  local pool <close> = conrun.pool.new { workers = 2, kind = "process" }
  local doomed, others = pool:submit(outside.crash, signal), pool:map(square, { 1, 2, 3, 4, 5, 6 })
  local failure = doomed:error(20)
  say("%s: %s", signal, failure)
  say("the other six tasks: the squares end with %d", others[6])
  return conrun.errors.is(failure, "worker_died") and others[6] == 36
end

-- ... and the program if it is a thread, which therefore gets a program to ruin.
local function crash_thread(signal)
  local source = 'package.path = %q  require("conrun").thread.start(require("outside").crash, %q):join()'
  local _, status = outside.run(source:format(package.path, signal))
  say("%s in a thread: the whole program ends with status %d", signal, status)
  return status > 128
end

technique("a crashed worker", function(kind)
  local try = kind == "thread" and crash_thread or crash_process
  return try "SEGV" and try "KILL"
end)

-- The error leaves the scope, and the lock with it; an update is whole or has not happened.
technique("a lock is released in spite of an error", function(kind)
  local pool <close> = conrun.pool.new { workers = 2, kind = kind }
  local lock, failures = conrun.lock.new(), 0
  local from, to = conrun.shared.value("i64", 100), conrun.shared.value("i64", 0)
  local function move(amount)
    local guard <close> = lock:hold() -- luacheck: ignore guard
    assert(amount <= from:get(), "there is not so much")
    from:add(-amount)
    to:add(amount)
  end
  for _, amount in ipairs { 30, 500, 20, 90 } do
    failures = failures + (pool:submit(move, amount):error(20) and 1 or 0)
  end
  say("%d of 4 moves failed; %d + %d = 100; locked: %s", failures, from:get(), to:get(), lock:locked())
  return failures == 2 and from:get() == 50 and to:get() == 50 and not lock:locked()
end)

-- An error that nobody asks for names its worker and its line, and harms nobody else.
technique("an unhandled error is reported", function(kind)
  local text = outside.run(([[
    local function unlucky() error "nobody catches this" end
    require("conrun").%s.start({ name = "Unlucky" }, unlucky):join()
    print "main goes on"]]):format(kind))
  print((("\n" .. text):gsub("\n+$", ""):gsub("\n([^\n]+)", "\n  | %1"):sub(2)))
  return text:find "Unlucky" ~= nil and text:find ":1:" ~= nil and text:find "main goes on" ~= nil
end)

print("\n" .. lesson.tell("technique", techniques, lesson.kinds(options.kind)))
