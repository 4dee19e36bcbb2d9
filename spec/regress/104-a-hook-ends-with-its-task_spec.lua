-- SPDX-License-Identifier: MIT
--
-- A debug hook that a task had set ran in the tasks after it.

local conrun = require "conrun"

for _, kind in ipairs { "thread", "process" } do
  describe("a debug hook (" .. kind .. ")", function()
    it("ends with the task that has set it", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      assert.is_true(pool:apply(function()
        debug.sethook(function() end, "l")
        return debug.gethook() ~= nil
      end))
      assert.is_false(pool:apply(function() return debug.gethook() ~= nil end))
    end)

    it("of an initializer is there in all tasks", function()
      local function hook() debug.sethook(function() end, "l") end
      local pool <close> = conrun.pool.new { workers = 1, kind = kind, initializer = hook }
      for _ = 1, 2 do
        assert.is_true(pool:apply(function() return debug.gethook() ~= nil end))
      end
    end)
  end)
end
