-- SPDX-License-Identifier: MIT
--
-- The victim of a deadlock was told before the strand that had found it printed its own
-- stack.  When the victim was the main strand and the finder a daemon, the program could
-- be over by then, and the report lacked a stack.

local kinds = require "spec.lib.kinds"

describe("a deadlock that a daemon finds", function()
  it("is raised when all stacks are printed, every time", function()
    for _ = 1, 20 do
      -- The daemon waits first, so it is mostly the one that looks first.
      local _, err, status = kinds.run [[
        local conrun = require "conrun"
        local lock = conrun.lock.new()
        lock:acquire()
        local daemon = conrun.process.start({ daemon = true }, function(l) return (l:acquire()) end, lock)
        conrun.sleep(0.06)
        if not pcall(daemon.join, daemon) then os.exit(3, false) end
      ]]
      assert.equal(3, status, err)
      assert.matches("\nstrand 'main' %(process %d+%):\n", err)
      assert.matches("\nstrand 'Process%-1' %(process %d+%):\n", err)
    end
  end)
end)
