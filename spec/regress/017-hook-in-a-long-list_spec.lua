-- SPDX-License-Identifier: MIT
--
-- An error that a hook raised while a long list was sent, as an interruption is, was taken
-- for the refusal of a probe, and lost.

local queue = require "conrun.queue"

describe("a hook's error while a long list is sent", function()
  it("arrives, and the list is not sent", function()
    local line, list = queue.new(), {}
    for i = 1, 70000 do
      list[i] = i + 0.5
    end
    line:put(list) -- what the first sending needs is loaded
    line:get()
    local put, sethook, getinfo = line.put, debug.sethook, debug.getinfo
    local good, message = pcall(function()
      sethook(function()
        local f = getinfo(2, "f").func
        if f ~= put and f ~= sethook then error "from the hook" end
      end, "c")
      put(line, list)
      sethook()
    end)
    sethook()
    assert.is_false(good)
    assert.matches("from the hook", message)
    assert.is_true(line:empty())
    line:put(list)
    assert.are.equal(70000, #line:get())
  end)
end)
