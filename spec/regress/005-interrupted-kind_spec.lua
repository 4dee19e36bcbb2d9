-- SPDX-License-Identifier: MIT
--
-- A worker that was interrupted failed with kind "task", so that its caller could
-- not tell an interruption from an error of the function.

local event = require "conrun.event"

for _, kind in ipairs { "thread", "process" } do
  describe("an interrupted worker (" .. kind .. ")", function()
    it("fails with kind 'interrupted'", function()
      local started = event.new()
      local w = require("conrun." .. kind).start(function(e)
        require("conrun").on_error(function() end)
        e:set()
        while true do
          e:is_set()
        end
      end, started)
      assert.is_true(started:wait(30))
      w:interrupt()
      local ok, e = pcall(w.result, w, 30)
      assert.is_false(ok)
      assert.are.equal("interrupted", e.kind)
      assert.matches("interrupted!", tostring(e))
    end)
  end)
end
