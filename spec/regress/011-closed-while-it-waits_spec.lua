-- SPDX-License-Identifier: MIT
--
-- A callback that closed the end of a pipe on which its own strand was waiting left the
-- wait with an object that was gone.

local conrun = require "conrun"

describe("an end of a pipe that a callback closes during a wait", function()
  local waits = {
    recv = function(a) return a:recv(30) end,
    poll = function(a) return a:poll(30) end,
    select = function(a) return conrun.select({ a }, 30) end,
  }
  for name, wait in pairs(waits) do
    it("makes " .. name .. " an error", function()
      local a, b = conrun.pipe.new()
      local waiting, called = conrun.future.new(), conrun.event.new()
      waiting:on_done(function()
        a:close()
        b:close()
        called:set()
      end)
      local w = conrun.thread.start(waiting.set_result, waiting)
      local good, message = pcall(wait, a)
      w:join()
      assert.is_true(called:is_set())
      assert.is_false(good)
      assert.match("closed", message, 1, true)
    end)
  end
end)
