-- SPDX-License-Identifier: MIT
--
-- A lock was lost, and a semaphore's permits went astray, when the handle through which
-- they had been acquired became garbage: two strands were in one critical section.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local function collect()
  collectgarbage()
  collectgarbage()
end

---Objects that are reached only through a dict: each access makes a handle, and leaves it.
local function things()
  return conrun.shared.dict { lock = conrun.lock.new(), semaphore = conrun.semaphore.new(1),
    condition = conrun.condition.new() }
end

describe("what a strand has acquired", function()
  it("stays its own when no handle is left", function()
    local d = things()
    d.lock:acquire()
    d.semaphore:acquire()
    d.condition:acquire()
    collect()
    assert.is_true(d.lock:locked())
    assert.is_true(d.condition:locked())
    assert.are.equal(0, d.semaphore:value())
    collect()
    d.lock:release()
    d.condition:release()
    d.semaphore:release()
    collect()
    assert.is_false(d.lock:locked())
    assert.is_false(d.condition:locked())
    assert.are.equal(1, d.semaphore:value())
  end)

  it("is known again by a handle that comes in a message", function()
    local q = conrun.queue.new()
    for _, make in ipairs { conrun.lock.new, conrun.semaphore.new } do
      q:put(make())
      do
        local x = q:get()
        x:acquire()
        q:put(x)
      end
      collect()
      q:get():release()
      assert.has_error(function() conrun.lock.new():release() end)
    end
  end)

  it("may be given back by way of another object", function()
    local lock = conrun.lock.new()
    local condition = conrun.condition.new(lock)
    local box = conrun.shared.list { lock }
    lock:acquire()
    lock = nil
    collect()
    assert.is_nil(lock)
    condition:release()
    collect()
    assert.is_false(box[1]:locked())
    condition:acquire()
    box[2] = condition
    condition = nil
    collect()
    assert.is_nil(condition)
    assert.is_true(box[1]:locked())
    box[1]:release()
    assert.is_false(box[2]:locked())
  end)

  it("is no reason to keep what nobody can reach", function()
    local lock = conrun.lock.new()
    lock:acquire()
    local condition = conrun.condition.new()
    condition:acquire()
    local semaphore = conrun.semaphore.new(1)
    semaphore:acquire()
    lock, condition, semaphore = nil, nil, nil -- the audit at the end counts
    collect()
    assert.is_nil(lock or condition or semaphore)
  end)
end)

for _, kind in ipairs(kinds) do
  describe("what a " .. kind .. " has when it ends without a handle", function()
    it("is free, also if a condition once used the lock", function()
      for _, used in ipairs { false, true } do
        local lock, condition = conrun.lock.new(), nil
        if used then
          condition = conrun.condition.new(lock)
          assert.is_false(condition:locked())
          condition = nil
          collect()
        end
        kinds.finish(kinds.start(kind, function(l)
          l:acquire()
          l = nil
          collectgarbage()
          collectgarbage()
          return l
        end, lock))
        assert.is_nil(condition)
        assert.are.same({ true, "abandoned" }, { lock:acquire() })
        lock:release()
      end
    end)

    it("excludes others until then", function()
      local d = things()
      local taken, go = conrun.event.new(), conrun.event.new()
      local w = kinds.start(kind, function()
        d.lock:acquire()
        collectgarbage()
        collectgarbage()
        taken:set()
        go:wait()
      end)
      taken:wait()
      assert.is_false((d.lock:acquire(kinds.BRIEF)))
      go:set()
      kinds.finish(w)
      assert.are.same({ true, "abandoned" }, { d.lock:acquire() })
      d.lock:release()
    end)
  end)
end
