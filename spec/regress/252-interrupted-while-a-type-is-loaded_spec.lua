-- SPDX-License-Identifier: MIT
--
-- The first object of a type that comes to a strand loads the methods of that type that are
-- written in Lua.  Where an error ended the loading in the middle, mostly the interruption of a
-- task, all later tasks of that worker found objects without these methods.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

-- The loading for the first object fails when the half of the type that is written in C is there.
local function receive(queue)
  debug.sethook(function()
    if debug.getinfo(2, "S").source == "=[conrun.pool]" and package.loaded["conrun.core.pool"] then
      debug.sethook()
      error("no luck", 0)
    end
  end, "l")
  local ok = pcall(queue.get, queue)
  debug.sethook()
  return ok, type(queue:get().map)
end

describe("a type whose loading was interrupted", function()
  for _, kind in ipairs(kinds) do
    it("is loaded again for the next object (" .. kind .. ")", function()
      local pool <close> = conrun.pool.new { workers = 1 }
      local queue = conrun.queue.new()
      queue:put(pool)
      queue:put(pool)
      local ok, map = kinds.finish(kinds.start(kind, receive, queue))
      assert.are.equal("function", map)
      assert.are.equal(kind == "process", ok) -- processes have it loaded before they begin
    end)
  end
end)
