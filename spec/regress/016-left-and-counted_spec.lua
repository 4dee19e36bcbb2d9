-- SPDX-License-Identifier: MIT
--
-- A worker that had just left its pool could be counted by another that left at the
-- same moment: the pool was then never at rest, and its join hung, which was reported
-- as a deadlock.  The window is a few instructions wide, so many pools are closed with
-- all of their workers leaving at once.

local conrun = require "conrun"

describe("a pool whose workers all leave at once", function()
  for kind, count in pairs { thread = 300, process = 60 } do
    it("is at rest when the last has left, with kind " .. kind, function()
      for _ = 1, count do
        local pool = conrun.pool.new { workers = 8, kind = kind }
        for _ = 1, 8 do
          pool:submit(math.sqrt, 4)
        end
        pool:close()
        assert.is_true(pool:join())
      end
    end)
  end
end)
