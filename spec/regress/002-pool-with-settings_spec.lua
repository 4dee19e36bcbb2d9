-- SPDX-License-Identifier: MIT
--
-- A program that had changed package.path could make no pool: "cannot send a C
-- function that belongs to no loaded module".  The function that applies the
-- settings in the worker was in a module that pool.new had not loaded.

local kinds = require "spec.lib.kinds"

for _, kind in ipairs(kinds) do
  describe("a pool after package.path was changed (" .. kind .. ")", function()
    it("works, and its workers have the path", function()
      local out, err = kinds.run(([[
        package.path = package.path .. ";./nowhere/?.lua"
        local p <close> = require("conrun.pool").new { workers = 1, kind = "%s" }
        print(p:apply(math.max, 1, 2), p:apply(function() return package.path end) == package.path)
      ]]):format(kind))
      assert.are.equal("", err)
      assert.are.equal("2\ttrue\n", out)
    end)
  end)
end
