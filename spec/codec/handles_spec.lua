-- SPDX-License-Identifier: MIT
--
-- handles: a handle is known by its address once it was checked, so what comes to
-- be at that address later must not be taken for it (src/codec/handle.c).

local conrun = require "conrun"

describe("a handle that was checked before", function()
  it("is refused once it is closed", function()
    local pipe = conrun.pipe.new()
    assert.is_false(pipe:poll())
    pipe:close()
    assert.has_error(function() pipe:poll() end, "calling 'poll' on bad self (the pipe is closed)")
    assert.has_error(function() pipe:poll() end)
    pipe:close()
  end)

  it("is not mistaken for one of another type at the same address", function()
    local lock_of = getmetatable(conrun.lock.new()).__index
    local event_of = getmetatable(conrun.event.new()).__index
    for round = 1, 2000 do
      local first = round % 2 == 0 and conrun.lock.new() or conrun.event.new()
      if round % 2 == 0 then
        assert.is_false(lock_of.locked(first))
        assert.is_false(pcall(event_of.is_set, first))
      else
        assert.is_false(event_of.is_set(first))
        assert.is_false(pcall(lock_of.locked, first))
      end
      if round % 10 == 0 then
        collectgarbage()
      end
    end
  end)

  it("leaves nothing behind for other userdata at its address", function()
    local locked = getmetatable(conrun.lock.new()).__index.locked
    for _ = 1, 200 do
      assert.is_false(conrun.lock.new():locked())
      collectgarbage()
      local files = {}
      for i = 1, 20 do
        files[i] = io.tmpfile()
        assert.is_false(pcall(locked, files[i]))
      end
      for _, file in ipairs(files) do
        file:close()
      end
    end
  end)

  it("is known again when it comes back by a queue", function()
    local queue, lock = conrun.queue.new(), conrun.lock.new()
    for _ = 1, 50 do
      queue:put(lock)
      local back = queue:get()
      assert.equal(lock, back)
      assert.is_false(back:locked())
    end
    local kept = setmetatable({ lock }, { __mode = "v" })
    queue:put(lock)
    lock = nil -- luacheck: ignore 311
    collectgarbage()
    assert.is_nil(kept[1])
    assert.is_true(queue:get():acquire())
  end)

  it("without its finalizer is still no other userdata", function()
    local locked = getmetatable(conrun.lock.new()).__index.locked
    local lock = conrun.lock.new()
    assert.is_false(lock:locked())
    debug.setmetatable(lock, nil)
    assert.is_false(pcall(locked, setmetatable({}, { __index = lock })))
    debug.setmetatable(lock, getmetatable(conrun.lock.new()))
    assert.is_false(lock:locked())
  end)
end)
