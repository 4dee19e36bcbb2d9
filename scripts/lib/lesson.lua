-- SPDX-License-Identifier: MIT
--
-- lesson: what the scripts have in common that show one thing after the other.
--
-- A lesson is a list of entries with a name and a function; the function gets
-- "thread" or "process", does something that succeeds only if the claim is true,
-- and returns the figures to show and whether they are as they must be.  The
-- verdict is that second value and never written down beforehand.

local bench = require "conrun.bench"
local conrun = require "conrun"
local plot = require "conrun.plot"

local lesson = {}

--- How many strands `together` starts.
lesson.workers = 4

--- Runs fn(1), fn(2) ... in four strands at once.  An error in one is raised here.
---@param kind "thread"|"process"
---@param fn fun(number: integer)
function lesson.together(kind, fn)
  local started = {}
  for i = 1, lesson.workers do
    started[i] = conrun[kind].start(fn, i)
  end
  for _, worker in ipairs(started) do
    worker:result(60)
  end
end

--- The kinds that an option names, "both" being two.
---@param option string
---@return string[]
function lesson.kinds(option)
  return option == "both" and { "thread", "process" } or { option }
end

--- Tries every entry with every kind and makes a table of it.
---@param title string of the first column
---@param entries { name: string, show: fun(kind: string): string, boolean }[]
---@param kinds string[]
---@return string text
---@return integer held how many entries were right with all kinds
function lesson.try(title, entries, kinds)
  local header, rows, held = { title }, {}, 0
  for column, kind in ipairs(kinds) do
    header[column + 1] = kind == "thread" and "threads" or "processes"
  end
  header[#header + 1] = "verdict"
  for i, entry in ipairs(entries) do
    local right = true
    rows[i] = { entry.name }
    for column, kind in ipairs(kinds) do
      local figures, as_expected = entry.show(kind)
      rows[i][column + 1] = figures
      right = right and as_expected
    end
    rows[i][#header] = plot.verdict(right)
    held = held + (right and 1 or 0)
  end
  return plot.table(header, rows), held
end

--- Tries entries that print what they do and return only whether it came out right.
--- The table shows how long each took.
---@param title string
---@param entries { name: string, show: fun(kind: string): boolean }[]
---@param kinds string[]
---@return string text
---@return integer held
function lesson.tell(title, entries, kinds)
  local told = {}
  for i, entry in ipairs(entries) do
    told[i] = {
      name = entry.name,
      show = function(kind)
        print(("%s (%s)"):format(entry.name, kind))
        local seconds, right = bench.time(entry.show, kind)
        return plot.seconds(seconds), right
      end,
    }
  end
  return lesson.try(title, told, kinds)
end

return lesson
