-- SPDX-License-Identifier: MIT
--
-- A strand that was killed gave its permits back, one that returned, raised or called
-- os.exit did not; and a killed consumer of events gave back all that it had ever consumed.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local ways = {
  ["returns"] = function() end,
  ["raises"] = function() error "as it should" end,
  ["calls os.exit"] = function() os.exit(1) end,
  ["closes its state"] = function() os.exit(1, true) end,
  ["is killed"] = function()
    os.execute("kill -9 " .. conrun.current().pid)
    while true do end
  end,
}

describe("permits that a strand has out", function()
  before_each(function() conrun.on_error(function() end) end)
  after_each(function() conrun.on_error(nil) end)

  for way, leave in pairs(ways) do
    for _, kind in ipairs(kinds) do
      if kind == "process" or way ~= "is killed" then
        it("go back when a " .. kind .. " " .. way, function()
          for _, make in ipairs { "new", "bounded" } do
            local s = conrun.semaphore[make](2)
            local taken = conrun.event.new()
            local w = kinds.start(kind, function()
              s:acquire()
              s:acquire()
              taken:set()
              leave()
            end)
            taken:wait()
            s:acquire() -- without a timeout: somebody must wake us
            w:join()
            s:release()
            assert.are.equal(2, s:value())
          end
        end)
      end
    end
  end
end)

describe("a semaphore that counts events", function()
  it("gets none of them back from a dead consumer", function()
    local s, got = conrun.semaphore.new(0), conrun.queue.new()
    local w = conrun.process.start(function()
      for i = 1, 10 do
        s:acquire()
        got:put(i)
      end
      while true do end
    end)
    s:release(10)
    for _ = 1, 10 do
      got:get()
    end
    w:kill()
    w:join()
    assert.are.equal(0, s:value())
  end)

  it("gets no slots back from a dead producer either, whose items are still there", function()
    local slots, items = conrun.semaphore.new(3), conrun.queue.new()
    slots:acquire()
    slots:release() -- that alone says nothing
    conrun.thread.start(function(s) s:release() end, slots):join()
    local w = conrun.process.start(function()
      for i = 1, 4 do
        slots:acquire()
        items:put(i)
      end
    end)
    w:join()
    assert.are.equal(4, items:size())
    assert.are.equal(0, slots:value())
  end)
end)
