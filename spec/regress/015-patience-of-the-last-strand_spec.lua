-- SPDX-License-Identifier: MIT
--
-- How often code was told to end, which decides how long it may clean up, was counted
-- for each thread.  Since threads live one strand after the other, a strand inherited
-- the count, and its <close> variables were interrupted at their first instruction.

local conrun = require "conrun"

local function spin(started, cleaned)
  local _ <close> = setmetatable({}, {
    __close = function()
      local sum = 0
      for i = 1, 1000 do
        sum = sum + i
      end
      cleaned:add(1)
    end,
  })
  started:set()
  while true do
    local _ = {}
  end
end

describe("a strand that is told to end", function()
  it("may clean up, however many its thread has lived before", function()
    local cleaned = conrun.shared.value "i64"
    for _ = 1, 60 do
      local started = conrun.event.new()
      local pool = conrun.pool.new { workers = 1, kind = "thread" }
      pool:submit(spin, started, cleaned)
      assert.is_true(started:wait(30))
      pool:terminate()
      assert.is_true(pool:join(30))
    end
    assert.equal(60, cleaned:get())
  end)
end)
