-- SPDX-License-Identifier: MIT
--
-- Where workers died as fast as the zygote buried them, it did nothing else: no process
-- was started, and it did not see that main was gone.

local kinds = require "spec.lib.kinds"
local process = require "conrun.process"

describe("a program whose workers die as fast as they are buried", function()
  it("can start a process", function()
    local p = kinds.pool("process", 100, { retries = 1 << 40 })
    for _ = 1, 100 do
      p:submit(os.exit, 1)
    end
    for i = 1, 4 do
      assert.are.equal(i, process.start(math.max, 0, i):result(kinds.LONG))
    end
    p:terminate()
    assert.is_true(p:join(kinds.LONG))
  end)
end)
