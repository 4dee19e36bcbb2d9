-- SPDX-License-Identifier: MIT
--
-- A task that one worker computed while it waited for it was still in the line, where
-- another took it only to pass over it.  That was counted as a try, without a lock
-- against the first worker's count; so a pool with retries gave up a task too early.

local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local shared = require "conrun.shared"

describe("a task that one worker computes and another passes over", function()
  it("has been tried once", function()
    local p <close> = kinds.pool("process", 2, { retries = 1 })
    local busy, go, passed = event.new(), event.new(), event.new()
    local tries, out = shared.value("i64"), queue.new()

    local other = p:submit(function(b, g)
      b:set()
      g:wait()
    end, busy, go)
    assert.is_true(busy:wait(kinds.LONG))

    local outer = p:submit(function(q, n, o, wait_for)
      local inner = q:submit(function()
        n:add(1)
        if n:get() == 1 then
          o:put "inside"
          wait_for:wait()
          os.execute("kill -KILL " .. require("conrun").current().pid)
        end
        return "survived"
      end)
      o:put(inner)
      return inner:result()
    end, p, tries, out, passed)

    local inner = out:get(kinds.LONG)
    assert.are.equal("inside", out:get(kinds.LONG))
    go:set()
    other:result(kinds.LONG)
    p:submit(passed.set, passed) -- behind the one to be passed over
    assert.are.equal("survived", inner:result(kinds.LONG))
    assert.are.equal("survived", outer:result(kinds.LONG))
  end)
end)
