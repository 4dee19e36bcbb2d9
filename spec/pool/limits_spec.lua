-- SPDX-License-Identifier: MIT
--
-- What a pool does about tasks that take too long, and about workers that cannot
-- even begin.

local event = require "conrun.event"
local future = require "conrun.future"
local kinds = require "spec.lib.kinds"
local pool = require "conrun.pool"
local shared = require "conrun.shared"

local LONG = kinds.LONG

-- ThreadSanitizer delivers signals only where its program calls something, hence
-- the tables.
local function spin()
  while true do local _ = {} end
end

local function wait_for_ever()
  require("conrun.event").new():wait()
end

local function sleep_long()
  require("conrun").sleep(3600)
end

-- Catches what it can.
local function spin_stubbornly()
  while true do
    pcall(spin)
  end
end

local function wait_stubbornly()
  while true do
    pcall(wait_for_ever)
  end
end

local function square(x)
  return x * x
end

local function spin_at(x)
  if x == 2 then spin() end
  return x
end

for _, kind in ipairs(kinds) do
  describe("task_timeout (" .. kind .. ")", function()
    it("ends a task that takes too long, and the pool goes on", function()
      local p <close> = kinds.pool(kind, 1, { task_timeout = 0.1 })
      for _, task in ipairs { spin, wait_for_ever, sleep_long, spin_stubbornly, wait_stubbornly } do
        local f = p:submit(task)
        local e = kinds.raised_kind("timeout", f.result, f, LONG)
        assert.matches("task_timeout of 0.1 s", tostring(e))
        assert.are.equal("failed", f.state)
        assert.are.equal(9, p:submit(square, 3):result(LONG))
      end
    end)

    it("counts from the start of the task, not from its posting", function()
      local p <close> = kinds.pool(kind, 1, { task_timeout = 2 })
      local tasks, go = {}, event.new()
      for i = 1, 20 do
        tasks[i] = p:submit(function(e) return e:is_set() end, go)
      end
      local done = future.wait(tasks, { timeout = LONG })
      assert.are.equal(20, #done)
      for _, f in ipairs(tasks) do
        assert.is_false(f:result(0))
      end
    end)

    it("leaves alone a task that is quick, and the next one", function()
      local p <close> = kinds.pool(kind, 1, { task_timeout = 3600 })
      for i = 1, 50 do
        assert.are.equal(i * i, p:apply(square, i))
      end
    end)

    it("fails the chunk of a map that it ends", function()
      local p <close> = kinds.pool(kind, 1, { task_timeout = 0.1 })
      kinds.raised_kind("timeout", p.map, p, spin_at, { 1, 2, 3 }, { chunksize = 1 })
      local results = p:map(spin_at, { 1, 2, 3 }, { chunksize = 1, collect_errors = true })
      assert.are.equal(1, results[1])
      assert.matches("task_timeout", tostring(results[2]))
      assert.are.equal(3, results[3])
      kinds.raised_kind("timeout", p.map, p, spin_at, { 1, 2, 3 }, { chunksize = 3 })
    end)

    it("does not retry what took too long", function()
      local count = shared.value("i64")
      local p <close> = kinds.pool(kind, 1, { task_timeout = 0.1, retries = 5 })
      local f = p:submit(function(n)
        n:add(1)
        while true do local _ = {} end
      end, count)
      kinds.raised_kind("timeout", f.result, f, LONG)
      assert.are.equal(1, count:get())
    end)

    it("is no deadlock, however long the wait", function()
      local out, err, status = kinds.run(([[
        local p <close> = require("conrun.pool").new { workers = 1, kind = "%s", task_timeout = 1.5 }
        print(p:submit(function() require("conrun.event").new():wait() end):error().kind)
      ]]):format(kind))
      assert.are.equal("timeout\n", out)
      assert.are.equal("", err)
      assert.are.equal(0, status)
    end)

    it("still closes what the task had open (" .. kind .. ")", function()
      if kind == "process" then return end -- it is killed
      local closed = event.new()
      local p <close> = kinds.pool(kind, 1, { task_timeout = 0.1 })
      local f = p:submit(function(e)
        local _ <close> = setmetatable({}, { __close = function() e:set() end })
        while true do local _ = {} end
      end, closed)
      kinds.raised_kind("timeout", f.result, f, LONG)
      assert.is_true(closed:is_set())
    end)
  end)

  describe("a pool whose workers cannot begin (" .. kind .. ")", function()
    it("is broken instead of starting them for ever", function()
      local p = kinds.pool(kind, 1, { memory_limit = 1 })
      local f = p:submit(square, 2)
      assert.is_truthy(f:error(LONG)) -- "not enough memory", if there is memory to say so
      assert.are.equal("broken", p:stats().state)
      p:terminate()
      assert.is_true(p:join(LONG))
    end)
  end)
end

describe("task_timeout", function()
  it("is a number above 0", function()
    for _, wrong in ipairs { 0, -1, "1", 0 / 0, true } do
      assert.matches("bad option 'task_timeout'",
        tostring(kinds.raised(pool.new, { task_timeout = wrong })))
    end
    local p <close> = pool.new { workers = 1, task_timeout = math.huge }
    assert.are.equal(4, p:apply(square, 2))
  end)

  it("kills the worker of a process pool, and another one takes its place", function()
    local p <close> = pool.processes(1, { task_timeout = 0.1 })
    local function pid() return require("conrun").current().pid end
    local before = p:apply(pid)
    local e = p:submit(spin):error(LONG)
    assert.matches("killed", tostring(e))
    assert.matches(tostring(before), tostring(e))
    assert.are_not.equal(before, p:apply(pid))
    assert.is_true(kinds.eventually(function() return not kinds.process_alive(before) end))
  end)

  it("keeps the worker of a thread pool", function()
    local p <close> = pool.threads(1, { task_timeout = 0.1 })
    local function id() return require("conrun").current().id end
    local before = p:apply(id)
    kinds.raised_kind("timeout", p.apply, p, spin)
    assert.are.equal(before, p:apply(id))
  end)
end)
