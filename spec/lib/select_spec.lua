-- SPDX-License-Identifier: MIT
--
-- select: the first of several objects of any type that is ready.

local conrun = require "conrun"
local event = require "conrun.event"
local future = require "conrun.future"
local kinds = require "spec.lib.kinds"
local lock = require "conrun.lock"
local pipe = require "conrun.pipe"
local queue = require "conrun.queue"
local select_first = require("conrun.select").select

local LONG = kinds.LONG

local function put(q, v)
  q:put(v)
end

local function nothing() end

describe("select", function()
  it("finds what is ready already", function()
    local q, e, f, other = queue.new(), event.new(), future.new(), queue.new()
    local a, b = pipe.new()
    local list = { other, q, e, f, b }
    q:put(1)
    assert.are.equal(q, (select_first(list)))
    q:get()
    e:set()
    assert.are.equal(e, (select_first(list)))
    e:clear()
    a:send(1)
    assert.are.equal(b, (select_first(list)))
    b:recv()
    f:cancel()
    assert.are.equal(f, (select_first(list)))
  end)

  it("takes a closed queue as ready, since get would not wait", function()
    local q = queue.new()
    q:close()
    assert.are.equal(q, (select_first({ event.new(), q }, LONG)))
  end)

  it("does not take anything away", function()
    local q = queue.new()
    q:put(7)
    select_first { q }
    select_first { q }
    assert.are.equal(1, #q)
    assert.are.equal(7, q:get(0))
  end)

  it("gives up after the timeout, not before", function()
    local list = { queue.new(), event.new() }
    local ready, why = select_first(list, 0)
    assert.is_nil(ready)
    assert.are.equal("timeout", why)
    local start = conrun.clock()
    ready, why = select_first(list, 0.1)
    assert.is_true(conrun.clock() - start >= 0.1)
    assert.is_nil(ready)
    assert.are.equal("timeout", why)
  end)

  it("refuses wrong arguments", function()
    kinds.bad_argument(1, select_first, 5)
    kinds.bad_argument(2, select_first, { event.new() }, -1)
    assert.matches("2", tostring(kinds.raised(select_first, { event.new(), 5 }, 0)))
    assert.has_error(function() select_first({ lock.new() }, 0) end)
  end)
end)

for _, kind in ipairs(kinds) do
  describe("select between strands (" .. kind .. ")", function()
    it("wakes for an item", function()
      local q, e = queue.new(), event.new()
      local w = kinds.start(kind, put, q, 5)
      assert.are.equal(q, (select_first({ e, q }, LONG)))
      assert.are.equal(5, q:get(0))
      kinds.finish(w)
    end)

    it("wakes for the end of a worker", function()
      local w = kinds.start(kind, nothing)
      assert.are.equal(w, (select_first({ event.new(), w }, LONG)))
      assert.is_false(w:alive())
    end)

    it("wakes for a result", function()
      local pool = kinds.pool(kind, 1)
      local f = pool:submit(nothing)
      assert.are.equal(f, (select_first({ event.new(), f }, LONG)))
      pool:close()
      assert.is_true(pool:join(LONG))
    end)

    it("serves several queues until all have delivered", function()
      local queues, workers = {}, {}
      for i = 1, 4 do
        queues[i] = queue.new()
        workers[i] = kinds.start(kind, put, queues[i], i)
      end
      local sum = 0
      for _ = 1, 4 do
        local ready = select_first(queues, LONG)
        sum = sum + ready:get(0)
      end
      assert.are.equal(10, sum)
      kinds.finish_all(workers)
    end)
  end)
end
