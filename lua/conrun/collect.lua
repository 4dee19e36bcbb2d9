-- SPDX-License-Identifier: MIT
--
-- collect: what collect_errors does in the worker.
--
-- Internal; used by conrun.pool.  It is a module of its own so that it goes to the
-- worker by its name and runs there in the environment of conrun's own parts, which
-- has what a sandboxed worker may not have.

local core = require "conrun.core.pool"
local errors = require "conrun.errors"
local strand_name = require("conrun.core").strand_name

local collect = {}

-- The value goes along unless it can never be sent.
local function describe_error(e)
  if type(e) == "table" and getmetatable(e) == errors.metatable then
    return e
  end
  local sendable = type(e) ~= "userdata" and type(e) ~= "thread" and type(e) ~= "function"
  return errors.new {
    kind = "task",
    message = tostring(e),
    value = sendable and e or nil,
    traceback = debug.traceback(nil, 2),
    strand = strand_name(),
  }
end

--- Calls a function, and returns its first value or its error as an object.  If the
--- time of the task is over, that is the error of the whole task.
---@param fn function
---@return any
function collect.call(fn, ...)
  local _, value = xpcall(fn, describe_error, ...)
  if core.late() then
    error("interrupted!", 0)
  end
  return value
end

return collect
