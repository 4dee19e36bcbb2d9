-- SPDX-License-Identifier: MIT
--
-- A process that was killed while it set a shared.value of any type left it locked, and
-- nobody reported that.

local conrun = require "conrun"

describe("a shared.value whose writer is killed", function()
  for type, value in pairs { any = { 1, 2, 3 }, string = "more than fourteen bytes" } do
    it("of type '" .. type .. "' can be set by others", function()
      local v = conrun.shared.value(type, "start")
      for round = 1, 30 do
        local p = conrun.process.start(function()
          while true do
            v:set(value)
          end
        end)
        while v:get() == "start" do
        end
        for _ = 1, 50 * round do
          v:get()
        end
        p:kill()
        p:join()
        v:set "start"
        assert.are.equal("start", v:get())
      end
    end)
  end
end)
