-- SPDX-License-Identifier: MIT
--
-- A task that a worker computed while it waited for it was not counted as completed, and
-- one whose worker died was counted at each try.

local kinds = require "spec.lib.kinds"
local shared = require "conrun.shared"

describe("the number of completed tasks", function()
  for _, kind in ipairs(kinds) do
    it("has those that a worker helped with (" .. kind .. ")", function()
      local p = kinds.pool(kind, 1)
      assert.are.equal(15, p:apply(function(q)
        local sum = 0
        for i = 1, 5 do
          sum = sum + q:submit(math.max, 0, i):result()
        end
        return sum
      end, p))
      p:close()
      assert.is_true(p:join(kinds.LONG))
      assert.are.equal(6, p:stats().completed)
    end)
  end

  it("has one that was tried again once", function()
    local p = kinds.pool("process", 1, { retries = 3 })
    local runs = shared.value("i64")
    assert.are.equal("survived", p:apply(function(n)
      n:add(1)
      if n:get() < 4 then
        os.execute("kill -KILL " .. require("conrun").current().pid)
      end
      return "survived"
    end, runs))
    p:close()
    assert.is_true(p:join(kinds.LONG))
    assert.are.equal(1, p:stats().completed)
  end)
end)
