-- SPDX-License-Identifier: MIT
--
-- A body that starts something in its scope after a child has failed, or after the time is over,
-- is refused; the end of the scope raised that refusal beside the failure, and in place of the
-- timeout.

local kinds = require "spec.lib.kinds"
local scope = require "conrun.scope"

-- Starts threads, and never waits in conrun, until it is refused.
local function start_more(s)
  while true do
    s:thread(math.abs, 1):alive()
  end
end

describe("a body that is refused by its own scope", function()
  it("is left for the failure alone", function()
    local ok, e = pcall(scope.run, function(s)
      local failed = s:thread(error, "no luck", 0)
      assert(failed:join(kinds.LONG))
      start_more(s)
    end)
    assert.is_false(ok)
    assert.are.equal("no luck", e.message)
    assert.are.equal(1, #e.errors)
  end)

  it("is left for the timeout", function()
    local ok, e = pcall(scope.run, { timeout = 0.01 }, start_more)
    assert.is_false(ok)
    assert.are.equal("timeout", e.kind)
  end)
end)
