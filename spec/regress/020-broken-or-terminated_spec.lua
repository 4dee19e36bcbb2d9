-- SPDX-License-Identifier: MIT
--
-- A pool that was terminated at the moment when its initializer failed had no error for
-- the tasks in its line: they failed with nothing, and result() raised its own timeout.

local errors = require "conrun.errors"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"

describe("a pool that is terminated while its initializer fails", function()
  for _, kind in ipairs(kinds) do
    it("has an error for each task (" .. kind .. ")", function()
      for _ = 1, 10 do
        local go = event.new()
        local p = kinds.pool(kind, 2, {
          initargs = { go },
          initializer = function(e)
            e:wait()
            error "no"
          end,
        })
        local futures = {}
        for i = 1, 1000 do
          futures[i] = p:submit(math.max, 1, 2)
        end
        go:set()
        p:terminate()
        for _, f in ipairs(futures) do
          local e = kinds.raised(f.result, f, kinds.LONG)
          assert.is_true(errors.is(e, "broken") or errors.is(e, "cancelled"))
        end
        assert.is_true(p:join(kinds.LONG))
      end
    end)
  end
end)
