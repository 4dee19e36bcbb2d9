-- SPDX-License-Identifier: MIT
--
-- A strand in a barrier's round, whose callback had come to the next one, had its first place
-- forgotten.  When it died then, the room of that round was never free again, and the barrier
-- stuck 16 rounds later.

local kinds = require "spec.lib.kinds"

describe("a strand that dies with places in two rounds of a barrier", function()
  it("gives both up", function()
    local out, err, status = kinds.run([[
      local b, f = conrun.barrier.new(2), conrun.future.new()
      local called, go = conrun.event.new(), conrun.event.new()
      local function waits() while b.waiting == 0 do conrun.sleep(0.001) end end
      local a = conrun.process.start({ daemon = true }, function()
        f:on_done(function()
          called:set()
          go:wait()
          b:wait()
        end)
        b:wait()
      end)
      waits()
      f:set_result(1)
      called:wait()
      b:wait() -- ends the first round; the other has not seen that, for its callback runs
      go:set()
      waits()
      a:kill()
      a:join()
      print(b.broken)
      b:reset()
      local partner = conrun.thread.start(function() for _ = 1, 40 do b:wait() end return "done" end)
      for _ = 1, 40 do b:wait() end
      print(partner:result())
    ]], "--audit")
    assert.are.equal("true\ndone\n", out, err)
    assert.are.equal(0, status, err)
  end)
end)
