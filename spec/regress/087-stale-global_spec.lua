-- SPDX-License-Identifier: MIT
--
-- A global that a worker had got with one task was still there for the next, although it
-- was nil by then where the tasks come from.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

-- luacheck: globals SOMETHING own_of_the_worker helper
for _, kind in ipairs(kinds) do
  describe("a global set to nil (" .. kind .. ")", function()
    it("is nil for the next task", function()
      local pool <close> = kinds.pool(kind, 1)
      local function look() return SOMETHING end
      for _, value in ipairs { "old", "new", 12 } do
        SOMETHING = value
        assert.are.equal(value, pool:apply(look))
        assert.are.same({ value, value }, pool:map(look, { 1, 2 }))
        SOMETHING = nil
        assert.is_nil(pool:apply(look))
        assert.are.equal(0, #pool:map(function() return { SOMETHING } end, { 1 })[1])
      end
    end)

    it("is nil for a function that is called by the task's", function()
      local pool <close> = kinds.pool(kind, 1)
      function helper() return SOMETHING end
      SOMETHING = 1
      assert.are.equal(1, pool:apply(function() return helper() end))
      SOMETHING = nil
      assert.is_nil(pool:apply(function() return helper() end))
      helper = nil
    end)

    it("leaves alone what the worker has of its own", function()
      local pool <close> = kinds.pool(kind, 1, { initializer = function() own_of_the_worker = "own" end })
      assert.are.equal("own", pool:apply(function() return own_of_the_worker end))
      assert.is_nil(own_of_the_worker)
      assert.are.equal("own", pool:apply(function() return own_of_the_worker end))
    end)
  end)
end

it("a global set to nil that comes back does not take the main strand's", function()
  SOMETHING = "mine"
  local function look() return SOMETHING end
  local back = conrun.thread.start(function(f) SOMETHING = nil return f end, look):result()
  assert.are.equal("mine", back())
  SOMETHING = nil
end)
