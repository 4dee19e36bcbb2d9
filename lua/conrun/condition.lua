-- SPDX-License-Identifier: MIT
--
-- condition: finishes conrun.core.condition by `wait_for`.

local check = require "conrun.check"
local core = require("conrun.core").public
local bound = require "conrun.core.condition"
local condition = bound.public

---@class conrun.Condition
---@field acquire fun(self, timeout?: number): boolean, string?
---@field release fun(self)
---@field locked fun(self): boolean
---@field hold fun(self, timeout?: number): any a guard for <close>
---@field with fun(self, fn: function, ...): any
---@field wait fun(self, timeout?: number): boolean, string?
---@field notify fun(self, n?: integer)
---@field notify_all fun(self)
local methods = condition.methods

local function check_arguments(predicate, timeout)
  check.callable(predicate, 1, "wait_for")
  if timeout ~= nil and not (type(timeout) == "number" and timeout >= 0) then
    check.argument(2, "wait_for", "a timeout is in seconds and not negative; 0 only tries")
  end
end

--- Waits until `predicate()` is true and returns its value; when the time is
--- over, returns its last, false value.  The lock is held whenever it is called.
---@param predicate fun(): any
---@param timeout? number
function methods:wait_for(predicate, timeout)
  check_arguments(predicate, timeout)
  -- The lock must be held, also when there turns out to be nothing to wait for.
  local held = bound.held(self)
  if held == nil then check.raise("calling 'wait_for' on bad self (condition expected, got %s)", type(self)) end
  if not held then
    check.raise "cannot wait: acquire the condition's lock first"
  end
  local deadline = timeout and core.clock() + timeout
  local value = predicate()
  while not value do
    local left = deadline and deadline - core.clock()
    if left and left <= 0 then return value end
    self:wait(left)
    value = predicate()
  end
  return value
end

return condition
