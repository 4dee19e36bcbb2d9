-- SPDX-License-Identifier: MIT
--
-- A pool's process that was killed by :terminate() while it was leaving by itself
-- was counted for ever, and :join() never came back.

local kinds = require "spec.lib.kinds"

describe("a pool of processes that is ended while its workers leave", function()
  it("is joined, every time", function()
    for i = 1, 60 do
      local p = kinds.pool("process", 3)
      local f = p:submit(math.sqrt, i * i)
      assert.are.equal(4.0, p:apply(math.sqrt, 16))
      assert.are.equal(i + 0.0, f:result(kinds.LONG))
      p:terminate()
      assert.is_true(p:join(kinds.LONG))
    end
  end)
end)
