-- SPDX-License-Identifier: MIT
--
-- Between the function and the arguments of a call for another machine finalizers may run.
-- What they sent to the queues of this one was refused, as if it were to go along, and what
-- did go along was then not looked at.

local conrun = require "conrun"
local site = require "spec.cluster.site"

describe("while a call is sent to another machine", function()
  local here, pool, lock, queue, ran, refused

  setup(function()
    here = site.new(1)
    pool = here:pool()
    lock, queue = conrun.lock.new(), conrun.queue.new()
    ran, refused = 0, 0
  end)

  teardown(function()
    pool:shutdown()
    here:stop()
  end)

  local finalized = {
    __gc = function()
      ran = ran + 1
      if not pcall(queue.put, queue, { lock }) then refused = refused + 1 end
    end,
  }

  -- Calls `step` so often, with garbage that is found at the first place in it where some may
  -- be looked for.
  local function among_garbage(n, step)
    ran, refused = 0, 0
    for i = 1, n do
      collectgarbage "stop"
      setmetatable({}, finalized)
      collectgarbage "restart"
      step(i)
    end
    assert.is_true(ran > n // 2)
    assert.are.equal(0, refused)
  end

  it("finalizers send what is for this machine", function()
    local function one() return 1 end
    among_garbage(200, function(i)
      local f = pool:submit(one)
      if i % 100 == 0 then f:result(30) end
    end)
    local done = {}
    among_garbage(50, function(i) done[i] = pool:map_async(one, { 1, 2, 3 }) end)
    for i = 1, 50 do
      assert.are.same({ 1, 1, 1 }, done[i]:result(30))
    end
  end)

  it("no function gets by with a shared object", function()
    local functions, said = {}, {}
    for i = 1, 200 do functions[i] = function() return lock, i end end
    among_garbage(200, function(i) said[i] = select(2, pcall(pool.submit, pool, functions[i])) end)
    for i = 1, 200 do
      assert.is_truthy(tostring(said[i]):find("to another machine", 1, true))
    end
  end)

  it("an item is looked up by code whose values are for this machine", function()
    local items = setmetatable({}, {
      __len = function() return 2 end,
      __index = function(_, i)
        queue:put { lock }
        return i
      end,
    })
    assert.are.same({ 1, 2 }, pool:map(math.abs, items, { chunksize = 1 }))
    local e = select(2, pcall(pool.map, pool, type, { 1, lock }))
    assert.is_truthy(tostring(e):find("cannot send a lock to another machine", 1, true))
  end)
end)
