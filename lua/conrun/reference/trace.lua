-- SPDX-License-Identifier: MIT
---@meta conrun.trace
-- luacheck: ignore

--- What a program says in its own timeline: `conrun --trace=run.json script.lua`.
---
--- The timeline has all that conrun itself does: tasks, waits, lock holds, what went from whom to whom. These functions add what only
--- the program knows. They work in every strand, and where nothing is traced they do nothing.
---
--- ```lua
--- for i = 1, 3 do
---   local round <close> = conrun.trace.span("round " .. i)
---   conrun.trace.counter("left", 3 - i)
--- end
--- conrun.trace.mark "all rounds are over"
--- ```
---@class conrun.trace
local trace = {}

--- Marks this moment on the strand's track.
---
--- ```lua
--- conrun.trace.mark "the model is loaded"
--- ```
---@param text string of which 256 bytes are kept
function trace.mark(text) end

--- A stretch of time on the strand's track, from now until the value is closed.
---
--- ```lua
--- do
---   local reading <close> = conrun.trace.span "reading"
---   print(reading) --> span (closed)
--- end
--- ```
---@param name string of which 256 bytes are kept
---@return userdata span for `<close>`; it says `span (open)` while something is traced
function trace.span(name) end

--- Sets a number that is drawn as a curve over time.
---
--- ```lua
--- conrun.trace.counter("items left", 12)
--- ```
---@param name string of which 256 bytes are kept
---@param n number
function trace.counter(name, n) end

return trace
