-- SPDX-License-Identifier: MIT
--
-- Threads or processes?  The claims people make, each tested on this machine.
--
-- Every claim is a small experiment: it runs the same code with threads and with
-- processes, measures, and compares.  The verdict is about this machine and
-- this run; some claims that are true of Python are not true here, because each
-- conrun worker has a Lua state of its own and no interpreter lock.
--
-- An experiment returns what it measured in words, a figure for threads, one for
-- processes, and whether the claim holds (nil: it could not be measured, and the
-- figures say why).

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
conrun scripts/threads_or_processes.lua [--only=WORD] [--no-python] [--width=120]

  --only=WORD   only claims with this word in them
  --no-python   does not compare with Python
  --width=120   of the tables, in characters
]]

local options = args.read(arg, usage, { only = "", no_python = false, one_core = false, width = 120 })

local seconds = plot.seconds
local this_pid = conrun.current().pid
local this_program = ("/proc/%d/exe"):format(this_pid)

---------------------------------------------------------------- tools of the experiments

local function pool_of(kind, workers)
  return conrun.pool.new { workers = workers, kind = kind }
end

-- Runs fn(kind) for both kinds and gives both results.
local function both(fn)
  return fn "thread", fn "process"
end

-- Medians of alternating runs of fn(kind).
local function compare(fn, runs)
  local sides = bench.compare({
    thread = function()
      fn "thread"
    end,
    process = function()
      fn "process"
    end,
  }, { runs = runs or 3 })
  return sides.thread.median, sides.process.median
end

local function output_of(command)
  local pipe <close> = io.popen(command)
  return pipe and pipe:read "a" or ""
end

local function read_file(path)
  local file <close> = io.open(path)
  return file and file:read "a" or ""
end

-- Kilobytes that belong to one process alone.
local function private_memory(pid)
  local sum = 0
  for kilobytes in read_file(("/proc/%d/smaps_rollup"):format(pid)):gmatch "Private_%a+:%s+(%d+)" do
    sum = sum + tonumber(kilobytes)
  end
  return sum
end

local function fib(n)
  return n < 2 and n or fib(n - 1) + fib(n - 2)
end

local function nothing() end

local function echo(...)
  return ...
end

-- A crash on purpose; no core file is wanted from it.
local function crash()
  local pid = conrun.current().pid
  os.execute(("prlimit --pid %d --core=0 2>/dev/null; kill -SEGV %d"):format(pid, pid))
  conrun.sleep(20)
end

---------------------------------------------------------------- for threads

local function light_tasks()
  local thread, process = compare(function(kind)
    for _ = 1, 20 do
      conrun[kind].start(nothing):join()
    end
  end)
  return "start and join of a worker with nothing to do",
    seconds(thread / 20),
    seconds(process / 20),
    thread < process
end

