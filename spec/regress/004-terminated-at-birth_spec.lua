-- SPDX-License-Identifier: MIT
--
-- A process that was terminated right after its start never ended: the signal
-- came while it still ignored SIGTERM, as the zygote does that it was forked from.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"
local process = require "conrun.process"

describe("a process terminated right after its start", function()
  it("ends by that signal, every time", function()
    for _ = 1, 20 do
      local w = process.start(conrun.sleep, 3600)
      w:terminate()
      assert.is_true(w:join(kinds.LONG))
      assert.are.equal(-15, w.exitcode)
    end
  end)
end)
