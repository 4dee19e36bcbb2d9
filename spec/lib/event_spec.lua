-- SPDX-License-Identifier: MIT
--
-- The event: a flag that strands wait for.

local conrun = require "conrun"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"

local LONG, BRIEF = kinds.LONG, kinds.BRIEF

local function wait_for(e, ready, woken)
  ready:put(true)
  local set = e:wait(30)
  woken:put(set)
  return set
end

local function set_it(e)
  e:set()
end

describe("event", function()
  it("is set and cleared any number of times", function()
    local e = event.new()
    assert.is_false(e:is_set())
    e:set()
    assert.is_true(e:is_set())
    e:set()
    assert.is_true(e:is_set())
    e:clear()
    assert.is_false(e:is_set())
    e:clear()
    assert.is_false(e:is_set())
  end)

  it("does not wait when it is set", function()
    local e = event.new()
    e:set()
    assert.is_true(e:wait())
    assert.is_true(e:wait(0))
    assert.is_true(e:wait(LONG))
    assert.is_true(e:is_set())
  end)

  it("only looks with a timeout of 0", function()
    local ok, why = event.new():wait(0)
    assert.is_false(ok)
    assert.are.equal("timeout", why)
  end)

  it("gives up after the timeout, not before", function()
    local e = event.new()
    local start = conrun.clock()
    local ok, why = e:wait(0.1)
    assert.is_true(conrun.clock() - start >= 0.1)
    assert.is_false(ok)
    assert.are.equal("timeout", why)
  end)

  it("refuses a wrong timeout", function()
    local e = event.new()
    for _, wrong in ipairs { -1, 0 / 0, "soon" } do
      kinds.bad_method(1, e, "wait", wrong)
    end
  end)

  it("names the type of a wrong self", function()
    local message = tostring(kinds.raised(event.new().wait, {}))
    assert.matches("event", message)
    assert.matches("table", message)
  end)
end)

for _, kind in ipairs(kinds) do
  describe("an event between strands (" .. kind .. ")", function()
    it("wakes all who wait and all who come later", function()
      local e, ready, woken = event.new(), queue.new(), queue.new()
      local workers = kinds.start_many(kind, 5, wait_for, e, ready, woken)
      for _ = 1, 5 do
        assert.is_true(ready:get(LONG))
      end
      assert.is_nil((woken:get(BRIEF)))
      e:set()
      for _, set in ipairs(kinds.finish_all(workers)) do
        assert.is_true(set)
      end
      assert.are.equal(5, woken:size())
      assert.is_true(kinds.finish(kinds.start(kind, wait_for, e, ready, woken)))
    end)

    it("is set by a worker for the main strand", function()
      local e = event.new()
      local w = kinds.start(kind, set_it, e)
      assert.is_true(e:wait(LONG))
      kinds.finish(w)
    end)
  end)
end
