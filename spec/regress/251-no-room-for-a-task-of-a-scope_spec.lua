-- SPDX-License-Identifier: MIT
--
-- scope:submit with the option `timeout` took what pool:submit answers when the line has no
-- room, nil, for a task, and failed; the scope had a child then that never ended.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"
local scope = require "conrun.scope"

describe("a task of a scope for which the pool has no room in time", function()
  it("is none, and the scope ends as usual", function()
    local pool <close> = conrun.pool.new { workers = 1, max_queued = 1 }
    local began, go = conrun.event.new(), conrun.event.new()
    local answer
    scope.run(function(s)
      s:submit(pool, kinds.hold, began, go)
      assert(began:wait(kinds.LONG))
      s:submit(pool, math.abs, 1)
      answer = table.pack(s:submit(pool, { timeout = 0 }, math.abs, 2))
      go:set()
    end)
    assert.are.same({ n = 2, [2] = "timeout" }, answer)
  end)
end)
