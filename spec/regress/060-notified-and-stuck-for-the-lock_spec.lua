-- SPDX-License-Identifier: MIT
--
-- A strand that was notified and wanted the condition's lock back, from a holder that waited
-- for the strand, was found to be in a deadlock again and again, and never told: the notice
-- was put aside until it had the lock.

local kinds = require "spec.lib.kinds"

for _, kind in ipairs(kinds) do
  describe("a deadlock in the end of condition:wait (" .. kind .. ")", function()
    local PREFIX = ([[
      local A, B = conrun.lock.new(), conrun.lock.new()
      local c = conrun.condition.new(A)
      B:acquire()
      local function start()
        return conrun.%s.start(function()
          c:acquire()
          c:notify()
          B:acquire()
          B:release()
          c:release()
        end)
      end
    ]]):format(kind)

    it("is raised once, without the lock", function()
      local out, err, status = kinds.run(PREFIX .. [[
        c:acquire()
        local t = start()
        local ok, e = pcall(c.wait, c)
        print(ok, e.kind, (pcall(c.release, c)))
        B:release()
        print(t:join(), A:acquire(0))
      ]])
      assert.are.equal("false\tdeadlock\tfalse\ntrue\ttrue\n", out)
      assert.are.equal(1, select(2, err:gsub("conrun: deadlock:", "")))
      assert.are.equal(0, status)
    end)

    it("leaves `with` and `hold` as any error does", function()
      local out = kinds.run(PREFIX .. [[
        local ok, e = pcall(c.with, c, function()
          start()
          c:wait()
        end)
        print(ok, e.kind)
        B:release()
        print(c:with(function() return "free" end))
      ]])
      assert.are.equal("false\tdeadlock\nfree\n", out)
    end)
  end)
end
