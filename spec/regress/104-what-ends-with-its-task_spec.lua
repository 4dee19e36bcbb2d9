-- SPDX-License-Identifier: MIT
--
-- A debug hook that a task had set ran in the tasks after it; so did its handler of
-- conrun.on_error, and its locale was theirs.

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

  describe("the handler of conrun.on_error (" .. kind .. ")", function()
    it("is what it was when the task is over", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      pool:apply(function() conrun.on_error(print) end)
      assert.is_true(pool:apply(function() return conrun.on_error(nil) == nil end))
    end)

    it("of an initializer is there in all tasks", function()
      local function set() conrun.on_error(print) end
      local pool <close> = conrun.pool.new { workers = 1, kind = kind, initializer = set }
      for _ = 1, 2 do
        assert.is_true(pool:apply(function() return conrun.on_error(nil) == print end))
      end
    end)
  end)

  describe("the locale (" .. kind .. ")", function()
    it("is what it was when the task is over", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      local before = os.setlocale()
      assert.are.equal("C.UTF-8", pool:apply(function() return os.setlocale "C.UTF-8" end))
      assert.are_not.equal("C.UTF-8", before)
      assert.are.equal(before, pool:apply(function() return os.setlocale() end))
    end)
  end)
end