local function last_of(array)
  return array[#array]
end

-- The array is shared, so only its handle travels; the table is copied.
local function shared_state()
  local size = 200000
  local array, list = conrun.shared.array("f64", size), {}
  for i = 1, size do
    list[i] = i + 0.5
  end
  local function try(kind)
    local pool <close> = pool_of(kind, 1)
    pool:apply(nothing)
    local sides = bench.compare {
      handle = function()
        pool:apply(last_of, array)
      end,
      copy = function()
        pool:apply(last_of, list)
      end,
    }
    return sides.handle.median, sides.copy.median
  end
  local thread, thread_copy = try "thread"
  local process, process_copy = try "process"
  return "a call with 200,000 numbers: as a shared array, and copied as a table",
    ("%s, copied %s"):format(seconds(thread), seconds(thread_copy)),
    ("%s, copied %s"):format(seconds(process), seconds(process_copy)),
    process > 1.5 * thread
end

-- A read from a pipe on which nothing comes for a while: a real system call.
local function wait_outside()
  io.popen("sleep 0.05"):close()
end

local function waits()
  local function try(kind)
    local pool <close> = pool_of(kind, 8)
    return (bench.time(pool.map, pool, wait_outside, conrun.range(1, 8), { chunksize = 1 }))
  end
  local thread, process = both(try)
  return "eight reads that block for 50 ms each, eight workers",
    seconds(thread),
    seconds(process),
    thread < 0.2
end

-- The main strand counts the time between its ticks while a worker is busy.
local function responsiveness()
  local function try(kind)
    local worker, longest = conrun[kind].start(fib, 27), 0
    while worker:alive() do
      local taken = bench.time(conrun.sleep, 0.001)
      longest = math.max(longest, taken)
    end
    return longest
  end
  local thread, process = both(try)
  local alone = bench.time(fib, 27)
  return "longest pause of the main strand, that works itself: " .. seconds(alone),
    seconds(thread),
    seconds(process),
    thread < alone / 2
end

local function report_memory(ready, done)
  ready:wait(20)
  done:wait(20)
end

local function low_memory()
  local count = 16
  local function try(kind)
    local ready, done, workers = conrun.barrier.new(count + 1), conrun.event.new(), {}
    local before, sum = private_memory(this_pid), 0
    for i = 1, count do
      workers[i] = conrun[kind].start(report_memory, ready, done)
    end
    ready:wait(20)
    for _, worker in ipairs(workers) do
      sum = sum + (kind == "process" and private_memory(worker.pid) or 0)
    end
    sum = sum + math.max(0, private_memory(this_pid) - before)
    done:set()
    for _, worker in ipairs(workers) do
      worker:join()
    end
    return sum / count
  end
  local thread, process = both(try)
  return "private memory of an idle worker, of 16",
    ("%.0f kB"):format(thread),
    ("%.0f kB"):format(process),
    thread < process
end

local function ping_pong(there, back, rounds)
  for _ = 1, rounds do
    back:put(there:get())
  end
end

local function hand_over()
  local rounds = 2000
  local function try(kind)
    local there, back = conrun.queue.new(), conrun.queue.new()
    local worker = conrun[kind].start(ping_pong, there, back, rounds)
    there:put(0)
    back:get()
    local taken = bench.time(function()
      for i = 2, rounds do
        there:put(i)
        back:get()
      end
    end)
    worker:join()
    return taken / (rounds - 1)
  end
  local thread, process = both(try)
  return "there and back over two queues", seconds(thread), seconds(process), process > 1.2 * thread
end

-- The same count two ways: under a mutex, and by messages to an owner.
local function count_with_mutex(lock, counter, rounds)
  for _ = 1, rounds do
    lock:acquire()
    counter:set(counter:get() + 1)
    lock:release()
  end
end

local function count_with_messages(requests, replies, rounds)
  for _ = 1, rounds do
    requests:put(1)
    replies:get()
  end
  requests:put "end"
end

local function own_the_count(requests, replies)
  local count = 0
  local request = requests:get()
  while request ~= "end" do
    count = count + request
    replies:put(count)
    request = requests:get()
  end
  return count
end

local function lines_of(...)
  local lines = 0
  for _, fn in ipairs { ... } do
    local info = debug.getinfo(fn, "S")
    lines = lines + info.lastlinedefined - info.linedefined + 1
  end
  return lines
end

local function simple_sharing()
  local rounds = 2000
  local function mutex(kind)
    local lock, counter = conrun.lock.new(), conrun.shared.value("i64", 0)
    return (bench.time(function()
      conrun[kind].start(count_with_mutex, lock, counter, rounds):result()
    end))
  end
  local requests, replies = conrun.queue.new(), conrun.queue.new()
  local messages = bench.time(function()
    local worker = conrun.process.start(count_with_messages, requests, replies, rounds)
    own_the_count(requests, replies)
    worker:join()
  end)
  local thread, process = both(mutex)
  local mutex_lines = lines_of(count_with_mutex)
  local message_lines = lines_of(count_with_messages, own_the_count)
  return "2,000 steps of a counter: by a mutex, by messages to its owner",
    ("mutex: %d lines, %s"):format(mutex_lines, seconds(thread)),
    ("messages: %d lines, %s (the mutex: %s)"):format(message_lines, seconds(messages), seconds(process)),
    mutex_lines < message_lines and thread < messages
end

-- The locale belongs to the process: a C library's one state stands for all such.
local function change_locale()
  return os.setlocale("C.UTF-8", "collate")
end

local function locale_seen_here(kind)
  os.setlocale("C", "collate")
  conrun[kind].start(change_locale):join()
  local seen = os.setlocale(nil, "collate") ~= "C"
  os.setlocale("C", "collate")
  return seen
end

local function one_state()
  local thread, process = both(locale_seen_here)
  return "a worker changes a C library's state (the locale): does main see it?",
    thread and "yes, one state" or "no",
    process and "yes" or "no, a state per process",
    thread and not process
end

-- Runs this script again, pinned; it prints the two times and nothing else.
local function measure_one_core()
  return compare(function(kind)
    local pool <close> = pool_of(kind, 2)
    pool:map(echo, conrun.range(1, 2000), { chunksize = 1 })
  end)
end

local function single_core()
  local core = read_file("/proc/self/status"):match "Cpus_allowed_list:%s*(%d+)"
  local command = "taskset -c %s %s '%s' --one-core 2>/dev/null"
  local text = output_of(command:format(core or 0, this_program, arg[0]))
  local thread, process = text:match "^([%d.e+-]+)%s+([%d.e+-]+)"
  if not thread then
    return "pinned to one core", "needs the command taskset", "needs the command taskset", nil
  end
  thread, process = tonumber(thread), tonumber(process)
  return "pinned to one core: a pool of 2 and 2,000 light tasks",
    seconds(thread),
    seconds(process),
    thread < process
end

---------------------------------------------------------------- for processes

local function python_speedup()
  local program = [[
import time, multiprocessing
from concurrent.futures import ThreadPoolExecutor, ProcessPoolExecutor
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def measure(run):
    started = time.perf_counter(); list(run(fib, [20] * 16)); return time.perf_counter() - started
alone = measure(map)
with ThreadPoolExecutor(WORKERS) as pool: threads = measure(pool.map)
with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("fork")) as pool:
    list(pool.map(fib, [1] * 8)); processes = measure(pool.map)
print(alone / threads, alone / processes)
]]
  if options.no_python then
    return nil
  end
  program = program:gsub("WORKERS", tostring(conrun.cpu_count()))
  local text = output_of("python3 - 2>/dev/null <<'END'\n" .. program .. "END\n")
  local threads, processes = text:match "([%d.]+) ([%d.]+)"
  if threads then
    return ("; Python %.1f x"):format(threads), ("; Python %.1f x"):format(processes)
  end
