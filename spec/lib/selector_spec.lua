-- SPDX-License-Identifier: MIT
--
-- A selector: a kept list of objects, of which the next ready one is waited for again and
-- again (src/lib/selector.c).

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local function queues(n)
  local list = {}
  for i = 1, n do list[i] = conrun.queue.new() end
  return list
end

describe("a selector", function()
  it("finds what is ready of any type, and says where it is", function()
    local q, e, f, other = conrun.queue.new(), conrun.event.new(), conrun.future.new(), conrun.queue.new()
    local a, b = conrun.pipe.new()
    local s = conrun.select.new { other, q, e, f, b }
    local function next_one() return { s:wait(0) } end
    assert.are.same({ nil, "timeout" }, next_one())
    q:put(1)
    assert.are.same({ q, 2 }, next_one())
    q:get()
    e:set()
    assert.are.same({ e, 3 }, next_one())
    e:clear()
    a:send(1)
    assert.are.same({ b, 5 }, next_one())
    b:recv()
    local worker = conrun.thread.start(function() end)
    assert.are.equal(6, s:add(worker))
    worker:join()
    assert.are.same({ worker, 6 }, next_one())
    assert.is_true(s:remove(worker))
    f:cancel()
    assert.are.same({ f, 4 }, next_one())
    other:close()
    assert.are.same({ f, 4 }, next_one())
    assert.are.same({ other, 1 }, next_one())
    assert.are.equal("selector: 5 objects", tostring(s))
    assert.are.equal(5, #s)
  end)

  it("gives each of those that stay ready its turn", function()
    local list = queues(5)
    for _, q in ipairs(list) do q:put(1) end
    local s, turns = conrun.select.new(list), {}
    for _ = 1, 15 do
      local _, i = s:wait()
      turns[i] = (turns[i] or 0) + 1
    end
    assert.are.same({ 3, 3, 3, 3, 3 }, turns)
  end)

  it("grows and shrinks, and never uses a place again", function()
    local s, list = conrun.select.new(), queues(100)
    for i = 1, 100 do assert.are.equal(i, s:add(list[i])) end
    assert.are.equal(7, s:add(list[7]))
    for i = 1, 99 do assert.is_true(s:remove(list[i])) end
    assert.is_false(s:remove(list[1]))
    list[1]:put "unseen"
    assert.is_nil((s:wait(0)))
    list[100]:put "seen"
    assert.are.same({ list[100], 100 }, { s:wait(0) })
    assert.are.equal(101, s:add(list[1]))
    list[100]:get()
    assert.are.same({ list[1], 101 }, { s:wait(0) })
  end)

  it("serves beside another that has some of the same", function()
    local list = queues(4)
    local a, b = conrun.select.new(list), conrun.select.new { list[3], list[4] }
    assert.is_nil((a:wait(0)))
    assert.is_nil((b:wait(0)))
    list[3]:put(1)
    assert.are.equal(list[3], (b:wait(0)))
    assert.are.equal(list[3], (a:wait(0)))
    list[1]:put(1)
    list[3]:get()
    assert.is_nil((b:wait(0)))
    assert.are.equal(list[1], (a:wait(0)))
    assert.are.equal(list[1], (conrun.select(list, 0)))
    list[4]:put(1)
    conrun.future.wait({ conrun.future.new() }, { timeout = 0 })
    assert.are.equal(list[4], (b:wait(0)))
  end)

  it("says what is wrong with its arguments", function()
    assert.error_matches(function() conrun.select.new { conrun.queue.new(), 5 } end, "item 2 is no worker.* but 5")
    assert.error_matches(function() conrun.select.new(5) end, "table expected, got number")
    local s = conrun.select.new()
    assert.error_matches(function() s:wait() end, "the selector is empty: there is nothing to wait for")
    assert.error_matches(function() s:add(conrun.lock.new()) end, "argument #1 to 'add'.* is no worker")
    assert.error_matches(function() s:add() end, "argument #1 to 'add'.* is no worker")
    assert.error_matches(function() conrun.queue.new():put(s) end, "userdata")
  end)

  it("reports a wait that nobody can end", function()
    local _, err = kinds.run [[
      local s = conrun.select.new { conrun.queue.new(), conrun.event.new() }
      s:wait()
    ]]
    assert.matches("deadlock", err)
  end)
end)

for _, kind in ipairs(kinds) do
  describe("a selector (filled by a " .. kind .. ")", function()
    it("finds all that came while nobody asked, more than a strand is told of", function()
      local list, found = queues(200), {}
      local s = conrun.select.new(list)
      assert.is_nil((s:wait(0)))
      kinds.finish(kinds.start(kind, function(qs)
        for i = 1, #qs do qs[i]:put(i) end
      end, list))
      for _ = 1, 200 do
        local q, i = s:wait(0)
        assert.is_truthy(q, i)
        found[i] = q:get(0)
      end
      for i = 1, 200 do assert.are.equal(i, found[i]) end
    end)

    it("hears of each in turn where nobody has a deadline", function()
      local there, back = queues(20), queues(20)
      local partner = kinds.start(kind, function(from, to)
        local s, n = conrun.select.new(from), 0
        while #s > 0 do
          local q, i = s:wait()
          local item = q:get()
          if item then
            to[i]:put(item)
            n = n + 1
          else
            s:remove(q)
          end
        end
        return n
      end, there, back)
      local s = conrun.select.new(back)
      for n = 1, 400 do
        local place = n * 7 % 20 + 1
        there[place]:put(n)
        local q, i = s:wait()
        assert.are.same({ place, n }, { i, q:get() })
      end
      for _, q in ipairs(there) do q:close() end
      assert.are.equal(400, kinds.finish(partner))
    end)

    it("misses nothing of 100 queues, and goes on when they are closed", function()
      local list, workers, sum, closed = queues(100), {}, 0, 0
      for w = 1, 2 do
        workers[w] = kinds.start(kind, function(qs, from)
          for round = 1, 5 do
            for i = from, #qs, 2 do qs[i]:put(round) end
          end
          for i = from, #qs, 2 do qs[i]:close() end
        end, list, w)
      end
      local s = conrun.select.new(list)
      while #s > 0 do
        local q = assert(s:wait(kinds.LONG))
        local item = q:get(0)
        if item then
          sum = sum + item
        else
          closed = closed + 1
          s:remove(q)
        end
      end
      assert.are.same({ 1500, 100 }, { sum, closed })
      for _, worker in ipairs(workers) do worker:join() end
    end)
  end)
end
