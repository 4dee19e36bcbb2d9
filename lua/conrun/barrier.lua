-- SPDX-License-Identifier: MIT
--
-- barrier: the meeting point of conrun.core.barrier with its action and its
-- default timeout.
--
-- Those two are Lua values and so cannot be in the shared object.  A barrier is
-- therefore a small table: the handle, the action, the timeout; it is sent as a
-- whole, and every strand meets at the same shared object.

local check = require "conrun.check"
local core = require "conrun.core.barrier"

---@class conrun.Barrier
---@field parties integer
---@field waiting integer strands that wait now
---@field broken boolean
local methods = {}

local barrier = { metatable = {}, methods = methods }
local metatable = barrier.metatable
metatable.__name = "conrun.barrier"

local answer = require("conrun.core").answers_index "barrier"

local properties = { parties = true, waiting = true, broken = true }

function metatable:__index(name)
  if properties[name] then
    local meeting = rawget(self, "meeting")
    return meeting[name](meeting)
  end
  local method = methods[name]
  return method ~= nil and method or answer(self, name)
end

function metatable:__tostring()
  return tostring(self.meeting)
end

-- Two copies that came by different roads are the same barrier.
function metatable.__eq(a, b)
  return rawequal(a.meeting, b.meeting)
end

local function check_timeout(timeout, what)
  if timeout ~= nil and not (type(timeout) == "number" and timeout >= 0) then
    check.raise("bad %s (a timeout is in seconds and not negative; 0 only tries)", what)
  end
end

--- Makes a barrier for so many strands.  The action runs once a round, in one of
--- them, before any goes on; the timeout is that of a wait that has none.
---@param parties integer
---@param options? {action?: function, timeout?: number}
---@return conrun.Barrier
function barrier.new(parties, options)
  if math.type(parties) ~= "integer" or parties < 1 then
    check.fail(1, "new", "number of parties, 1 or more,", parties)
  end
  options = check.options(options, { action = true, timeout = true }, 2, "new")
  check_timeout(options.timeout, "option 'timeout'")
  if options.action ~= nil and not check.is_callable(options.action) then
    check.raise("bad option 'action' (function expected, got %s)", type(options.action))
  end
  local fields = { meeting = core.new(parties), action = options.action, timeout = options.timeout }
  return setmetatable(fields, metatable)
end

--- Waits until all parties have come.
---@param timeout? number
---@return integer? index 0 to parties - 1, each once a round
---@return string? why "broken" or "timeout"
function methods:wait(timeout)
  check_timeout(timeout, "argument #1 to 'wait'")
  return self.meeting:wait(timeout or rawget(self, "timeout"), rawget(self, "action"))
end

--- Breaks the barrier for all who wait and for all who come later.
function methods:abort() self.meeting:abort() end

--- Makes it usable again; who waits now is told that it broke.
function methods:reset() self.meeting:reset() end

return setmetatable(barrier, {
  __call = function(_, ...) return barrier.new(...) end,
  __index = require("conrun.core").answers_index "conrun.barrier",
})