end

-- Speed-up of a job with a worker for each core, over one worker of that kind.
local function speedup(job, size, tasks)
  local cores, inputs = conrun.cpu_count(), {}
  for i = 1, tasks do
    inputs[i] = size
  end
  local function try(kind)
    local one <close> = pool_of(kind, 1)
    local all <close> = pool_of(kind, cores)
    local sides = bench.compare({
      one = function()
        one:map(job, inputs, { chunksize = 1 })
      end,
      all = function()
        all:map(job, inputs, { chunksize = 1 })
      end,
    }, { runs = 3 })
    return sides.one.median / sides.all.median
  end
  return both(try)
end

local function cpu_bound()
  local thread, process = speedup(fib, 22, 16)
  local python_threads, python_processes = python_speedup()
  return ("speed-up of fib over one worker, %d cores"):format(conrun.cpu_count()),
    ("%.1f x%s"):format(thread, python_threads or ""),
    ("%.1f x%s"):format(process, python_processes or ""),
    process > 1.2 * thread
end

-- A thread's crash ends its program, so that experiment gets a program of its own.
local crashing_thread = [[
local conrun = require "conrun"
local pid = conrun.current().pid
conrun.thread.start(os.execute, "prlimit --pid " .. pid .. " --core=0 2>/dev/null; kill -SEGV " .. pid):join()
]]

local function isolation()
  local status = output_of(("{ %s -e '%s'; } 2>/dev/null; echo $?"):format(this_program, crashing_thread))
  local pool <close> = pool_of("process", 2)
  local doomed, survivors = pool:submit(crash), 0
  for _, future in ipairs { pool:submit(fib, 5), pool:submit(fib, 6), pool:submit(fib, 7) } do
    survivors = survivors + (future:error(20) and 0 or 1)
  end
  local failure = doomed:error(20)
  local contained = conrun.errors.is(failure, "worker_died") and survivors == 3
  return "a real SIGSEGV in one worker",
    ("the program ends with status %d"):format(tonumber(status) or -1),
    ("one task fails (%s), %d of 3 others succeed"):format(failure and failure.kind, survivors),
    contained and (tonumber(status) or 0) > 128
