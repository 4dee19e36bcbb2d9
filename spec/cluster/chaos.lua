-- SPDX-License-Identifier: MIT
--
-- chaos: a cluster whose agents, workers and server are killed at random, while a program
-- computes with it.
--
--   make cluster-chaos CLUSTER_CHAOS="--seed=N --seconds=N --agents=N"
--
-- One strand, the program, keeps a window of tasks under way and checks each result; in
-- between main strikes: an agent is killed or stopped for longer than its lease, a worker of
-- one is killed, the server is killed, or ends and starts again.  When the time is over all
-- results must have come, each the right one, and at the server nothing is left.
--
-- The blows come from the seed; where they land is the machine's choice.

local conrun = require "conrun"
local helpers = require "spec.helpers"
local read_options = require "spec.chaos.options"
local site = require "spec.cluster.site"

local LEASE = 0.5
local WINDOW = 200
local PAUSE = 0.4 -- seconds from blow to blow, at most
local PATIENCE = 60 -- seconds without any result: then it hangs

local options = read_options("cluster-chaos", { "seed", "seconds", "agents" },
  { seed = os.time(), seconds = 60, agents = 3 })
math.randomseed(options.seed)

local here = site.new()
local agents = {}
for i = 1, options.agents do
  agents[i] = here:agent(2)
end
local pool = here:pool { lease = LEASE, retries = 100000, wait_timeout = PATIENCE, engine_timeout = PATIENCE }

-- What a task takes and gives: a number, and now and then a long text.
local function work(x, text)
  if x % 7 == 0 then require("conrun").sleep(0.01) end
  return x * x, text and #text
end

local long = ("x"):rep(300000)
local totals = { tasks = 0, wrong = 0, agent = 0, worker = 0, stopped = 0, server = 0, restart = 0 }

---------------------------------------------------------------------------- the blows

local function workers_of(pid)
  local out = helpers.run(("for z in $(pgrep -P %d); do pgrep -P $z; done"):format(pid))
  return helpers.lines(out)
end

local blows = {}

function blows.agent()
  local i = math.random(#agents)
  here:kill(agents[i], "KILL")
  agents[i] = here:agent(2)
end

function blows.worker()
  local list = workers_of(agents[math.random(#agents)])
  if #list > 0 then here:kill(tonumber(list[math.random(#list)]), "KILL") end
end

function blows.stopped()
  local pid = agents[math.random(#agents)]
  here:kill(pid, "STOP")
  return function() here:kill(pid, "CONT") end, 2 * LEASE
end

function blows.server()
  here:kill(here.server, "KILL")
  here:ended(here.server)
  here:start_server()
end

function blows.restart()
  here:kill(here.server, "TERM")
  here:ended(here.server)
  here:start_server()
end

local kinds = { "agent", "agent", "worker", "worker", "worker", "stopped", "server", "restart" }

------------------------------------------------------------------------------ the play

local futures, expected, last = {}, {}, 0
local function submit()
  last = last + 1
  local text = last % 50 == 0 and long or nil
  local f = pool:submit(work, last, text)
  futures[#futures + 1] = f
  expected[f] = { last * last, text and #text }
end

-- Takes what is there; false: nothing for so long that it hangs.
local function collect(seconds)
  local deadline = conrun.clock() + seconds
  repeat
    local rest = {}
    for _, f in ipairs(futures) do
      if f:done() then
        local ok, square, length = pcall(f.result, f)
        local wanted = expected[f]
        expected[f] = nil
        totals.tasks = totals.tasks + 1
        if not ok or square ~= wanted[1] or length ~= wanted[2] then
          totals.wrong = totals.wrong + 1
          print("wrong:", square, "expected " .. wanted[1])
        end
      else
        rest[#rest + 1] = f
      end
    end
    futures = rest
    while #futures < WINDOW and not totals.over do
      submit()
    end
    if #futures == 0 then return true end
    conrun.select(futures, math.max(0, math.min(0.05, deadline - conrun.clock())))
  until conrun.clock() > deadline
  return false
end

local start = conrun.clock()
local pending = {} -- what undoes a blow, and when
while conrun.clock() - start < options.seconds do
  collect(math.random() * PAUSE)
  for undo, at in pairs(pending) do
    if conrun.clock() > at then
      undo()
      pending[undo] = nil
    end
  end
  local kind = kinds[math.random(#kinds)]
  totals[kind] = totals[kind] + 1
  local undo, after = blows[kind]()
  if undo then pending[undo] = conrun.clock() + after end
end
for undo in pairs(pending) do
  undo()
end

totals.over = true
local complete = collect(PATIENCE)
local counts = select(-1, require("conrun.core.net").config(pool)).board:get "counts"
if complete then pool:shutdown() else pool:terminate() end
local streams = here:streams()
here:stop()

local good = complete and totals.wrong == 0 and streams == 0
print(("%d tasks in %.0f s; killed: %d agents, %d workers, %d servers; %d agents stopped, %d restarts"):format(
  totals.tasks, conrun.clock() - start, totals.agent, totals.worker, totals.server, totals.stopped, totals.restart))
print(("%d results dropped that came twice, %d tasks put again; %d wrong, %d not there, %d streams left"):format(
  counts.dropped, counts.put_again, totals.wrong, #futures, streams))
if not good then
  print(("replay: make cluster-chaos CLUSTER_CHAOS='--seed=%d --seconds=%d --agents=%d'"):format(
    options.seed, options.seconds, options.agents))
end
print(("%d passed, %d failed"):format(good and 1 or 0, good and 0 or 1))
os.exit(good, true)
