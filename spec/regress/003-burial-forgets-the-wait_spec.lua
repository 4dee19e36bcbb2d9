-- SPDX-License-Identifier: MIT
--
-- The burial of a killed strand cleared what the strand had waited for before it
-- asked the objects about it, so a barrier was not broken by the death of a
-- waiter, and the notification of a killed waiter of a condition was lost.

local barrier = require "conrun.barrier"
local condition = require "conrun.condition"
local kinds = require "spec.lib.kinds"
local process = require "conrun.process"
local queue = require "conrun.queue"

describe("a strand killed while it waits", function()
  it("breaks its barrier", function()
    local b = barrier.new(2)
    local w = process.start(function(it) it:wait() end, b)
    assert.is_true(kinds.eventually(function() return b.waiting == 1 end))
    w:kill()
    assert.is_true(w:join(kinds.LONG))
    assert.is_true(b.broken)
  end)

  -- The victim is notified while it is stopped, so it dies with the notification.
  it("passes its notification on", function()
    local c, ready = condition.new(), queue.new()
    local function wait(cond, q)
      cond:acquire()
      q:put(true)
      local notified = cond:wait(30)
      cond:release()
      return notified
    end
    local victim = process.start(wait, c, ready)
    assert.is_true(ready:get(kinds.LONG))
    c:acquire() -- the victim waits now, before the other does
    c:release()
    local other = process.start(wait, c, ready)
    assert.is_true(ready:get(kinds.LONG))
    kinds.signal("STOP", victim.pid)
    c:acquire()
    c:notify()
    c:release()
    victim:kill()
    assert.is_true(victim:join(kinds.LONG))
    assert.is_true((kinds.finish(other)))
  end)
end)
