-- SPDX-License-Identifier: MIT
--
-- A task that waited for a map_async of its own pool, whose only worker it was, was told
-- that it deadlocks: it helps with tasks of its pool that it waits for, but the future of
-- map_async is none, and is settled by callbacks on those that are.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

describe("a task", function()
  for _, kind in ipairs(kinds) do
    it("may wait for a map_async of its own pool (" .. kind .. ")", function()
      local pool <close> = kinds.pool(kind, 1)
      local function sum(p)
        local n = 0
        for _, x in ipairs(p:map_async(math.abs, { -1, -2, -3 }, { chunksize = 1 }):result()) do
          n = n + x
        end
        return n
      end
      assert.are.equal(6, pool:submit(sum, pool):result())
      assert.are.equal(6, pool:submit(function(p, f)
        local inner = p:submit(f, p)
        return inner:result()
      end, pool, sum):result())
    end)

    it("may wait so beside others (" .. kind .. ")", function()
      local pool <close> = kinds.pool(kind, 1)
      local future = pool:submit(function(p)
        local fs = { p:map_async(math.abs, { -1, -2 }), p:submit(math.abs, -3) }
        local all = conrun.future.all(fs)
        return all[1][2] + all[2]
      end, pool)
      assert.are.equal(5, future:result())
    end)
  end
end)
