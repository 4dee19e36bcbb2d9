-- SPDX-License-Identifier: MIT
--
-- Workers seen from outside and ended with their block: conrun.workers, conrun.stopping,
-- <close> on workers and queues, and what queue:peek leaves alone.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local function names(list)
  local found = {}
  for i, worker in ipairs(list) do
    found[i] = worker.name
  end
  return table.concat(found, " ")
end

local function wait_stubbornly(began)
  began:set()
  while true do
    pcall(conrun.sleep, 3600)
  end
end

-- Tells in its clean-up, and after it, whether it was to stop.
local function work(began, told)
  local ok = pcall(function()
    local _ <close> = setmetatable({}, { __close = function() told:put(conrun.stopping()) end })
    began:set()
    conrun.event.new():wait()
  end)
  told:put(ok)
end

for _, kind in ipairs(kinds) do
  describe("conrun.workers (" .. kind .. ")", function()
    it("has each worker until it is over, in the order of birth", function()
      local began, go = conrun.barrier.new(3), conrun.event.new()
      local all = {}
      for _, name in ipairs { "second-" .. kind, "first-" .. kind } do
        all[#all + 1] = kinds.start(kind, { name = name }, function()
          began:wait()
          go:wait()
        end)
      end
      began:wait(kinds.LONG)
      local found = conrun.workers("first-" .. kind)
      assert.are.equal(1, #found)
      assert.are.equal(all[2].id, found[1].id)
      assert.truthy(names(conrun.workers()):find("second-" .. kind .. " first-" .. kind, 1, true))
      go:set()
      for _, worker in ipairs(all) do
        assert.is_true(worker:join(kinds.LONG))
        assert.are.equal("ended", worker.state)
      end
      assert.are.same({}, conrun.workers("first-" .. kind))
    end)

    it("names the pool of a worker", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind, name = "its-" .. kind }
      pool:apply(math.abs, 1)
      local worker = conrun.workers("its-" .. kind .. "-1")[1]
      assert.are.equal("its-" .. kind, worker.pool)
    end)
  end)

  describe("<close> (" .. kind .. ")", function()
    it("waits for a worker when its block is left normally", function()
      local q = conrun.queue.new()
      local worker
      do
        local w <close> = kinds.start(kind, function() q:put "done" end)
        worker = w
      end
      assert.is_false(worker:alive())
      assert.are.equal("done", q:get(0))
    end)

    it("ends a worker that catches everything when its block is left by an error", function()
      local began = conrun.event.new()
      local worker
      local ok, e = pcall(function()
        local w <close> = kinds.start(kind, wait_stubbornly, began)
        worker = w
        began:wait(kinds.LONG)
        error("no more", 0)
      end)
      assert.is_false(ok)
      assert.are.equal("no more", e)
      assert.is_false(worker:alive())
    end)
  end)

  describe("conrun.stopping (" .. kind .. ")", function()
    it("is true for the clean-up of a task that was cancelled, and false for the next task", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      local began, told = conrun.event.new(), conrun.queue.new()
      local task = pool:submit(work, began, told)
      began:wait(kinds.LONG)
      task:cancel { running = true }
      assert.is_true(told:get(kinds.LONG))
      assert.is_false(told:get(kinds.LONG))
      assert.is_false(pool:apply(conrun.stopping))
    end)

    it("stays true in a worker that was interrupted", function()
      local began, told = conrun.event.new(), conrun.queue.new()
      local worker = kinds.start(kind, function()
        local before = conrun.stopping()
        work(began, told)
        return before, conrun.stopping()
      end)
      began:wait(kinds.LONG)
      worker:interrupt()
      local before, after = worker:result(kinds.LONG)
      assert.is_false(before)
      assert.is_true(after)
    end)
  end)
end

describe("conrun.workers", function()
  it("checks the name", function()
    assert.has_error(function() conrun.workers(7) end)
  end)

  it("is not for a sandbox", function()
    local worker = conrun.thread.start({ libs = { "string" } }, function() return pcall(conrun.workers) end)
    local ok, e = worker:result(kinds.LONG)
    assert.is_false(ok)
    assert.truthy(tostring(e):find("sandbox", 1, true))
  end)
end)

describe("queue:peek", function()
  local orders = { new = { 2, 9, 1 }, lifo = { 1, 9, 2 }, priority = { 1, 2, 9 } }

  for order, expected in pairs(orders) do
    it("gives the next item and leaves it: " .. order, function()
      local q = conrun.queue[order]()
      for _, n in ipairs { 2, 9, 1 } do
        q:put({ n }, order == "priority" and n or nil)
      end
      for left, n in ipairs(expected) do
        assert.are.same({ n }, q:peek())
        assert.are.equal(4 - left, #q)
        assert.are.same({ n }, q:get(0))
      end
      assert.are.same({ nil, "timeout" }, { q:peek(0) })
      q:close()
      assert.are.same({ nil, "closed" }, { q:peek() })
    end)
  end

  it("finds the first item of the next segment", function()
    local q = conrun.queue.new()
    for i = 1, 1000 do
      q:put { i }
    end
    for i = 1, 1000 do
      assert.are.same({ i }, q:peek(0))
      assert.are.same({ i }, q:get(0))
    end
  end)

  for _, kind in ipairs(kinds) do
    it("waits, and leaves the wake-up to one who gets (" .. kind .. ")", function()
      local q = conrun.queue.new()
      local peeker = kinds.start(kind, function() return q:peek() end)
      kinds.until_it_waits(peeker) -- the first in line is woken first
      local getter = kinds.start(kind, function() return q:get() end)
      kinds.until_it_waits(getter)
      q:put "one"
      assert.are.equal("one", getter:result(kinds.LONG))
      q:put "two"
      assert.truthy(peeker:result(kinds.LONG):find "^[ot]")
    end)
  end

  it("is closed at the end of a block, and emptied by an error", function()
    local outer
    do
      local q <close> = conrun.queue.new()
      q:put(1)
      outer = q
    end
    assert.are.equal(1, outer:get())
    assert.are.same({ nil, "closed" }, { outer:get() })
    pcall(function()
      local q <close> = conrun.queue.new()
      q:put(1)
      outer = q
      error "stop"
    end)
    assert.are.same({ nil, "closed" }, { outer:get() })
  end)
end)
