-- SPDX-License-Identifier: MIT
--
-- A strand that had been notified, and waited for the condition's lock again, could be part
-- of a deadlock: it was reported, but raised nowhere, and the program hung.

local conrun = require "conrun"

describe("a deadlock in the end of condition:wait", function()
  it("is raised", function()
    local a, b = conrun.lock.new(), conrun.lock.new()
    local c = conrun.condition.new(a)
    b:acquire()
    c:acquire()
    local t = conrun.thread.start(function()
      c:acquire()
      c:notify()
      b:acquire()
      b:release()
      c:release()
    end)
    local ok, e = pcall(c.wait, c)
    b:release()
    t:join()
    assert.is_true(ok or conrun.errors.is(e, "deadlock"))
  end)
end)
