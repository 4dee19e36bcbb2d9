-- SPDX-License-Identifier: MIT
---@meta conrun.barrier
-- luacheck: ignore

--- Barriers: a number of strands wait for each other, and go on together, round after round.
---
--- A barrier **breaks** when one of those who wait gives up, by its timeout, an error or its death: the others are
--- told instead of waiting for one who will not come. A round ends in the same way for all: once everybody has come,
--- nobody's time runs out any more.
---@class conrun.barrier
local barrier = {}

---@class conrun.BarrierOptions
---@field action? function runs once a round, in the last to come, before any goes on; an error in it breaks the barrier
---@field timeout? number seconds of a `wait` that has none of its own

--- A barrier for so many strands. The options belong to the handle and go along when it is sent.
---
--- ```lua
--- local meeting = conrun.barrier.new(2)
--- local other = conrun.thread.start(function() return meeting:wait() end)
--- print(meeting:wait() + other:result()) --> 1
--- ```
---@param parties integer 1 or more
---@param options? conrun.BarrierOptions
---@return conrun.Barrier barrier
function barrier.new(parties, options) end

--- The handle of a barrier.
---@class conrun.Barrier
---@field parties integer how many meet
---@field waiting integer how many wait now
---@field broken boolean
local Barrier = {}

--- Waits until all parties have come. A timeout of 0 breaks the barrier at once, unless this is the last to come.
---
--- ```lua
--- local barrier = conrun.barrier.new(2)
--- local other = conrun.thread.start(function() return barrier:wait() end)
--- local mine = barrier:wait()
--- print(mine + other:result()) --> 1
--- ```
---@param timeout? number
---@return integer? index 0 to parties - 1, each once a round; nil if the barrier broke
---@return string? why "timeout" for who broke it so, "broken" for the others
function Barrier:wait(timeout) end

--- Breaks the barrier for all who wait and all who come later.
---
--- ```lua
--- local barrier = conrun.barrier.new(2)
--- barrier:abort()
--- print(barrier:wait()) --> nil broken
--- ```
function Barrier:abort() end

--- Makes the barrier usable again. Those who wait now are told that it broke.
---
--- ```lua
--- local barrier = conrun.barrier.new(1)
--- barrier:abort()
--- barrier:reset()
--- print(barrier:wait()) --> 0
--- ```
function Barrier:reset() end

return barrier
