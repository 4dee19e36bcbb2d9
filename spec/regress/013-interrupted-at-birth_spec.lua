-- SPDX-License-Identifier: MIT
--
-- An interruption that came while a worker prepared its Lua state was raised in one of
-- the steps that keep their errors to themselves, and was lost.

local conrun = require "conrun"

describe("a thread that is interrupted as soon as it is started", function()
  it("ends, every time", function()
    local before = conrun.on_error(function() end)
    for _ = 1, 4000 do
      local w = conrun.thread.start(function() while true do local _ = {} end end)
      w:interrupt()
      assert.is_true(w:join())
    end
    conrun.on_error(before)
  end)
end)
