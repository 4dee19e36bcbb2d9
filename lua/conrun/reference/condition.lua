-- SPDX-License-Identifier: MIT
---@meta conrun.condition
-- luacheck: ignore

--- Conditions: strands wait until another tells them that something they share has changed. A condition has a lock,
--- which is held while one looks at what is shared, and given up only while one waits.
---@class conrun.condition
local condition = {}

--- A condition with the given lock, or with a recursive one of its own.
---
--- ```lua
--- local changed, ready = conrun.condition.new(), conrun.shared.value("boolean")
--- local worker = conrun.thread.start(function()
---   local guard <close> = changed:hold()
---   ready:set(true)
---   changed:notify_all()
--- end)
--- changed:with(function()
---   print(changed:wait_for(function() return ready:get() end)) --> true
--- end)
--- worker:join()
--- ```
---@param lock? conrun.Lock
---@return conrun.Condition condition
function condition.new(lock) end

--- The handle of a condition.
---@class conrun.Condition
local Condition = {}

--- Takes the condition's lock, as `lock:acquire` does.
---
--- ```lua
--- local c = conrun.condition.new()
--- c:acquire()
--- print(c:locked()) --> true
--- c:release()
--- ```
---@param timeout? number
---@return boolean taken
---@return string? why "abandoned" or "timeout"
function Condition:acquire(timeout) end

--- Gives the condition's lock back. An error if this strand does not hold it.
---
--- ```lua
--- local lock = conrun.lock.new()
--- local c = conrun.condition.new(lock)
--- c:acquire()
--- c:release()
--- print(lock:locked()) --> false
--- ```
function Condition:release() end

--- Is the condition's lock held by any strand?
---
--- ```lua
--- local c = conrun.condition.new()
--- print(c:locked()) --> false
--- ```
---@return boolean held
function Condition:locked() end

--- Takes the condition's lock until the end of a block, as `lock:hold` does.
---
--- ```lua
--- local c = conrun.condition.new()
--- do
---   local guard <close> = c:hold()
---   c:notify_all()
--- end
--- print(c:locked()) --> false
--- ```
---@param timeout? number
---@return conrun.Guard? guard
---@return string? why "abandoned" or "timeout"
function Condition:hold(timeout) end

--- Calls `fn(...)` with the condition's lock held, as `lock:with` does.
---
--- ```lua
--- local c = conrun.condition.new()
--- print(c:with(function() return c:locked() end)) --> true
--- ```
---@param fn function
---@param ... any
---@return any ... what it returned
function Condition:with(fn, ...) end

--- Gives up the lock, waits to be notified, and takes the lock again, however deep it was held. It can
--- return without reason, so look again at what was waited for, or use `wait_for`. An error if the lock is not held.
---
--- ```lua
--- local c, ready = conrun.condition.new(), conrun.shared.value("boolean")
--- local t = conrun.thread.start(function()
---   local guard <close> = c:hold()
---   ready:set(true)
---   c:notify()
--- end)
--- c:acquire()
--- while not ready:get() do c:wait() end
--- c:release()
--- print(ready:get()) --> true
--- ```
---@param timeout? number
---@return boolean notified the lock is held again in either case
---@return string? why "timeout"; or "abandoned" if another holder of the lock died meanwhile
function Condition:wait(timeout) end

--- Waits until `predicate()` is true and returns its value; when the time is over, its last, false value. The lock is
--- held whenever the predicate is called, and must be held by the caller.
---
--- ```lua
--- local c, box = conrun.condition.new(), conrun.shared.list()
--- conrun.thread.start(function()
---   local guard <close> = c:hold()
---   box:append "letter"
---   c:notify()
--- end)
--- local guard <close> = c:hold()
--- print(c:wait_for(function() return box[1] end))    --> letter
--- print(c:wait_for(function() return box[2] end, 0)) --> nil
--- ```
---@param predicate fun(): any
---@param timeout? number
---@return any value of the predicate
function Condition:wait_for(predicate, timeout) end

--- Wakes up to `n` of those who wait. With nobody there it does nothing, and is not remembered. An error if the lock
--- is not held.
---
--- ```lua
--- local c = conrun.condition.new()
--- print(pcall(c.notify, c) == false) --> true
--- c:with(c.notify, c, 2)
--- ```
---@param n? integer 0 or more; 1 unless given
function Condition:notify(n) end

--- Wakes all who wait. An error if the lock is not held.
---
--- ```lua
--- local c = conrun.condition.new()
--- c:with(function() c:notify_all() end)
--- ```
function Condition:notify_all() end

return condition
