-- SPDX-License-Identifier: MIT
--
-- The queue: order, bounds, timeouts, join, close; nothing lost, nothing doubled.
-- What holds for every order runs for FIFO, LIFO and priority alike.

local conrun = require "conrun"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"

local LONG, BRIEF = kinds.LONG, kinds.BRIEF

-- put with the priority that is the value itself, where the order wants one.
local function put(q, order, value, timeout)
  if order == "priority" then
    return q:put(value, value, timeout)
  end
  return q:put(value, timeout)
end

local function put_later(q, order, value, started, outcome)
  started:set()
  outcome:put { put(q, order, value) }
end

local function get_later(q, started, outcome)
  started:set()
  local value, why = q:get()
  outcome:put { value = value, why = why }
end

local function join_later(q, started)
  started:set()
  return q:join(30)
end

local function produce(q, who, n)
  for i = 1, n do
    q:put { who, i }
  end
end

local function consume(q)
  local taken = {}
  for item in q:items() do
    taken[#taken + 1] = item
  end
  return taken
end

local function echo(from, to)
  for item in from:items() do
    to:put(item)
  end
end

local orders = {
  new = { 111, 333, 222 },
  lifo = { 222, 333, 111 },
  priority = { 111, 222, 333 },
}

for order, expected in pairs(orders) do
  local new = queue[order]

  describe("queue." .. order, function()
    it("gives items in its order", function()
      local q = new()
      for _, v in ipairs { 111, 333, 222 } do
        assert.is_true(put(q, order, v))
      end
      for _, v in ipairs(expected) do
        assert.are.equal(v, q:get())
      end
    end)

    it("tells its size", function()
      local q = new(2)
      assert.are.equal(2, q:maxsize())
      assert.is_true(q:empty())
      assert.is_false(q:full())
      for n = 1, 2 do
        put(q, order, n)
        assert.are.equal(n, q:size())
        assert.are.equal(n, #q)
      end
      assert.is_true(q:full())
      assert.is_false(q:empty())
      q:get()
      assert.is_false(q:full())
      assert.are.equal(1, #q)
    end)

    it("is full at its bound", function()
      local q = new(5)
      for i = 1, 5 do
        assert.is_true(put(q, order, i, 0))
      end
      local ok, why = put(q, order, 6, 0)
      assert.is_false(ok)
      assert.are.equal("timeout", why)
      local start = conrun.clock()
      ok, why = put(q, order, 6, 0.1)
      assert.is_true(conrun.clock() - start >= 0.1)
      assert.is_false(ok)
      assert.are.equal("timeout", why)
      assert.are.equal(5, q:size())
    end)

    it("is empty without items", function()
      local q = new()
      local v, why = q:get(0)
      assert.is_nil(v)
      assert.are.equal("timeout", why)
      local start = conrun.clock()
      v, why = q:get(0.1)
      assert.is_true(conrun.clock() - start >= 0.1)
      assert.is_nil(v)
      assert.are.equal("timeout", why)
    end)

    it("is unbounded with a bound of 0 or less", function()
      for _, bound in ipairs { 0, -1 } do
        local q = new(bound)
        for i = 1, 1000 do
          put(q, order, i, 0)
        end
        assert.are.equal(1000, q:size())
        assert.is_false(q:full())
      end
    end)

    it("refuses wrong arguments by number", function()
      kinds.bad_argument(1, new, "x")
      kinds.bad_argument(1, new, 1.5)
      local q = new(1)
      put(q, order, 1)
      kinds.bad_method(1, q, "get", -1)
      kinds.bad_method(1, q, "get", 0 / 0)
      if order == "priority" then
        kinds.bad_method(3, q, "put", 1, 1, -1)
      else
        kinds.bad_method(2, q, "put", 1, -1)
      end
      assert.are.equal(1, q:size())
    end)

    it("is not harmed by an item that cannot be sent", function()
      local q = new(1)
      local message = tostring(kinds.raised(q.put, q, coroutine.create(print), 1))
      assert.matches("cannot send a coroutine", message)
      assert.are.equal(0, q:size())
      assert.is_true(put(q, order, 1, 0))
      assert.are.equal(1, q:get(0))
      assert.is_true(q:empty())
    end)

    it("drains after close, then says closed", function()
      local q = new()
      put(q, order, 1)
      q:close()
      local ok, why = put(q, order, 2)
      assert.is_false(ok)
      assert.are.equal("closed", why)
      assert.are.equal(1, q:get())
      local v, reason = q:get()
      assert.is_nil(v)
      assert.are.equal("closed", reason)
      v, reason = q:get(0)
      assert.is_nil(v)
      assert.are.equal("closed", reason)
    end)

    it("drops its items when closed now, which count as done", function()
      local q = new()
      put(q, order, 1)
      put(q, order, 2)
      q:get()
      assert.matches("'now'", tostring(kinds.raised(q.close, q, { now = "no" })))
      assert.are.equal(1, q:size())
      q:close { now = true }
      assert.are.equal(0, q:size())
      local v, why = q:get()
      assert.is_nil(v)
      assert.are.equal("closed", why)
      assert.is_false((q:join(0))) -- the one that was taken is not done yet
      q:task_done()
      assert.is_true(q:join(LONG))
      assert.has_error(function() q:task_done() end)
    end)

    it("stays closed however often it is closed", function()
      local q = new()
      q:close()
      q:close { now = true }
      q:close()
      assert.is_false((put(q, order, 1, 0)))
      assert.matches("later", tostring(kinds.raised(q.close, q, { later = true })))
    end)

    it("is joined when every item is done", function()
      local q = new()
      assert.is_true(q:join())
      put(q, order, 1)
      put(q, order, 2)
      q:get()
      q:task_done()
      local ok, why = q:join(0)
      assert.is_false(ok)
      assert.are.equal("timeout", why)
      q:get()
      q:task_done()
      assert.is_true(q:join())
      put(q, order, 3)
      assert.is_false((q:join(0)))
      q:get()
      q:task_done()
      assert.is_true(q:join(LONG))
    end)

    it("refuses task_done more often than items came", function()
      local q = new()
      assert.has_error(function() q:task_done() end)
      put(q, order, 1)
      q:task_done()
      assert.has_error(function() q:task_done() end)
    end)
  end)

  for _, kind in ipairs(kinds) do
    describe(("queue.%s between strands (%s)"):format(order, kind), function()
      it("lets a blocked put go on when an item is taken", function()
        local q, started, outcome = new(1), event.new(), queue.new()
        put(q, order, 1)
        local w = kinds.start(kind, put_later, q, order, 2, started, outcome)
        assert.is_true(started:wait(LONG))
        assert.is_nil((outcome:get(BRIEF)))
        assert.are.equal(1, q:get())
        assert.is_true(outcome:get(LONG)[1])
        assert.are.equal(2, q:get(0))
        kinds.finish(w)
      end)

      it("lets a blocked get go on when an item comes", function()
        local q, started, outcome = new(), event.new(), queue.new()
        local w = kinds.start(kind, get_later, q, started, outcome)
        assert.is_true(started:wait(LONG))
        assert.is_nil((outcome:get(BRIEF)))
        put(q, order, 5)
        assert.are.equal(5, outcome:get(LONG).value)
        kinds.finish(w)
      end)

      it("wakes blocked puts and gets by close", function()
        local full, empty, outcome = new(1), new(), queue.new()
        put(full, order, 1)
        local putting, getting = event.new(), event.new()
        local a = kinds.start(kind, put_later, full, order, 2, putting, outcome)
        assert.is_true(putting:wait(LONG))
        full:close()
        local result = outcome:get(LONG)
        assert.is_false(result[1])
        assert.are.equal("closed", result[2])
        local b = kinds.start(kind, get_later, empty, getting, outcome)
        assert.is_true(getting:wait(LONG))
        empty:close { now = true }
        assert.are.equal("closed", outcome:get(LONG).why)
        kinds.finish(a)
        kinds.finish(b)
      end)

      it("is joined by another strand", function()
        local q, started = new(), event.new()
        put(q, order, 1)
        local w = kinds.start(kind, join_later, q, started)
        assert.is_true(started:wait(LONG))
        assert.is_false((w:join(BRIEF)))
        q:get()
        assert.is_false((w:join(BRIEF)))
        q:task_done()
        assert.is_true((kinds.finish(w)))
      end)
    end)
  end
end

describe("a FIFO queue", function()
  it("carries every value that can be sent", function()
    local q = queue.new()
    local values = { 1, -1, math.maxinteger, math.mininteger, 1.5, -0.0, math.huge, true, false,
      "", "\0\255", ("x"):rep(100000), { 1, { 2 } } }
    for _, v in ipairs(values) do
      q:put(v)
    end
    for _, v in ipairs(values) do
      local got = q:get(0)
      assert.are.same(v, got)
      assert.are.equal(math.type(v), math.type(got))
    end
  end)

  it("carries nil, which is not an outcome", function()
    local q = queue.new()
    assert.is_true(q:put(nil))
    assert.are.equal(1, #q)
    local v, why = q:get(0)
    assert.is_nil(v)
    assert.is_nil(why)
  end)

  it("keeps NaN and the identity of an object within one item", function()
    local q, t = queue.new(), {}
    q:put { 0 / 0, t, t }
    local got = q:get()
    assert.are_not.equal(got[1], got[1])
    assert.are.equal(got[2], got[3])
  end)

  it("puts and takes many at once", function()
    local q, list = queue.new(), {}
    for i = 1, 1000 do
      list[i] = i
    end
    q:put_many(list)
    assert.are.equal(1000, q:size())
    local first = q:get_many(300)
    assert.are.equal(300, #first)
    assert.are.equal(1, first[1])
    local rest = q:get_many(5000)
    assert.are.equal(700, #rest)
    assert.are.equal(1000, rest[700])
    local none, why = q:get_many(1, 0)
    assert.is_nil(none)
    assert.are.equal("timeout", why)
    kinds.bad_method(1, q, "put_many", 5)
    kinds.bad_method(1, q, "get_many", 0)
  end)

  it("iterates until it is closed and drained", function()
    local q, seen = queue.new(), {}
    q:put_many { 1, 2, 3 }
    q:close()
    for v in q:items() do
      seen[#seen + 1] = v
    end
    assert.are.same({ 1, 2, 3 }, seen)
  end)

  it("travels in itself and in others", function()
    local q, carrier = queue.new(), queue.new()
    carrier:put { inner = q }
    assert.are.equal(q, carrier:get().inner)
  end)

  it("prints as what it is", function()
    assert.matches("queue", tostring(queue.new()))
  end)
end)

describe("a priority queue", function()
  it("keeps the order of ties", function()
    local q = queue.priority()
    for i = 1, 100 do
      q:put(i, i % 2)
    end
    for i = 2, 100, 2 do
      assert.are.equal(i, q:get())
    end
    for i = 1, 99, 2 do
      assert.are.equal(i, q:get())
    end
  end)

  it("takes any finite priority and refuses others", function()
    local q = queue.priority()
    q:put("low", 1e300)
    q:put("first", -2.5)
    q:put("second", 0)
    assert.are.equal("first", q:get())
    assert.are.equal("second", q:get())
    assert.are.equal("low", q:get())
    kinds.bad_method(2, q, "put", "x", "high")
    kinds.bad_method(2, q, "put", "x", 0 / 0)
  end)
end)

for _, kind in ipairs(kinds) do
  describe("many producers and consumers (" .. kind .. ")", function()
    for _, bound in ipairs { 0, 1, 16 } do
      it("lose nothing and double nothing with a bound of " .. bound, function()
        local q, n = queue.new(bound), 300
        local producers, consumers = {}, kinds.start_many(kind, 4, consume, q)
        for who = 1, 4 do
          producers[who] = kinds.start(kind, produce, q, who, n)
        end
        kinds.finish_all(producers)
        q:close()
        local seen, count = {}, 0
        for _, taken in ipairs(kinds.finish_all(consumers)) do
          local last = {}
          for _, item in ipairs(taken) do
            local who, i = item[1], item[2]
            local key = who * 1000000 + i
            assert.is_nil(seen[key])
            seen[key] = true
            count = count + 1
            -- Whoever takes two items of one producer takes them in their order.
            assert.is_true(i > (last[who] or 0))
            last[who] = i
          end
        end
        assert.are.equal(4 * n, count)
      end)
    end

    it("keep the order of one producer and one consumer", function()
      local there, back = queue.new(3), queue.new(3)
      local a = kinds.start(kind, echo, there, back)
      local b = kinds.start(kind, consume, back)
      for i = 1, 1000 do
        there:put(i)
      end
      there:close()
      kinds.finish(a)
      back:close()
      local got = kinds.finish(b)
      assert.are.equal(1000, #got)
      for i, v in ipairs(got) do
        assert.are.equal(i, v)
      end
    end)

    it("end although a large item was put before a join", function()
      local q = queue.new()
      local w = kinds.start(kind, function(out)
        out:put(("x"):rep(1 << 24))
      end, q)
      assert.is_true(w:join(LONG))
      assert.are.equal(1 << 24, #q:get(LONG))
    end)
  end)
end
