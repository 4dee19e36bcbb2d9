-- SPDX-License-Identifier: MIT
--
-- A worker that waited by `select` for a task of its own pool did not compute it, as it
-- does in every other wait: the only worker was said to be in a deadlock.

local kinds = require "spec.lib.kinds"

for _, kind in ipairs(kinds) do
  describe("the only worker of a pool (" .. kind .. ")", function()
    it("computes the task that it selects on", function()
      local p <close> = kinds.pool(kind, 1)
      local outer = p:submit(function(pool)
        local inner = { pool:submit(math.max, 1, 2), pool:submit(math.max, 3, 4) }
        local sum = 0
        while #inner > 0 do
          local f, i = require("conrun.select")(inner)
          sum = sum + f:result()
          table.remove(inner, i)
        end
        return sum
      end, p)
      assert.are.equal(6, outer:result())
    end)
  end)
end
