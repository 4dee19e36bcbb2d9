-- SPDX-License-Identifier: MIT
--
-- A selector's wait kept the address of the selector's line while callbacks ran.  When one of
-- these added objects, the line moved, and the wait read and wrote the memory of the old one.

local conrun = require "conrun"

local function events(n)
  local list = {}
  for i = 1, n do list[i] = conrun.event.new() end
  return list
end

describe("a selector to which a callback within its wait adds objects", function()
  it("waits for those, too", function()
    local selector, added = conrun.select.new(events(10)), events(2000)
    local go, future = conrun.event.new(), conrun.future.new()
    future:on_done(function()
      for _, event in ipairs(added) do selector:add(event) end
      for _ = 1, 4 do collectgarbage() end
      local other = {}
      for i = 1, 1000 do other[i] = ("x"):rep(64 + i % 64) end
      assert(#other == 1000)
      added[7]:set()
    end)
    local settler = conrun.thread.start(function() go:wait() future:set_result(1) end)
    go:set()
    local object, place = selector:wait()
    assert.are.equal(added[7], object)
    assert.are.equal(17, place)
    added[7]:clear()
    added[2000]:set()
    assert.are.same({ added[2000], 2010 }, { selector:wait() })
    assert.are.equal(2010, #selector)
    settler:join()
  end)
end)
