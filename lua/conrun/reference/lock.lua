-- SPDX-License-Identifier: MIT
---@meta conrun.lock
-- luacheck: ignore

--- Locks: one strand at a time, thread or process, is between `acquire` and `release`.
---
--- A lock belongs to the strand that took it, whatever becomes of the handle, and only that strand can release it. If
--- the holder dies or ends, the lock is free again, and the next acquire returns `true, "abandoned"`: what it protects may be half changed.
---@class conrun.lock
local lock = {}

--- A lock that can be taken once. A strand that takes it twice would wait for itself for ever; it gets an error of
--- kind "deadlock" instead, which names the line that took it first.
---
--- ```lua
--- local lock, total = conrun.lock.new(), conrun.shared.value("i64")
--- local pool <close> = conrun.pool.processes(2)
--- pool:map(function(n)
---   local guard <close> = lock:hold()
---   total:set(total:get() + n)
--- end, conrun.range(1, 100))
--- print(total:get()) --> 5050
--- ```
---@return conrun.Lock lock
function lock.new() end

--- A lock that its holder may take again; it is free when it was released as often as it was taken.
---
--- ```lua
--- local lock = conrun.lock.recursive()
--- lock:acquire()
--- print(lock:acquire()) --> true
--- lock:release()
--- print(lock:locked())  --> true
--- lock:release()
--- ```
---@return conrun.Lock lock
function lock.recursive() end

--- The handle of a lock.
---@class conrun.Lock
local Lock = {}

--- Takes the lock, waiting while another strand has it.
---
--- ```lua
--- local lock = conrun.lock.new()
--- print(lock:acquire())  --> true
--- local other = conrun.thread.start(function() return lock:acquire(0) end)
--- print(other:result())  --> false timeout
--- lock:release()
--- ```
---@param timeout? number
---@return boolean taken
---@return string? why "abandoned" if its last holder died, "timeout" if it was not taken
function Lock:acquire(timeout) end

--- Gives the lock back. An error if this strand does not hold it.
---
--- ```lua
--- local lock = conrun.lock.new()
--- lock:acquire()
--- lock:release()
--- print(pcall(lock.release, lock) == false) --> true
--- ```
function Lock:release() end

--- Does any strand hold it?
---
--- ```lua
--- local lock = conrun.lock.new()
--- print(lock:locked()) --> false
--- ```
---@return boolean held
function Lock:locked() end

--- Takes the lock until the end of a block: the guard releases it when its variable goes out of scope, also by an
--- error. `guard:release()` releases earlier.
---
--- ```lua
--- local lock = conrun.lock.new()
--- do
---   local guard <close> = lock:hold()
---   print(lock:locked()) --> true
--- end
--- print(lock:locked())   --> false
--- ```
---@param timeout? number
---@return conrun.Guard? guard nil when the time is over, which `<close>` allows
---@return string? why "abandoned" or "timeout"
function Lock:hold(timeout) end

--- Calls `fn(...)` while this strand has the lock, which is released also when it raises; the error goes on unchanged.
---
--- ```lua
--- local lock = conrun.lock.new()
--- print(lock:with(math.max, 3, 5), lock:locked()) --> 5 false
--- ```
---@param fn function
---@param ... any
---@return any ... what it returned
function Lock:with(fn, ...) end

--- What `hold` returns, for a variable with `<close>`. A guard that is dropped without being closed
--- releases at its collection, and a line on stderr tells where it was made.
---@class conrun.Guard
local Guard = {}

--- Releases now what the end of the scope would release. The second time it does nothing.
---
--- ```lua
--- local lock = conrun.lock.new()
--- do
---   local guard <close> = lock:hold()
---   guard:release()
---   print(lock:locked()) --> false
--- end
--- ```
function Guard:release() end

return lock
