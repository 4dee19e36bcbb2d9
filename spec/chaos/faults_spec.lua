-- SPDX-License-Identifier: MIT
--
-- The faults of programs that still run: too much memory, too much time, tasks
-- that wait for each other, a consumer that went away.

local errors = require "conrun.errors"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"

local LONG = kinds.LONG

local function square(x)
  return x * x
end

local function use_memory()
  local t = {}
  for i = 1, 10000 do
    t[i] = ("x"):rep(1 << 20) .. i
  end
  return #t
end

local function submit_and_wait(pool, fn, x)
  return (pool:submit(fn, x):result(30))
end

for _, kind in ipairs(kinds) do
  describe("a task (" .. kind .. ")", function()
    it("that uses too much memory fails alone", function()
      local p <close> = kinds.pool(kind, 1, { memory_limit = 16 << 20 })
      for _ = 1, 3 do
        local f = p:submit(use_memory)
        assert.matches("not enough memory", tostring(f:error(LONG)))
        assert.are.equal(9, p:apply(square, 3))
      end
    end)

    it("that runs out of its stack fails alone", function()
      local p <close> = kinds.pool(kind, 1)
      local function deeper(n)
        return 1 + deeper(n + 1)
      end
      assert.matches("stack overflow", tostring(p:submit(deeper, 1):error(LONG)))
      assert.are.equal(9, p:apply(square, 3))
    end)

    it("that runs for ever is ended by task_timeout", function()
      local p <close> = kinds.pool(kind, 1, { task_timeout = 0.1 })
      for _, endless in ipairs { function() while true do local _ = {} end end,
        function() require("conrun.event").new():wait() end } do
        local f = p:submit(endless)
        local e = kinds.raised(f.result, f, LONG)
        assert.is_true(errors.is(e, "timeout"))
        assert.are.equal(9, p:apply(square, 3))
      end
    end)

    it("that waits for a task of its own full pool does not hang", function()
      local p = kinds.pool(kind, 1)
      local f = p:submit(submit_and_wait, p, square, 3)
      -- Either the deadlock is reported or the waiting worker helps out.
      local e = f:error(LONG)
      if e then
        assert.is_true(errors.is(e, "deadlock"))
      else
        assert.are.equal(9, f:result())
      end
      p:terminate()
      assert.is_true(p:join(LONG))
    end)

    it("whose result is never asked for is finished and forgotten", function()
      local p = kinds.pool(kind, 2)
      for i = 1, 1000 do
        p:submit(square, i)
      end
      collectgarbage()
      p:close()
      assert.is_true(p:join(LONG))
      assert.are.equal(1000, p:stats().completed)
    end)

    it("may change what it was given without harm to others", function()
      local p <close> = kinds.pool(kind, 1)
      local t = { n = 0 }
      for _ = 1, 3 do
        assert.are.equal(1, p:apply(function(x)
          x.n = x.n + 1
          return x.n
        end, t))
      end
      assert.are.equal(0, t.n)
    end)
  end)
end

describe("a writer whose reader is gone", function()
  it("can still exit", function()
    local _, err, status = kinds.run [[
      local q = require("conrun.queue").new()
      local w = require("conrun.process").start({ daemon = true }, function(from) from:get() end, q)
      w:kill()
      w:join()
      for _ = 1, 100 do q:put(("x"):rep(100000)) end
    ]]
    assert.are.equal("", err)
    assert.are.equal(0, status)
  end)
end)

describe("processes started while threads hold and take locks", function()
  it("do not deadlock", function()
    local stop, l = event.new(), require("conrun.lock").new()
    local busy = kinds.start_many("thread", 3, function(lock, e)
      local t = {}
      while not e:is_set() do
        lock:acquire()
        t[#t % 100 + 1] = tostring(#t):rep(100)
        lock:release()
      end
    end, l, stop)
    local q = queue.new()
    for i = 1, 20 do
      local w = kinds.start("process", function(lock, out, n)
        lock:acquire()
        out:put(n)
        lock:release()
      end, l, q, i)
      assert.is_true(w:join(LONG))
    end
    stop:set()
    kinds.finish_all(busy)
    assert.are.equal(20, q:size())
  end)
end)
