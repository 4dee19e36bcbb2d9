-- SPDX-License-Identifier: MIT
--
-- classes: which entry of the reference a live value belongs to.
--
-- Internal: help and completion ask.  A handle's type is named in its metatable
-- ("queue", "conrun.range"), its class in the reference after it ("conrun.Queue",
-- "conrun.SharedDict").  Nothing of the value itself is called.

local reference = require "conrun.reference"

local classes = {}

local rawget, type, getmetatable = rawget, type, debug.getmetatable

---@param value any
---@return table? its metatable, whatever `__metatable` says
function classes.metatable(value)
  local kind = type(value)
  return (kind == "table" or kind == "userdata") and getmetatable(value) or nil
end

---@param value any
---@return conrun.reference.Entry?
function classes.of(value)
  local meta = classes.metatable(value)
  local name = meta and rawget(meta, "__name")
  if type(name) ~= "string" then
    return nil
  end
  local short = name:gsub("^conrun%.", ""):gsub("^%l", string.upper)
  return reference.find(short) or reference.find("Shared" .. short)
end

--- The entries of a class or a module: its functions.
---@param owner string "conrun.Pool", "conrun.pool"
---@return conrun.reference.Entry[]
function classes.functions(owner)
  local list = {}
  for module in reference.modules() do
    for _, entry in ipairs(module.entries) do
      if entry.owner == owner then
        list[#list + 1] = entry
      end
    end
  end
  return list
end

return classes
