-- SPDX-License-Identifier: MIT
--
-- A round of a barrier ended in two ways: one strand was told "timeout" while another was
-- told that the round is complete; and when a party was killed in a callback that ran while
-- it waited, the others passed without it.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

for _, kind in ipairs(kinds) do
  describe("a round of a barrier (" .. kind .. ")", function()
    it("does not time out when all have come", function()
      local b = conrun.barrier.new(2, { action = function() conrun.sleep(2 * kinds.BRIEF) end })
      local w = kinds.start(kind, function(t) return b:wait(t) end, kinds.BRIEF)
      local index, why = b:wait()
      local other, also = kinds.finish(w)
      if index then
        assert.are.same({ 0, 1 }, { math.min(index, other), math.max(index, other) })
      else -- the first one's time was over before the second came
        assert.are.equal("timeout", also)
        assert.are.equal("broken", why)
      end
    end)

    it("is broken for all who were in it when it is reset during the action", function()
      local began, go = conrun.event.new(), conrun.event.new()
      local b = conrun.barrier.new(2, { action = function()
        began:set()
        go:wait()
      end })
      local ws = kinds.start_many(kind, 2, function() return select(2, b:wait()) end)
      began:wait()
      b:reset()
      go:set()
      assert.are.same({ "broken", "broken" }, kinds.finish_all(ws))
    end)
  end)
end

describe("a barrier with more strands than parties", function()
  it("gives each index as often as the others", function()
    local b = conrun.barrier.new(2)
    local n = conrun.shared.array("i64", 2)
    local function play(turns)
      for i = 1, turns do
        local index = b:wait(i % 50 == 0 and 0 or 0.01)
        if index then n:add(index + 1, 1) else b:reset() end
      end
    end
    local ws = {}
    for i = 1, 5 do
      ws[i] = kinds.start(kinds[i % 2 + 1], play, 2000)
    end
    for i = 1, 5 do
      assert.is_true(ws[i]:join(kinds.LONG))
    end
    assert.are.equal(n[1], n[2])
  end)
end)

describe("a party that is killed in a callback while it waits", function()
  it("breaks the barrier", function()
    local b, f = conrun.barrier.new(2), conrun.future.new()
    local p = conrun.process.start(function()
      f:on_done(function()
        os.execute("kill -9 " .. conrun.current().pid)
        while true do end
      end)
      b:wait()
    end)
    while b.waiting == 0 do
      conrun.sleep(0)
    end
    f:set_result(1)
    p:join()
    assert.is_true(b.broken)
    assert.are.same({ nil, "broken" }, { b:wait() })
  end)
end)
