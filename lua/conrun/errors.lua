-- SPDX-License-Identifier: MIT
--
-- errors: the objects that errors of other strands arrive as.
--
-- An error object is a plain table with this module's metatable, so it can be
-- sent to any strand, also from C that has no Lua at hand (a burial).  It prints
-- as its message alone; the host adds the remote traceback if nobody catches it.

local check = require "conrun.check"
local core = require "conrun.core"

-- Kinds: "task", "timeout", "cancelled", "worker_died", "closed", "broken",
-- "deadlock", "interrupted", "transfer".

---@class conrun.Error
---@field kind string
---@field message string
---@field value any what was raised
---@field traceback string? of the strand in which it was raised
---@field strand string? the name of that strand

local errors = {}

local metatable = core.error_metatable()
errors.metatable = metatable

function metatable.__tostring(e)
  return tostring(rawget(e, "message") or "an error without a message")
end

-- Messages are put together with `..` more often than not.
function metatable.__concat(a, b)
  return tostring(a) .. tostring(b)
end

--- Makes an error object; raise it with error(e, 0).
---@param fields table kind and message; value, traceback and strand where known
---@return conrun.Error
function errors.new(fields)
  if type(fields) ~= "table" then
    check.fail(1, "new", "table with kind and message", fields)
  end
  local kind, message = fields.kind, fields.message
  if type(kind) ~= "string" then
    check.argument(1, "new", "field 'kind': string expected, got %s", type(kind))
  end
  return setmetatable({
    kind = kind,
    message = tostring(message),
    value = fields.value,
    traceback = fields.traceback,
    strand = fields.strand,
  }, metatable)
end

--- Is `e` an error object, and of this kind if one is given?
---@param e any
---@param kind? string
---@return boolean
function errors.is(e, kind)
  return type(e) == "table" and getmetatable(e) == metatable and (kind == nil or e.kind == kind)
end

return errors