end

local function fill_memory()
  local parts = {}
  for i = 1, 200000 do
    parts[i] = ("%080d"):format(i)
  end
  return #parts
end

local function memory_returned()
  local function try(kind)
    collectgarbage()
    local before = private_memory(this_pid)
    conrun[kind].start(fill_memory):result()
    return math.max(0, private_memory(this_pid) - before)
  end
  local thread, process = both(try)
  return "memory that main keeps after a worker used about 25 MB and ended",
    ("%.0f kB"):format(thread),
    ("%.0f kB"):format(process),
    thread > process + 1024
end

local function batch()
  local inputs = {}
  for i = 1, 64 do
    inputs[i] = 14 + i % 4
  end
  local function try(kind)
    local pool <close> = pool_of(kind, conrun.cpu_count())
    return #inputs / bench.measure(function()
      pool:map(fib, inputs, { chunksize = 1 })
    end)
  end
  local thread, process = both(try)
  return "64 independent tasks of unequal length",
    ("%.0f tasks/s"):format(thread),
    ("%.0f tasks/s"):format(process),
    process > 1.1 * thread
end

-- Builds tables and strings: the workers meet in the allocator if they can.
local function allocate(rounds)
  local last
  for i = 1, rounds do
    last = { tostring(i), { i, i + 1, i + 2 } }
  end
  return #last
end

local function simultaneous()
  local thread, process = speedup(allocate, 20000, 16)
  return "speed-up of work that allocates all the time",
    ("%.1f x"):format(thread),
    ("%.1f x"):format(process),
    process > 1.1 * thread
end

local function corrupt(data)
  data.balance = "nonsense"
  return data
end

local function safety()
  local function try(kind)
    local data = { balance = 100 }
    conrun[kind].start(corrupt, data):join()
    return data.balance == 100
  end
  local thread, process = both(try)
  return "a worker overwrites a table that it was given: main's own is",
    thread and "untouched" or "corrupted",
    process and "untouched" or "corrupted",
    process and not thread
end

-- Answers at once, but for the call that it never answers.
local function serve(ports, calls)
  local socket = require "socket"
  local server = assert(socket.bind("127.0.0.1", 0))
  ports:put((select(2, server:getsockname())))
  local open = {}
  for i = 1, calls do
    local client = server:accept()
    open[i] = client
    if client:receive() ~= "stall" then
      client:send "answer\n"
    end
  end
  ports:get()
  return #open
end

local function call(port, request)
  local client = assert(require("socket").connect("127.0.0.1", tonumber(port)))
  client:settimeout(1)
  client:send(request .. "\n")
  return (client:receive())
end

-- Eight calls, one of them to a peer that stalls.  How soon are the seven
-- answered, and how soon can the eighth be given up?
local function network(kind)
  local ports, calls = conrun.queue.new(), 8
  local server = conrun.thread.start(serve, ports, calls)
  local port = ports:get(20)
  local stalled, started = conrun[kind].start({ name = "Stalled" }, call, port, "stall"), conrun.clock()
  local pool <close> = pool_of(kind, 4)
  local futures = {}
  for i = 1, calls - 1 do
    futures[i] = pool:submit(call, port, "hello")
  end
  conrun.future.all(futures)
  local answered = conrun.clock() - started
  local given_up = bench.time(function()
    if kind == "process" then
      stalled:kill()
    end
    stalled:join()
  end)
  ports:put "end"
  server:join()
  return answered, given_up
end

local function network_calls()
  if not pcall(require, "socket") then
    return "a stalled peer among 8 on the loopback", "needs LuaSocket", "needs LuaSocket", nil
  end
  local thread, thread_stall = network "thread"
  local process, process_stall = network "process"
  return "8 calls on the loopback, one peer stalls: 7 answers, then giving up the eighth",
    ("%s, then %s"):format(seconds(thread), seconds(thread_stall)),
    ("%s, then %s (killed)"):format(seconds(process), seconds(process_stall)),
    process_stall < thread_stall / 2
end

