-- SPDX-License-Identifier: MIT
--
-- Waiting: for programs, for a busy worker, for a peer that never answers.

local bench = require "conrun.bench"
local conrun = require "conrun"
local plot = require "conrun.plot"
local tools = require "claims.tools"

-- A read from a pipe on which nothing comes for a while: a real system call.
local function wait_outside()
  io.popen("sleep 0.05"):close()
end

local function waits()
  local pools, measured = {}, { thread = {}, process = {} }
  for run = 1, 3 do
    for kind, times in pairs(measured) do
      pools[kind] = pools[kind] or tools.pool(kind, 8)
      local pool = pools[kind]
      times[run] = bench.time(pool.map, pool, wait_outside, conrun.range(1, 8), { chunksize = 1 })
    end
  end
  pools.thread:shutdown()
  pools.process:shutdown()
  return "8 reads that block for 50 ms, 8 workers",
    plot.seconds(bench.median(measured.thread)),
    plot.seconds(bench.median(measured.process)),
    tools.decide({ 8 * 0.05, 8 * 0.05, 8 * 0.05 }, measured.thread, 2)
end

-- The main strand counts the time between its ticks while a worker is busy.
local function responsiveness()
  local pauses, alone = { thread = {}, process = {} }, {}
  for run = 1, 3 do
    for kind, longest in pairs(pauses) do
      local worker = conrun[kind].start(tools.fib, 27)
      longest[run] = 0
      while worker:alive() do
        longest[run] = math.max(longest[run], (bench.time(conrun.sleep, 0.001)))
      end
    end
    alone[run] = bench.time(tools.fib, 27)
  end
  return "longest pause of main beside work of " .. plot.seconds(bench.median(alone)),
    plot.seconds(bench.median(pauses.thread)),
    plot.seconds(bench.median(pauses.process)),
    tools.decide(alone, pauses.thread, 2)
end

-- Answers every call at once but for the one that it never answers, and keeps
-- all lines open until it is told to end.
local function serve(ports, calls)
  local server, open = assert(require("socket").bind("127.0.0.1", 0)), {}
  ports:put((select(2, server:getsockname())))
  for i = 1, calls do
    open[i] = server:accept()
    if open[i]:receive() ~= "stall" then
      open[i]:send "answer\n"
    end
  end
  ports:get()
end

local function call(port, request)
  local client = assert(require("socket").connect("127.0.0.1", tonumber(port)))
  client:settimeout(1)
  client:send(request .. "\n")
  return (client:receive())
end

-- How soon are seven of eight calls answered, and how soon can the eighth be given up?
local function network(kind)
  local ports, calls = conrun.queue.new(), 8
  local server = conrun.thread.start(serve, ports, calls)
  local port = ports:get(20)
  local stalled, started = conrun[kind].start(call, port, "stall"), conrun.clock()
  local pool <close> = tools.pool(kind, 4)
  pool:starmap(call, { { port, "1" }, { port, "2" }, { port, "3" }, { port, "4" }, { port, "5" }, { port, "6" },
    { port, "7" } }, { chunksize = 1 })
  local answered = conrun.clock() - started
  local given_up = bench.time(function()
    if kind == "process" then
      stalled:kill()
    end
    stalled:join()
  end)
  ports:put "end"
  server:join()
  return { answered = answered, given_up = given_up }
end

local function network_calls()
  if not pcall(require, "socket") then
    return "8 calls, one stalls", "needs LuaSocket", "needs LuaSocket", tools.unmeasured
  end
  local thread, process = tools.both(network)
  return "8 calls, one stalls: 7 answers, giving up the eighth",
    ("%s, %s"):format(plot.seconds(thread.answered), plot.seconds(thread.given_up)),
    ("%s, %s (killed)"):format(plot.seconds(process.answered), plot.seconds(process.given_up)),
    tools.decide({ thread.given_up }, { process.given_up }, 2)
end

return {
  { "threads", "I/O-bound work", waits },
  { "threads", "responsiveness", responsiveness },
  { "processes", "many network calls", network_calls },
}
