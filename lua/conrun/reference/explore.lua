-- SPDX-License-Identifier: MIT
---@meta conrun.explore
-- luacheck: ignore

--- Exploration: what a program does under every order of its strands, and not only in the one that the kernel happens to choose.
---
--- States share nothing, so operations on shared objects are the only places where the order of strands matters. A
--- schedule says who goes on at each of them; a run under a schedule can be repeated. `conrun --explore script.lua` does
--- for a script what this module does for a function.
---@class conrun.explore
local explore = {}

---@class conrun.ExploreOptions
---@field strategy? string "exhaustive" (all schedules, those with the fewest preemptions first), "random" or "pct" (random priorities)
---@field preemptions? integer how often a strand that could go on is stopped, for "exhaustive" (default 2)
---@field schedules? integer how many are tried at most (default 1000)
---@field seed? integer where chance begins
---@field schedule? string only this one: a failure that was found before

--- Runs a function under many schedules, each time in a fresh program, which gets the function as a worker would; shared
--- objects are made by the function itself. It fails by an error in any strand, a deadlock, a leak, or if it does not
--- end. A failure is made as short as possible; the text has its steps, a column for each strand, and a line that
--- replays it. So `assert(conrun.explore.run(test))` is a test.
---
--- ```lua
--- local function test(add)
---   local v = conrun.shared.value("i64", 0)
---   local function one() if add then v:add(1) else v:set(v:get() + 1) end end
---   local a, b = conrun.thread.start(one), conrun.thread.start(one)
---   a:join() b:join()
---   assert(v:get() == 2, "lost")
--- end
--- local ok, text = conrun.explore.run(function() test(true) end)
--- print(ok, text:match "no failure") --> true no failure
--- local bad, why, found = conrun.explore.run(function() test(false) end)
--- print(bad, found.failure:match "lost") --> false lost
--- print(conrun.explore.run(function() test(false) end, { schedule = found.schedule }) == bad) --> true
--- ```
---@param fn function
---@param options? conrun.ExploreOptions
---@return boolean ok no schedule failed
---@return string text what was found
---@return table found failure, schedule, schedules (how many were tried)
function explore.run(fn, options) end

return explore