-- Two programs that share nothing but a pipe of text each, as over ssh.
local function scaling_out()
  local program = 'local function fib(n) return n < 2 and n or fib(n-1) + fib(n-2) end print(fib(24))'
  local function run()
    local one = io.popen(("%s -e '%s'"):format(this_program, program))
    local two = io.popen(("%s -e '%s'"):format(this_program, program))
    local sum = one:read "n" + two:read "n"
    one:close()
    two:close()
    return sum
  end
  local taken, sum = bench.time(run)
  return "two separate programs joined by pipes, standing for two machines (one here)",
    "cannot leave their program",
    ("%s, results right: %s"):format(seconds(taken), sum == 2 * fib(24) and "yes" or "no"),
    sum == 2 * fib(24)
end

-- Sets the library's state, lets the other do the same, and looks again.
local function set_and_look(barrier, mine, first)
  if not first then
    barrier:wait(20)
  end
  os.setlocale(mine, "collate")
  barrier:wait(20)
  if first then
    barrier:wait(20)
  end
  local kept = os.setlocale(nil, "collate") == mine
  barrier:wait(20)
  return kept
end

local function unsafe_library()
  local function try(kind)
    local barrier = conrun.barrier.new(2)
    local one = conrun[kind].start(set_and_look, barrier, "C", true)
    local two = conrun[kind].start(set_and_look, barrier, "C.UTF-8", false)
    local kept, other = one:result(20), two:result(20)
    os.setlocale("C", "collate")
    return kept and other
  end
  local thread, process = both(try)
  return "two workers set a C library's state (the locale) in turn: each keeps its own",
    thread and "yes" or "no, the last one wins",
    process and "yes" or "no",
    process and not thread
end

---------------------------------------------------------------- the tables

local claims = {
  { "threads", "light tasks", light_tasks },
  { "threads", "large or frequently shared state", shared_state },
  { "threads", "I/O-bound work", waits },
  { "threads", "responsiveness", responsiveness },
  { "threads", "low memory", low_memory },
  { "threads", "low-latency hand-over", hand_over },
  { "threads", "simple sharing", simple_sharing },
  { "threads", "libraries that know only one state", one_state },
  { "threads", "a single core", single_core },
  { "processes", "CPU-bound work", cpu_bound },
  { "processes", "isolation", isolation },
  { "processes", "large data", memory_returned },
  { "processes", "independent batch tasks", batch },
  { "processes", "simultaneous operations", simultaneous },
  { "processes", "safety", safety },
  { "processes", "many network calls", network_calls },
  { "processes", "scaling out over machines", scaling_out },
  { "processes", "C libraries that are not thread-safe", unsafe_library },
}

if options.one_core then
  print(measure_one_core())
  return
end

local rows, held = {}, {}
for _, claim in ipairs(claims) do
  local name = ("%s for %s"):format(claim[1], claim[2])
  if name:lower():find(options.only:lower(), 1, true) then
    local measured, thread, process, holds = claim[3]()
    held[claim[2]] = holds
    local verdict = holds == nil and "not measured" or plot.verdict(holds)
    rows[#rows + 1] = { name, measured, thread, process, verdict }
  end
end
if #rows == 0 then
  args.fail("no claim has '%s' in it; try --only=memory", options.only)
end

local header = { "claim", "measured", "threads", "processes", "verdict" }
print(plot.table(header, rows, { width = options.width }))
if options.only ~= "" then
  return
end

-- What follows from the verdicts; a row is there only if its measurement says so.
local advice = {
  { "light tasks", "many short-lived workers", "threads, they start sooner", "either, they start alike" },
  { "low memory", "very many workers at once", "threads, they are smaller", "either" },
  { "I/O-bound work", "waiting for files, programs, sockets", "threads, the waits overlap", "processes" },
  { "CPU-bound work", "computing", "processes, they scale better", "either: no interpreter lock" },
  { "large or frequently shared state", "much shared state", "threads", "either, with conrun.shared" },
  { "isolation", "code that may crash", "processes, only one task fails", "neither is safe here" },
  { "many network calls", "peers that may never answer", "processes, they can be killed", "either, with time limits" },
  { "C libraries that are not thread-safe", "C libraries with one global state", "processes", "either" },
  { "large data", "rare jobs that need much memory", "processes, all of it goes back", "either" },
}
local recommendations = {}
for i, row in ipairs(advice) do
  recommendations[i] = { row[2], held[row[1]] and row[3] or row[4] }
end
print()
print(plot.table({ "your work looks like ...", "use ..." }, recommendations, { width = options.width }))
