-- SPDX-License-Identifier: MIT
--
-- A task that was asked to stop and whose worker then died was started once more, and
-- ran to its end, in a pool with retries.

local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local shared = require "conrun.shared"

describe("a task that is asked to stop, and whose worker dies", function()
  it("is not tried again", function()
    local p <close> = kinds.pool("process", 1, { retries = 1 })
    local out, runs = queue.new(), shared.value("i64")
    local f = p:submit(function(q, n)
      n:add(1)
      local pid = require("conrun").current().pid
      local function deaf() -- from before the asking, which follows the put
        local mine = pid
        pid = nil
        if mine then q:put(mine) end
        while true do local _ = {} end
      end
      while n:get() == 1 do pcall(deaf) end
    end, out, runs)
    local pid = out:get(kinds.LONG)
    assert.is_true(f:cancel { running = true })
    kinds.signal("KILL", pid)
    kinds.raised_kind("worker_died", f.result, f, kinds.LONG)
    assert.are.equal(1, runs:get())
    assert.are.equal(4, p:apply(math.max, 3, 4))
  end)
end)
