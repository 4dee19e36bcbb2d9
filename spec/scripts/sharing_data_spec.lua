-- SPDX-License-Identifier: MIT
-- scripts/sharing_data.lua: every tool, for both kinds, with the exact result.

local helpers = require "spec.helpers"

local tools = {
  { "Lock", "counter is 2000 of 2000" },
  { "RLock", "nested, counter is 2000" },
  { "Condition", "turns taken 123412341234" },
  { "Semaphore", "2 permits, at most 2 inside" },
  { "Event", "0 woke early, 4 after set" },
  { "Queue", "2000 items, sum 2001000" },
  { "Pipe", "500 of 500 answers right" },
  { "Manager's list", "400 items, sum 1020200" },
  { "Manager's dict", "5 keys, count is 2000" },
  { "Shared memory", "100 squares, sum 338350" },
  { "Thread-safe structures", "value 2000 list 2000 queue 2000" },
}

for _, kind in ipairs { "thread", "process" } do
  describe("scripts/sharing_data.lua with kind " .. kind, function()
    local out, err, code

    setup(function()
      out, err, code = helpers.script("sharing_data", "--kind=" .. kind)
    end)

    it("ends well", function()
      assert.are.equal("", err)
      assert.are.equal(0, code)
      assert.matches("\n11 of 11 tools shared their data exactly%.\n$", out)
    end)

    for _, tool in ipairs(tools) do
      it("shows: " .. tool[1], function()
        local row = out:match("\n(" .. tool[1]:gsub("%-", "%%-") .. "  [^\n]*)")
        assert.is_truthy(row)
        assert.is_truthy(row:find(tool[2], 1, true))
        assert.matches("  holds$", row)
      end)
    end
  end)
end

describe("scripts/sharing_data.lua", function()
  it("shows both kinds side by side", function()
    local out, err, code = helpers.script "sharing_data"
    assert.are.equal("", err)
    assert.are.equal(0, code)
    assert.matches("^tool +threads +processes +verdict\n", out)
    assert.matches("\n11 of 11 tools", out)
  end)
end)
