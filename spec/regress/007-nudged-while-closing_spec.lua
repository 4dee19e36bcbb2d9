-- SPDX-License-Identifier: MIT
--
-- A thread that was interrupted while it closed its Lua state set a hook in memory
-- that was being freed.

local conrun = require "conrun"
local thread = require "conrun.thread"

describe("a thread that is interrupted until it is over", function()
  it("ends, every time, and nothing crashes", function()
    local before = conrun.on_error(function() end)
    for _ = 1, 300 do
      local w = thread.start(math.sqrt, 4)
      while w:alive() do
        w:interrupt()
      end
      assert.is_true(w:join())
    end
    conrun.on_error(before)
  end)
end)
