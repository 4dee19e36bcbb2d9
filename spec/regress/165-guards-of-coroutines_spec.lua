-- SPDX-License-Identifier: MIT
--
-- The complaint about a dropped guard took every object for a lock if no Lua function had
-- made the guard, and told bytes behind a semaphore as its place.

local kinds = require "spec.lib.kinds"

describe("a dropped guard that a coroutine's first function made", function()
  for kind, make in pairs {
    semaphore = "conrun.semaphore.new(1)", lock = "conrun.lock.new()", ["lock "] = "conrun.lock.recursive()",
    condition = "conrun.condition.new()",
  } do
    it("has no place: " .. make, function()
      local _, err = kinds.run(([[
        for _ = 1, 50 do
          local x = %s
          coroutine.wrap(x.hold)(x)
        end
        collectgarbage() collectgarbage()
      ]]):format(make), "--audit")
      local told = ("conrun: a guard of %s %%d+, made at %%?, was dropped"):format((kind:gsub(" ", "")))
      assert.are.equal(50, select(2, err:gsub(told, "")), err)
    end)
  end
end)
