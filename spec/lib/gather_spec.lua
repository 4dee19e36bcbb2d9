-- SPDX-License-Identifier: MIT
--
-- Waiting for the first of many (src/lib/gather.c): whoever settles a future tells the
-- waiter which, and no order of settling, asking and giving up makes it miss one.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local function new_futures(n)
  local list = {}
  for i = 1, n do list[i] = conrun.future.new() end
  return list
end

-- A worker that settles each of them with its place.
local function settler(kind, list)
  return kinds.start(kind, function(futures)
    for i = 1, #futures do futures[i]:set_result(i) end
  end, list)
end

local function sum_of(list)
  local sum, n = 0, 0
  for f in conrun.future.as_completed(list, kinds.LONG) do
    sum, n = sum + f:result(), n + 1
  end
  return n, sum
end

for _, kind in ipairs(kinds) do
  describe("as_completed (settled by a " .. kind .. ")", function()
    it("gives each once, however many become final at a time", function()
      for _, n in ipairs { 1, 63, 64, 65, 1000 } do
        local list = new_futures(n)
        local worker = settler(kind, list)
        local count, sum = sum_of(list)
        assert.are.same({ n, n * (n + 1) // 2 }, { count, sum })
        worker:join()
      end
    end)

    it("gives those that were told while nobody asked", function()
      local list = new_futures(200)
      local next_one = conrun.future.as_completed(list, kinds.LONG)
      list[1]:set_result(0)
      assert.are.equal(list[1], next_one())
      local rest = table.move(list, 2, 200, 1, {})
      settler(kind, rest):join()
      local seen = { [list[1]] = true }
      for f in next_one do
        assert.is_nil(seen[f])
        seen[f] = true
      end
      for i = 1, 200 do assert.is_true(seen[list[i]]) end
    end)

    it("serves two iterations of one strand by turns", function()
      local a, b = new_futures(300), new_futures(300)
      local first, second = conrun.future.as_completed(a, kinds.LONG), conrun.future.as_completed(b, kinds.LONG)
      local workers = { settler(kind, a), settler(kind, b) }
      local n = 0
      for _ = 1, 300 do
        n = n + (first() and 1 or 0) + (second() and 1 or 0)
      end
      assert.are.equal(600, n)
      assert.is_nil(first())
      assert.is_nil(second())
      for _, worker in ipairs(workers) do worker:join() end
    end)

    it("serves two iterations of one strand over the same futures", function()
      local list = new_futures(200)
      local first, second = conrun.future.as_completed(list, kinds.LONG), conrun.future.as_completed(list, kinds.LONG)
      local worker = settler(kind, list)
      local n = 0
      for _ = 1, 200 do
        n = n + (first() and 1 or 0) + (second() and 1 or 0)
      end
      assert.are.equal(400, n)
      worker:join()
    end)

    it("serves two that know of each other what they take", function()
      local list = new_futures(2)
      local first, second = conrun.future.as_completed(list, kinds.LONG), conrun.future.as_completed(list, kinds.LONG)
      list[1]:set_result(1)
      assert.are.same({ list[1], list[1] }, { first(), second() })
      kinds.start(kind, function(f) f:set_result(2) end, list[2]):join()
      assert.are.same({ list[2], list[2] }, { first(), second() })
    end)

    it("goes on beside waits that take what it was told", function()
      local list, others = new_futures(100), new_futures(100)
      local next_one = conrun.future.as_completed(list, kinds.LONG)
      local worker = settler(kind, list)
      for i = 1, 100 do
        assert.is_truthy(next_one())
        others[i]:set_result(i)
        local done = conrun.future.wait({ others[i] }, { when = "first", timeout = kinds.LONG })
        assert.are.same({ others[i] }, done)
      end
      assert.is_nil(next_one())
      worker:join()
    end)

    it("hears of each in turn where nobody has a deadline", function()
      local rounds = 200
      local asked, answered = new_futures(rounds), new_futures(rounds)
      local partner = kinds.start(kind, function(from, to)
        local n = 0
        for f in conrun.future.as_completed(from) do
          n = n + 1
          to[n]:set_result(f:result())
        end
        return n
      end, asked, answered)
      local step = conrun.future.as_completed(answered)
      for i = 1, rounds do
        asked[rounds + 1 - i]:set_result(i)
        assert.are.equal(i, step():result())
      end
      assert.is_nil(step())
      assert.are.equal(rounds, kinds.finish(partner))
    end)

    it("is served to several strands at once", function()
      local list = new_futures(300)
      local sums = {}
      for i = 1, 3 do sums[i] = kinds.start(kind, sum_of, list) end
      settler(kind, list)
      for i = 1, 3 do assert.are.same({ 300, 45150 }, { sums[i]:result(kinds.LONG) }) end
      assert.are.equal(300, (sum_of(list)))
    end)

    it("goes on in a strand to which it was sent", function()
      local list = new_futures(100)
      local next_one = conrun.future.as_completed(list, kinds.LONG)
      settler(kind, table.move(list, 1, 10, 1, {})):join()
      assert.is_truthy(next_one())
      local counter = kinds.start(kind, function(iterator)
        local n = 0
        for _ in iterator do n = n + 1 end
        return n
      end, next_one)
      settler(kind, table.move(list, 11, 100, 1, {})):join()
      assert.are.equal(99, counter:result(kinds.LONG))
    end)
  end)
end

describe("wait", function()
  it("leaves what is pending in the order given", function()
    local list = new_futures(9)
    local done, pending
    for _, i in ipairs { 4, 9, 1 } do list[i]:set_result(i) end
    done, pending = conrun.future.wait(list, { when = "first" })
    assert.are.same({ list[4], list[9], list[1] }, done)
    assert.are.same({ list[2], list[3], list[5], list[6], list[7], list[8] }, pending)
    list[6]:set_error "no"
    list[7]:set_result(7)
    done, pending = conrun.future.wait(pending, { when = "error" })
    assert.are.same({ list[6], list[7] }, done)
    assert.are.same({ list[2], list[3], list[5], list[8] }, pending)
    done, pending = conrun.future.wait(pending, { timeout = 0 })
    assert.are.same({ {}, { list[2], list[3], list[5], list[8] } }, { done, pending })
  end)

  it("is not kept from a future by an iteration that was given up", function()
    local old = new_futures(70)
    conrun.future.as_completed(old, 0.001)
    pcall(conrun.future.as_completed(old, 0.001))
    for i = 1, 70 do old[i]:set_result(i) end
    local list = new_futures(3)
    local worker = settler("thread", list)
    assert.are.equal(3, #conrun.future.wait(list, { timeout = kinds.LONG }))
    worker:join()
  end)
end)

describe("a settler that is killed", function()
  it("leaves nobody waiting for what it has settled", function()
    for _ = 1, 5 do
      local list, go, never = new_futures(400), conrun.event.new(), conrun.event.new()
      local worker = conrun.process.start(function(futures, begun, event)
        begun:set()
        for i = 1, #futures do futures[i]:set_result(i) end
        event:wait()
      end, list, go, never)
      assert.is_true(go:wait(kinds.LONG))
      worker:kill()
      worker:join()
      local settled, waited = 0, 0
      for i = 1, #list do
        if list[i]:done() then settled = settled + 1 end
      end
      list[#list]:cancel()
      for f in conrun.future.as_completed(list, kinds.LONG) do
        waited = waited + (f.state == "done" and 1 or 0)
        if waited == settled then break end
      end
      assert.are.equal(settled, waited)
    end
  end)
end)
