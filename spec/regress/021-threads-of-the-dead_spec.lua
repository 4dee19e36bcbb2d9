-- SPDX-License-Identifier: MIT
--
-- A pool of threads whose process died kept its tasks for ever: nobody else can start
-- threads there.  Now it is broken.

local kinds = require "spec.lib.kinds"
local process = require "conrun.process"
local queue = require "conrun.queue"

describe("a pool of threads whose process is killed", function()
  for retries = 0, 1 do
    it("fails what it ran and what waits, with retries = " .. retries, function()
      local out = queue.new()
      local w = process.start(function(q, n)
        local p = require("conrun.pool").new { workers = 1, kind = "thread", retries = n }
        q:put(p)
        require("conrun.event").new():wait(3600)
      end, out, retries)
      local p = out:get(kinds.LONG)
      local running = p:submit(function() require("conrun.event").new():wait(3600) end)
      local waiting = p:submit(math.max, 1, 2)
      assert.is_true(kinds.eventually(function() return running:running() end))
      w:kill()
      assert.is_truthy(running:error(kinds.LONG))
      kinds.raised_kind("broken", waiting.result, waiting, kinds.LONG)
      p:close()
      assert.is_true(p:join(kinds.LONG))
    end)
  end
end)
