-- SPDX-License-Identifier: MIT
--
-- An object of a class of the script came back, or out of a queue of the same strand,
-- with a copy of its class: getmetatable(r) was not the class, `is_a` said no, and in a
-- worker the class of an argument was not the class that its function named.

-- luacheck: globals spec_class spec_made spec_kept spec_shape

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local Account = {}
Account.__index = Account

function Account.new(balance)
  return setmetatable({ balance = balance }, Account)
end

function Account:deposit(sum)
  self.balance = self.balance + sum
  return self
end

local function echo(...)
  return ...
end

-- The manner of middleclass: the metatable of objects is a field of the class.
local function class(name)
  local dict = {}
  dict.__index = dict
  local made = { name = name, __instanceDict = dict, static = {} }
  return setmetatable(made, {
    __index = made.static,
    __newindex = function(_, key, value) dict[key] = value end,
    __call = function(self, value) return setmetatable({ class = self, value = value }, dict) end,
  })
end

for _, kind in ipairs(kinds) do
  describe("a class (" .. kind .. ")", function()
    local pool
    setup(function()
      pool = kinds.pool(kind, 1)
    end)
    teardown(function()
      pool:terminate()
      pool:join(kinds.LONG)
    end)

    it("is itself when its object comes back", function()
      local object = Account.new(1)
      local function own(back)
        assert.are.equal(Account, getmetatable(back))
        assert.are_not.equal(object, back)
      end
      own(pool:apply(echo, object))
      own(pool:apply(Account.new, 5))
      own(pool:map(Account.new, { 1, 2 }, { chunksize = 2 })[2])
      own(pool:map_async(Account.new, { 1 }):result()[1])
      own(pool:starmap(Account.deposit, { { object, 1 } })[1])
      for _, back in pool:imap(Account.new, { 1 }) do
        own(back)
      end
      own(kinds.finish(kinds.start(kind, echo, object)))
      local e = kinds.raised(pool.apply, pool, function(o) error(o) end, object)
      own(e.value)
      assert.are.equal(3, pool:apply(Account.deposit, object, 2):deposit(0).balance)
    end)

    it("is itself through every shared object of one strand", function()
      local object = Account.new(1)
      local q, a, b = conrun.queue.new(), conrun.pipe.new { duplex = true }
      local dict, list, value, future =
        conrun.shared.dict(), conrun.shared.list(), conrun.shared.value("any"), conrun.future.new()
      q:put(object)
      a:send(object)
      dict.x = object
      list:append(object)
      value:set(object)
      future:set_result(object)
      for _, back in ipairs { q:get(), b:recv(), dict.x, list[1], value:get(), future:result() } do
        assert.are.equal(Account, getmetatable(back))
      end
    end)

    it("is one for the argument, the upvalue and what came before", function()
      local function same(object)
        local before = spec_class
        spec_class = getmetatable(object)
        return spec_class == Account, object.deposit == Account.deposit, before == nil or before == spec_class
      end
      for _ = 1, 2 do
        assert.are.same({ true, true, true }, { pool:apply(same, Account.new(1)) })
      end
      pool:apply(function() spec_class = nil end)
    end)

    it("is known when it is a field of its objects, and through its subclasses", function()
      local Point = class "Point"
      function Point:double() return 2 * self.value end
      local back = pool:apply(echo, Point(4))
      assert.are.equal(Point, back.class)
      assert.are.equal(8, back:double())
      assert.is_true(pool:apply(function(p) return p.class == Point and p:double() == 6 end, Point(3)))
      local Savings = setmetatable({}, { __index = Account })
      Savings.__index = Savings
      back = pool:apply(function(s)
        return s:deposit(1), getmetatable(s) == Savings
      end, setmetatable({ balance = 1 }, Savings))
      assert.are.equal(Savings, getmetatable(back))
      assert.are.equal(2, back.balance)
    end)

    it("of pl.class keeps its promises, where that is installed", function()
      local found, pl_class = pcall(require, "pl.class")
      if not found then
        return
      end
      local Base = pl_class()
      function Base:_init(n) self.n = n end
      local Sub = pl_class(Base)
      local back = pool:apply(echo, Sub(1))
      assert.is_true(back:is_a(Sub) and back:is_a(Base))
      assert.is_true(pool:apply(function(o) return o:is_a(Base) and Base:class_of(o) end, Sub(1)))
    end)

    it("is brought up to date by what was sent later, and by that alone", function()
      local Shape = { name = "first" }
      Shape.__index = Shape
      local object, old = setmetatable({}, Shape), conrun.queue.new()
      local function name_of(o)
        spec_shape = getmetatable(o) -- lives on
        return o.name
      end
      assert.are.equal("first", pool:apply(name_of, object))
      old:put(object)
      Shape.name = "second"
      assert.are.equal("second", pool:apply(name_of, object))
      assert.are.equal("second", pool:apply(function(q) return q:get().name end, old))
      Shape.name = nil
      assert.is_nil((pool:apply(name_of, object)))
      pool:apply(function(o) getmetatable(o).name = "changed there" end, object)
      assert.is_nil(Shape.name)
      assert.is_nil((pool:apply(name_of, object)))
      pool:apply(function() spec_shape = nil end)
    end)

    it("goes through __transfer", function()
      local Handle = {}
      local function make(n) return setmetatable({ n = n }, Handle) end
      Handle.__transfer = function(self) return make, self.n end
      assert.are.equal(Handle, getmetatable(pool:apply(echo, make(1))))
      assert.is_true(pool:apply(function(h) return getmetatable(h) == Handle end, make(1)))
    end)

    it("of a worker is one in all that comes from there", function()
      local function make()
        spec_made = spec_made or {}
        spec_made.__index = spec_made
        return setmetatable({}, spec_made)
      end
      local a, b = pool:apply(make), pool:apply(make)
      assert.are.equal(getmetatable(a), getmetatable(b))
      assert.is_true(pool:apply(function(o) return getmetatable(o) == spec_made end, a))
    end)
  end)

  describe("a function that is sent twice (" .. kind .. ")", function()
    local pool
    setup(function()
      pool = kinds.pool(kind, 1)
    end)
    teardown(function()
      pool:terminate()
      pool:join(kinds.LONG)
    end)

    local factor, calls = 3, 0
    local function bare() return 1 end
    local function scale(x) return x * factor end
    local function factorial(n) return n <= 1 and 1 or n * factorial(n - 1) end
    local function combined(x) return scale(factorial(x)) end
    local function counter()
      calls = calls + 1
      return calls
    end

    it("is the same function again", function()
      for _, f in ipairs { bare, scale, factorial, combined, Account.new, Account.deposit } do
        assert.are.equal(f, pool:apply(echo, f))
        assert.is_true(pool:apply(function(g)
          spec_kept = g
          return f == g
        end, f))
        assert.is_true(pool:apply(function(g) return g == spec_kept end, f))
      end
      assert.are.equal(18, pool:apply(combined, 3))
    end)

    it("is another one when its upvalues are other values by now", function()
      assert.are.equal(6, pool:apply(scale, 2))
      factor = 4
      assert.are.equal(8, pool:apply(scale, 2))
      assert.is_false(pool:apply(function(g) return g == spec_kept end, scale))
      factor = 3
      assert.are.equal(6, pool:apply(scale, 2))
    end)

    it("has variables of its own in each message if it assigns to them", function()
      assert.are.same({ 1, 2 }, { pool:apply(function(f) return f(), f() end, counter) })
      assert.are.equal(1, pool:apply(counter))
      assert.are.equal(0, calls)
      assert.are.equal(counter, pool:apply(echo, counter))
    end)

    it("has in each task of two calls the values of its own call", function()
      local calls_of = {}
      for i = 1, 3 do
        factor = i
        calls_of[i] = pool:map_async(scale, { 1, 10, 100, 1000 }, { chunksize = 1 })
      end
      factor = 3
      for i = 1, 3 do
        assert.are.same({ i, 10 * i, 100 * i, 1000 * i }, calls_of[i]:result())
      end
    end)

    it("shares a variable with what comes in the same message", function()
      local n = 0
      local function get() return n end
      local function set(v) n = v end
      for _ = 1, 2 do
        assert.are.equal(5, pool:apply(function(f, g)
          g(5)
          return f()
        end, get, set))
        assert.are.equal(0, pool:apply(get))
      end
    end)
  end)
end
