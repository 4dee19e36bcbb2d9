-- SPDX-License-Identifier: MIT
---@meta conrun.semaphore
-- luacheck: ignore

--- Semaphores: a number of permits that strands take and give back.
---
--- As long as whoever releases has acquired before, the permits are **seats**: those that a strand has out go back when
--- it ends, be it by a return, an error, `os.exit` or its death. Any strand may release, also one that took nothing;
--- from then on the permits are **events** that others count: what was acquired is used up, and nothing goes back.
---@class conrun.semaphore
local semaphore = {}

--- A semaphore with `n` permits at first.
---
--- ```lua
--- local seats = conrun.semaphore.new(2)
--- print(seats:acquire(), seats:acquire(), seats:value()) --> true true 0
--- print(seats:acquire(0))                                --> false timeout
--- ```
---@param n? integer 0 or more; 1 unless given
---@return conrun.Semaphore semaphore
function semaphore.new(n) end

--- As `new`, but releasing beyond `n` is an error and changes nothing.
---
--- ```lua
--- local permits = conrun.semaphore.bounded(2)
--- print(pcall(permits.release, permits) == false) --> true
--- ```
---@param n? integer 0 or more; 1 unless given
---@return conrun.Semaphore semaphore
function semaphore.bounded(n) end

--- The handle of a semaphore.
---@class conrun.Semaphore
local Semaphore = {}

--- Takes a permit, waiting for one if there is none.
---
--- ```lua
--- local permits = conrun.semaphore.new(1)
--- print(permits:acquire())  --> true
--- print(permits:acquire(0)) --> false timeout
--- permits:release()
--- ```
---@param timeout? number
---@return boolean taken
---@return string? why "timeout"
function Semaphore:acquire(timeout) end

--- Gives `n` permits and wakes up to so many waiters. Raises if a bounded one would get more than it had at first.
---
--- ```lua
--- local arrived = conrun.semaphore.new(0)
--- conrun.thread.start(function() arrived:release(3) end):join()
--- print(arrived:value()) --> 3
--- ```
---@param n? integer 1 or more; 1 unless given
function Semaphore:release(n) end

--- Permits that are free now.
---
--- ```lua
--- print(conrun.semaphore.new(5):value()) --> 5
--- ```
---@return integer free
function Semaphore:value() end

--- Takes a permit until the end of a block, see `lock:hold`.
---
--- ```lua
--- local permits = conrun.semaphore.new(2)
--- do
---   local permit <close> = permits:hold()
---   print(permits:value()) --> 1
--- end
--- print(permits:value())   --> 2
--- ```
---@param timeout? number
---@return conrun.Guard? guard
---@return string? why "timeout"
function Semaphore:hold(timeout) end

--- Calls `fn(...)` with a permit, which is given back also when it raises.
---
--- ```lua
--- local permits = conrun.semaphore.new(1)
--- print(permits:with(function() return permits:value() end), permits:value()) --> 0 1
--- ```
---@param fn function
---@param ... any
---@return any ... what it returned
function Semaphore:with(fn, ...) end

return semaphore
