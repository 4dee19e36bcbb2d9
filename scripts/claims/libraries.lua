-- SPDX-License-Identifier: MIT
--
-- Libraries in C, which know nothing of conrun.
--
-- What such a library keeps in variables of its own or gets from the kernel
-- belongs to the process.  The C library is one of them and always there: its
-- locale is a state that exists once, its files are numbers that mean something
-- to one process only.

local conrun = require "conrun"
local outside = require "outside"
local tools = require "claims.tools"

-- The worker opens a file and gives away only the number, as a library made for
-- threads would; main reads it if the number means the same file here.
local function read_by_number(kind)
  local path, numbers, done = os.tmpname(), conrun.queue.new(), conrun.event.new()
  local worker = conrun[kind].start(function()
    local file <close> = assert(io.open(path, "w"))
    file:write(path)
    file:flush()
    local listing = outside.output("ls -l /proc/" .. conrun.current().pid .. "/fd")
    numbers:put(listing:match("(%d+) %-> " .. path:gsub("%p", "%%%0")))
    done:wait(20)
  end)
  local number = numbers:get(20)
  local seen = number and outside.read("/proc/self/fd/" .. number) == path
  done:set()
  worker:join()
  os.remove(path)
  return seen
end

local function only_threads()
  local thread, process = tools.both(read_by_number)
  return "can main read a worker's file by its number?",
    thread and "yes, one set of files" or "no",
    process and "yes" or "no, each has its own",
    thread and not process
end

local function locale_seen_here(kind)
  os.setlocale("C", "collate")
  conrun[kind].start(os.setlocale, "C.UTF-8", "collate"):join()
  local seen = os.setlocale(nil, "collate") ~= "C"
  os.setlocale("C", "collate")
  return seen
end

local function one_state()
  local thread, process = tools.both(locale_seen_here)
  return "does main see the locale that a worker sets?",
    thread and "yes, one state" or "no",
    process and "yes" or "no, each has its own",
    thread and not process
end

-- One sets the state, then the other does, then both look again.
local function keep_their_own(kind)
  local barrier = conrun.barrier.new(2)
  local one = conrun[kind].start(function()
    os.setlocale("C", "collate")
    barrier:wait(20)
    barrier:wait(20)
    return os.setlocale(nil, "collate") == "C"
  end)
  local two = conrun[kind].start(function()
    barrier:wait(20)
    os.setlocale("C.UTF-8", "collate")
    barrier:wait(20)
    return os.setlocale(nil, "collate") == "C.UTF-8"
  end)
  local kept, other = one:result(20), two:result(20)
  os.setlocale("C", "collate")
  return kept and other
end

local function unsafe_library()
  local thread, process = tools.both(keep_their_own)
  return "two workers set the locale: does each keep its own?",
    thread and "yes" or "no, the last one wins",
    process and "yes" or "no",
    process and not thread
end

return {
  { "threads", "libraries that know only threads", only_threads },
  { "threads", "libraries that know only one state", one_state },
  { "processes", "C libraries that are not thread-safe", unsafe_library },
}
