-- SPDX-License-Identifier: MIT
--
-- dump: conrun --dump, what another program does at this moment.
--
-- Internal: src/host/live.c calls these functions.  Each returns the text for standard
-- output, or nil and one line that says why there is none.

local json = require "conrun.view.json"
local program = require "conrun.view.program"
local text = require "conrun.text"
local words = require "conrun.view.words"

local dump = {}

----------------------------------------------------------------------------- tables

-- Rows of columns, each as wide as its widest text; the last has no end.
local function lay_out(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, text.width(cell))
    end
  end
  local lines = {}
  for _, row in ipairs(rows) do
    local parts = {}
    for i, cell in ipairs(row) do
      parts[i] = cell .. (" "):rep(widths[i] - text.width(cell))
    end
    lines[#lines + 1] = (table.concat(parts, "  "):gsub(" +$", ""))
  end
  return lines
end

local function append(lines, more)
  table.move(more, 1, #more, #lines + 1, lines)
end

------------------------------------------------------------------------------ people

local function strand_rows(seen)
  local names = words.pools(seen)
  local rows = { { "STRAND", "KIND", "PID", "STATE", "CPU", "MEMORY", "TASK", "SINCE", "WAITS FOR" } }
  for _, strand in ipairs(seen.strands) do
    local task = strand.task and ("%s #%d"):format(names[strand.pool] or "pool", strand.task) or names[strand.pool]
    rows[#rows + 1] = {
      words.clean(strand.name), strand.kind, tostring(strand.pid), strand.state,
      strand.cpu and words.time(strand.cpu) or "-", words.size(strand.memory), task or "-",
      strand.waits and words.time(strand.waits.seconds) or "-", words.doing(strand),
    }
  end
  return lay_out(rows)
end

local function hold_lines(seen)
  local lines = {}
  for _, strand in ipairs(seen.strands) do
    for _, held in ipairs(strand.holds or {}) do
      lines[#lines + 1] = ("'%s' holds lock %d%s"):format(words.clean(strand.name), held.lock,
        held.where and ", taken at " .. words.clean(held.where) or "")
    end
  end
  return lines
end

local function object_rows(seen)
  local rows = {}
  for _, pool in ipairs(seen.pools) do
    rows[#rows + 1] = { ("pool '%s'"):format(words.clean(pool.name)), words.count(pool.waiting, "waiter"),
      words.pool(pool) }
  end
  for _, object in ipairs(seen.objects) do
    if words.is_telling(object) then
      rows[#rows + 1] = { ("%s %d"):format(object.type, object.id), words.count(object.waiting, "waiter"),
        words.inside(object) }
    end
  end
  return lay_out(rows)
end

local function for_people(seen)
  local lines = words.head(seen, "of shared memory")
  for _, part in ipairs { strand_rows(seen), hold_lines(seen), object_rows(seen) } do
    if #part > 0 then
      lines[#lines + 1] = ""
      append(lines, part)
    end
  end
  if seen.partial then
    lines[#lines + 1] = ""
    lines[#lines + 1] = "A strand holds more objects than are looked at; some are not shown."
  end
  return table.concat(lines, "\n") .. "\n"
end

----------------------------------------------------------------------------- scripts

local function for_scripts(seen)
  for _, name in ipairs { "strands", "objects", "pools" } do
    json.list(seen[name])
  end
  for _, strand in ipairs(seen.strands) do
    json.list(strand.holds or {})
  end
  return json.encode(seen) .. "\n"
end

local function listing(found, as_json)
  if as_json then
    return json.encode { programs = json.list(found) } .. "\n"
  end
  local rows = { { "PID", "UP", "STRANDS", "COMMAND" } }
  for _, one in ipairs(found) do
    rows[#rows + 1] = { tostring(one.pid), words.time(one.uptime), tostring(one.strands), words.clean(one.command) }
  end
  return table.concat(lay_out(rows), "\n") .. "\n"
end

--- The only program of this user, or the one that has the process.
---@param pid integer 0: whichever there is
---@param option string "--dump", for the line that says how to choose
---@param as_json? boolean
---@return table? program
---@return string? message
---@return string? list of those that there are
function dump.choose(pid, option, as_json)
  local found, other = {}, nil
  if pid == 0 then
    found, other = program.list()
    pid = #found == 1 and found[1].pid or 0
  end
  if pid ~= 0 then
    local chosen, message = program.open(pid)
    return chosen, message
  elseif #found == 0 then
    return nil, other or "no program of conrun is running that you could look at"
  end
  return nil, ("%d programs are running; name one: %s=PID"):format(#found, option), listing(found, as_json)
end

-- The line about the stacks that were asked for.
local function stacks_line(where, stopped)
  return ("\nIts Lua stacks come on its standard error, which is %s%s.\n"):format(words.clean(where),
    stopped and ", as soon as it is continued" or "")
end

---@param pid integer 0: whichever there is
---@param as_json boolean
---@param stacks boolean ask for the stacks, too
---@return string? text for standard output
---@return string? message for standard error: then it has failed
function dump.text(pid, as_json, stacks)
  local chosen, message, list = dump.choose(pid, "--dump", as_json)
  if not chosen then
    return list, message
  end
  local seen = chosen:look()
  local where, refusal
  if seen and stacks then
    where, refusal = chosen:ask(seen)
    seen.stacks = where
  end
  chosen:close()
  if not seen then
    return nil, ("process %d has ended"):format(chosen.asked)
  elseif as_json then
    return for_scripts(seen), refusal
  end
  return for_people(seen) .. (where and stacks_line(where, seen.stopped) or ""), refusal
end

return dump
