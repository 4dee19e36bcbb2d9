-- SPDX-License-Identifier: MIT
--
-- report: what an exploration has found, in words, and the command line of it.
--
-- Internal.

local search = require "conrun.explore.search"

local report = {}

-- -------------------------------------------------------------------- the table

local function describe(step)
  local what = step.op:gsub(":", " " .. step.serial .. ":", 1)
  if step.type == "" or step.serial == "0" then
    what = step.op
  end
  local with = step.with ~= "" and "(" .. step.with .. ")" or ""
  local where = step.where:match "[^/]*$"
  return (where ~= "" and where .. "  " or "") .. what .. with
end

-- Looking a method up is no step that anybody wants to see.
local function is_shown(step)
  return not (step.type == "worker" and step.op:match "index$")
end

--- What was done, in that order: who has got the baton does what he stood before.
local function rows_of(run)
  local rows, before, waits = {}, {}, {}
  for _, step in ipairs(run.steps) do
    before[step.who] = step.stands == 0 and step or nil
    if step.stands == 1 and not waits[step.who] then
      rows[#rows + 1] = { who = step.who, text = "(waits)" }
    elseif step.stands == 2 then
      rows[#rows + 1] = { who = step.who, text = "(ends)" }
    end
    waits[step.who] = step.stands == 1
    local next = step.candidates[step.pick + 1]
    local does = next and before[next]
    if does then
      before[next] = nil
      if is_shown(does) then
        rows[#rows + 1] = { who = next, text = describe(does) }
      end
    end
  end
  return rows
end

local function strands_of(rows)
  local order, seen = {}, {}
  for _, row in ipairs(rows) do
    if not seen[row.who] then
      seen[row.who] = true
      order[#order + 1] = row.who
    end
  end
  table.sort(order)
  return order
end

local MOST_ROWS = 200

--- The steps of a run as a table: a column for each strand.
---@return string
function report.table(run)
  local rows = rows_of(run)
  local order, width, lines = strands_of(rows), {}, {}
  for _, who in ipairs(order) do
    width[who] = #(run.names[who] or "?")
  end
  for _, row in ipairs(rows) do
    width[row.who] = math.max(width[row.who], #row.text)
  end
  local function add(number, texts)
    local cells = {}
    for i, who in ipairs(order) do
      cells[i] = ("%-" .. width[who] .. "s"):format(texts[who] or "")
    end
    lines[#lines + 1] = ("%5s  %s"):format(number, table.concat(cells, "  ")):gsub("%s+$", "")
  end
  add("step", setmetatable({}, { __index = function(_, who) return run.names[who] or "?" end }))
  for i = 1, math.min(#rows, MOST_ROWS) do
    add(i, { [rows[i].who] = rows[i].text })
  end
  if #rows > MOST_ROWS then
    lines[#lines + 1] = ("       and %d more"):format(#rows - MOST_ROWS)
  end
  return table.concat(lines, "\n")
end

-- ------------------------------------------------------------------- in words

local function plural(n, what)
  return ("%d %s%s"):format(n, what, n == 1 and "" or "s")
end

--- What it means that no schedule has failed.
function report.clean(found, options)
  if options.strategy == "exhaustive" and found.complete then
    return ("all %s with at most %s: no failure"):format(
      plural(found.tried, "schedule"), plural(options.preemptions, "preemption"))
  elseif options.strategy == "exhaustive" then
    return ("the %s with the fewest preemptions: no failure, and there are more (--explore=N tries N)"):format(
      plural(found.tried, "schedule"))
  elseif options.strategy == "pct" then
    -- A bug of depth d is hit with probability 1 / (strands * choices ^ (d - 1)) at least.
    local hit = 1 / (math.max(found.strands, 2) * math.max(found.length, 2))
    return ("%s by random priorities: no failure; a bug of depth 2 would be missed with probability %.2g at most")
      :format(plural(found.tried, "schedule"), (1 - hit) ^ (found.tried // options.depth))
  end
  return ("%s by chance: no failure"):format(plural(found.tried, "schedule"))
end

--- "200 × 412, 150 × 88"
function report.outcomes(found)
  local list = {}
  for text, count in pairs(found.outcomes) do
    local line = text:gsub("\n+$", ""):gsub("\n", " | ")
    if #line > 60 then
      line = line:sub(1, 57) .. "..."
    end
    list[#list + 1] = { count = count, text = line == "" and "(nothing)" or line }
  end
  table.sort(list, function(a, b)
    if a.count ~= b.count then
      return a.count > b.count
    end
    return a.text < b.text
  end)
  for i, o in ipairs(list) do
    list[i] = ("%d × %s"):format(o.count, o.text)
  end
  return table.concat(list, ", ")
end

--- Searches, and makes a failure short.
---@return table found with run, word, again, if there is a failure
function report.explore(subject, options)
  local found = search.run(subject, options)
  if found.run then
    found.run = search.simplest(subject, found.run, options)
    found.word, found.again = search.confirm(subject, found.run, options.again or 10)
  end
  return found
end

--- What there is to say about it.
---@param command string with %s for the schedule
---@return string
function report.text(found, options, command)
  local lines = {}
  if options.outcomes then
    lines[#lines + 1] = "outcomes: " .. report.outcomes(found)
  end
  if not found.run then
    lines[#lines + 1] = report.clean(found, options)
    return table.concat(lines, "\n")
  end
  lines[#lines + 1] = ("failure in schedule %d: %s"):format(found.tried, found.run.failure)
  lines[#lines + 1] = ("  with %s, reproduced %d of %d\n"):format(
    plural(found.run.preemptions, "preemption"), found.again, options.again or 10)
  lines[#lines + 1] = report.table(found.run)
  lines[#lines + 1] = "\nreplay: " .. command:format(found.word)
  return table.concat(lines, "\n")
end

-- ------------------------------------------------------------ the command line

local function quoted(word)
  return word:find "[^%w_%-%./:=,@%%+]" and "'" .. word:gsub("'", "'\\''") .. "'" or word
end

--- `conrun --explore ...`: words without those of the exploration itself.  Prints what was
--- found and returns the exit code.
---@param words string[] argv, with [0]
---@param options table schedules, strategy, preemptions, outcomes
function report.main(words, options)
  local subject = { program = words[0], words = words }
  local shown = {}
  for i, word in ipairs(words) do
    shown[i] = quoted(word)
  end
  local found = report.explore(subject, options)
  local command = quoted(words[0]) .. " --schedule=%s " .. table.concat(shown, " "):gsub("%%", "%%%%")
  print(report.text(found, options, command))
  return found.run and 1 or 0
end

return report
