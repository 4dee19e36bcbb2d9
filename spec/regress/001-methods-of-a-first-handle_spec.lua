-- SPDX-License-Identifier: MIT
--
-- A future that arrived in a fresh thread had no :set_error: another module had
-- loaded the C half of conrun.future, which registered the handle's type, so
-- nobody loaded the Lua half.  It showed only when package.path had been changed,
-- because then the settings are decoded first.

local kinds = require "spec.lib.kinds"

for _, kind in ipairs(kinds) do
  describe("the first handle in a fresh worker (" .. kind .. ")", function()
    it("has all its methods, whatever was loaded before", function()
      local out, err = kinds.run(([[
        package.path = package.path .. ";./nowhere/?.lua"
        local objects = {
          future = conrun.future.new(), worker = conrun.thread.start(function() end),
          barrier = conrun.barrier.new(1), condition = conrun.condition.new(),
          list = conrun.shared.list(), pool = conrun.pool.threads(1),
        }
        local methods = { future = "set_error", worker = "join", barrier = "wait",
          condition = "wait_for", list = "append", pool = "map" }
        for name, method in pairs(methods) do
          for _ = 1, 3 do
            conrun.%s.start(function(object, m)
              if type(object[m]) ~= "function" then print(m, object[m]) end
            end, objects[name], method):join()
          end
        end
      ]]):format(kind))
      assert.are.equal("", err)
      assert.are.equal("", out)
    end)
  end)
end
