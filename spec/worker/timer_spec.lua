-- SPDX-License-Identifier: MIT
--
-- thread.timer: runs once, later, unless it is cancelled before.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local thread = require "conrun.thread"

local LONG = kinds.LONG

describe("thread.timer", function()
  it("runs once after its time, with its arguments", function()
    local out, start = queue.new(), conrun.clock()
    local t = thread.timer(0.1, function(q, v) q:put(v) end, out, "rings")
    assert.are.equal("rings", out:get(LONG))
    assert.is_true(conrun.clock() - start >= 0.1)
    assert.is_true(t:join(LONG))
    assert.are.equal(0, #out)
  end)

  it("does not run after cancel, which makes join return", function()
    local out = queue.new()
    local t = thread.timer(3600, function(q) q:put(1) end, out)
    t:cancel()
    t:cancel()
    assert.is_true(t:join(LONG))
    assert.are.equal(0, #out)
    t:cancel()
  end)

  it("refuses wrong arguments", function()
    kinds.bad_argument(1, thread.timer, -1, print)
    kinds.bad_argument(1, thread.timer, "x", print)
    kinds.bad_argument(2, thread.timer, 1, 5)
    assert.matches("coroutine %(argument 2%)",
      tostring(kinds.raised(thread.timer, 1, print, 1, coroutine.create(print))))
  end)
end)
