-- SPDX-License-Identifier: MIT
--
-- trial: one run of a program under a schedule, and what its log says.
--
-- Internal.  A schedule is known by its deviations, in the order of the choices at which they
-- are: { at = number of the choice, from 0, pick = which candidate, from 0, op = the operation
-- that the strand with the baton was about to do }.  Deviations and words say the same
-- (src/base/schedule.h).

local core = require "conrun.core.explore"

local trial = {}

--- What is run: the words of a command line, with the schedule to be put behind the first.
---@class conrun.explore.Subject
---@field program string argv[0]
---@field words string[] what comes after the options of ours
---@field input? string for core.call

---@param deviations table[]
---@param checksum? string
---@return string word
function trial.word(deviations, checksum)
  local parts, last = {}, -1
  for i, d in ipairs(deviations) do
    local op = d.op and d.op ~= "" and "=" .. d.op or ""
    parts[i] = d.at - last - 1 .. string.char(96 + d.pick) .. op
    last = d.at
  end
  return ("1-%s-%s"):format(checksum or "0", table.concat(parts, ","))
end

--- Starts a run, which `finish` waits for.
---@param subject conrun.explore.Subject
---@param word string
function trial.start(subject, word)
  local argv = { subject.program, "--schedule=" .. word, "--audit" }
  table.move(subject.words, 1, #subject.words, #argv + 1, argv)
  return core.start(argv, subject.input)
end

local function fields(line)
  local list = {}
  for field in (line .. "\t"):gmatch "([^\t]*)\t" do
    list[#list + 1] = field
  end
  return list
end

local function read_step(f)
  local candidates = {}
  for index in f[10]:gmatch "%d+" do
    candidates[#candidates + 1] = tonumber(index)
  end
  return {
    who = tonumber(f[1]), stands = tonumber(f[2]), type = f[3], serial = f[4], op = f[5], where = f[6], with = f[7],
    pick = tonumber(f[8]), kept = f[9]:sub(1, 1) == "1", idle = f[9]:sub(2, 2) == "1", candidates = candidates,
  }
end

local function read_log(run, log)
  run.steps, run.names, run.strands = {}, {}, 0
  for line in log:gmatch "[^\n]+" do
    local f = fields(line)
    if f[1] == "end" then
      run.checksum, run.verdict, run.left = f[2], f[3], f[4]
    elseif f[1] == "name" then
      run.strands = run.strands + 1
      run.names[tonumber(f[2])] = f[3]
    else
      run.steps[#run.steps + 1] = read_step(f)
    end
  end
end

--- Does the choice take the processor from a strand that could go on?
function trial.preempts(step, pick)
  return pick > 0 and (step.kept or (step.idle and pick == #step.candidates - 1))
end

local function note_choices(run)
  local at, preemptions = 0, 0
  run.deviations = {}
  for _, step in ipairs(run.steps) do
    if #step.candidates > 1 then
      if step.pick > 0 then
        local preempts = trial.preempts(step, step.pick)
        preemptions = preemptions + (preempts and 1 or 0)
        table.insert(run.deviations, { at = at, pick = step.pick, op = step.op, preempts = preempts })
      end
      at = at + 1
    end
  end
  run.preemptions, run.choices = preemptions, at
end

-- The line of stderr that says most: the first, without the program's name.
local function complaint(run)
  local line = run.err:match "[^\n]+" or ("exit code %d"):format(run.code)
  line = line:gsub("^%S*conrun: ", "")
  return line
end

--- Why the run failed; nil: it did not.
local function failure_of(run)
  if run.code == -24 or run.code == -9 then
    return "no end after 10 s of processor time without an operation"
  elseif run.code < 0 then
    return "killed by signal " .. -run.code
  elseif run.verdict and run.verdict ~= "" then
    return run.verdict
  elseif run.code ~= 0 then
    return complaint(run)
  end
  return run.err:match "uncaught error[^\n]*"
end

---@return table run code, out, err, failure, steps, names, deviations, preemptions, checksum
function trial.finish(handle)
  local run = {}
  local code, out, err, log = core.finish(handle)
  run.code, run.out = code, out
  run.err = err:gsub("[^\n]*: audit: clean\n", ""):gsub("[^\n]*: schedule: recorded for [^\n]*\n", "")
  read_log(run, log)
  note_choices(run)
  if run.left and run.left ~= "" and run.code == 1 and run.err == "" then
    run.code = 0 -- it has left a word that was only a proposal
  end
  run.failure = failure_of(run)
  return run
end

function trial.run(subject, word)
  return trial.finish(trial.start(subject, word))
end

--- Do two failures mean the same?  Numbers in them may differ.
function trial.same(a, b)
  return a and b and a:gsub("%d+", "#"):gsub("0x%x+", "#") == b:gsub("%d+", "#"):gsub("0x%x+", "#")
end

return trial
