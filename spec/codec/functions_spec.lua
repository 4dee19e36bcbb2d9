-- SPDX-License-Identifier: MIT
--
-- Functions on their way to a worker: upvalues, the globals that they name,
-- modules and C functions by name, metatables and __transfer.
--
-- The specs about globals compile their functions by load, whose _ENV is the
-- state's own _G; busted gives spec files an environment of their own.

local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"

local function call(f, ...)
  return f(...)
end

-- A script compiled as a file would be, in the globals of this state.
local function script(source, ...)
  return assert(load(source, "@script.lua"))(...)
end

for _, kind in ipairs(kinds) do
  describe("a function sent to a worker (" .. kind .. ")", function()
    local pool
    setup(function()
      pool = kinds.pool(kind, 1)
    end)
    teardown(function()
      pool:terminate()
      pool:join(kinds.LONG)
    end)

    it("takes its upvalues along", function()
      local a, t, s = 2, { 3 }, "text"
      local x, y, z, none = pool:apply(function() return a, t[1], s, nil end)
      assert.are.equal(2, x)
      assert.are.equal(3, y)
      assert.are.equal("text", z)
      assert.is_nil(none)
      local empty = nil
      assert.is_nil((pool:apply(function() return empty end)))
    end)

    it("takes the upvalues' values of the moment", function()
      local n = 1
      local function get()
        return n
      end
      assert.are.equal(1, pool:apply(get))
      n = 2
      assert.are.equal(2, pool:apply(get))
      assert.are.same({ 2, 2 }, pool:map(get, { 1, 2 }))
      n = 3
      assert.are.same({ 3, 3 }, pool:map(get, { 1, 2 }))
    end)

    it("does not give changed upvalues back", function()
      local n = 1
      assert.are.equal(2, pool:apply(function()
        n = n + 1
        return n
      end))
      assert.are.equal(1, n)
    end)

    it("keeps an upvalue shared between functions of one message", function()
      local n = 10
      local function add(by)
        n = n + by
      end
      local function get()
        return n
      end
      assert.are.equal(15, pool:apply(function(f, g)
        f(5)
        return g()
      end, add, get))
      assert.are.equal(12, pool:apply(function()
        add(2)
        return get()
      end))
      assert.are.equal(13, pool:apply(function(methods)
        methods.add(3)
        return methods.get()
      end, { add = add, get = get }))
      assert.are.equal(10, n)
    end)

    it("keeps upvalues apart that only look alike", function()
      local function counter()
        local n = 0
        return function()
          n = n + 1
          return n
        end
      end
      local a, b = counter(), counter()
      local x, y, z = pool:apply(function(f, g)
        return f(), f(), g()
      end, a, b)
      assert.are.same({ 1, 2, 1 }, { x, y, z })
    end)

    it("calls itself and its neighbours", function()
      local function factorial(n)
        return n <= 1 and 1 or n * factorial(n - 1)
      end
      assert.are.equal(3628800, pool:apply(factorial, 10))
      local even, odd
      function even(n)
        return n == 0 or odd(n - 1)
      end
      function odd(n)
        return n ~= 0 and even(n - 1)
      end
      assert.is_true(pool:apply(even, 10))
      assert.is_false(pool:apply(odd, 10))
    end)

    it("keeps everything its code can hold", function()
      local k <const> = 7
      local f = function(...)
        local sum, n = 0, select("#", ...)
        for i = 1, n do
          if i == 3 then
            goto continue
          end
          sum = sum + (select(i, ...)) // 1 | 0
          ::continue::
        end
        local inner = function(x) return function() return x + k end end
        return sum, 1e300, "long string \0 with zero" .. ("x"):rep(60), inner(1)(), 0x7fffffffffffffff
      end
      local a, b, c, d, e = pool:apply(f, 1, 2, 3)
      assert.are.equal(3, a)
      assert.are.equal(1e300, b)
      assert.are.equal("long string \0 with zero" .. ("x"):rep(60), c)
      assert.are.equal(8, d)
      assert.are.equal(math.maxinteger, e)
    end)

    it("comes back as a function", function()
      local f = pool:apply(function(n)
        return function(x) return x + n end
      end, 10)
      assert.are.equal(15, f(5))
    end)

    it("keeps its lines for tracebacks", function()
      local e = kinds.raised(pool.apply, pool, function() error("here") end)
      assert.matches("functions_spec%.lua:%d+: here", tostring(e))
    end)

    it("takes C functions and modules by their names", function()
      assert.are.equal(3.0, pool:apply(math.sqrt, 9))
      assert.are.equal(4, pool:apply(call, math.max, 1, 4))
      local f, m, g = pool:apply(function(...) return ... end, string.format, math, print)
      assert.are.equal(string.format, f)
      assert.are.equal(math, m)
      assert.are.equal(print, g)
      assert.are.equal(math.huge, pool:apply(function() return math.huge end))
      assert.is_true(pool:apply(function(s) return s == string end, string))
      assert.is_true(pool:apply(function(e) return e == _G end, _G))
    end)

    it("takes foreign modules by their names", function()
      local found, lpeg = pcall(require, "lpeg")
      if found then
        assert.are.equal(4, pool:apply(function(s) return lpeg.match(lpeg.P "abc", s) end, "abcd"))
        assert.are.equal(2, pool:apply(lpeg.match, "a", "a"))
      end
      local has, cjson = pcall(require, "cjson")
      if has then
        assert.are.equal("[1,2]", pool:apply(cjson.encode, { 1, 2 }))
        assert.are.equal("[null]", pool:apply(cjson.encode, { cjson.null }))
      end
    end)

    it("takes Lua modules and what belongs to them by name", function()
      local got = pool:apply(function(...) return ... end, kinds)
      assert.are.equal(kinds, got)
      assert.are.equal(kinds.LONG, pool:apply(function() return kinds.LONG end))
    end)

    it("keeps metatables of plain tables", function()
      local class = {}
      class.__index = class
      function class.double(self)
        return self.n * 2
      end
      class.__add = function(a, b) return a.n + b.n end
      local object = setmetatable({ n = 21 }, class)
      assert.are.equal(42, pool:apply(function(o) return o:double() end, object))
      assert.are.equal(42, pool:apply(function(o) return o + o end, object))
      local got = pool:apply(function(o)
        o.n = 4
        return o
      end, object)
      assert.are.equal(8, got:double())
      local a, b = pool:apply(function(...) return ... end, object, setmetatable({}, class))
      assert.are.equal(getmetatable(a), getmetatable(b))
    end)

    it("keeps metatables that are reachable in a loaded module by name", function()
      local range = require("conrun").range(1, 5)
      local got = pool:apply(function(r) return r end, range)
      assert.are.equal(getmetatable(range), getmetatable(got))
      assert.are.equal(5, #got)
    end)

    it("does not call metamethods on the way", function()
      local t = setmetatable({}, {
        __index = function() error("read") end,
        __newindex = function() error("written") end,
        __pairs = function() error("iterated") end,
        __len = function() error("measured") end,
      })
      rawset(t, "x", 1)
      assert.are.equal(1, rawget(pool:apply(function(v) return v end, t), "x"))
    end)

    it("rebuilds an object as its __transfer says", function()
      local function make(x, y)
        return { x = x, y = y, made = true }
      end
      local point = { __transfer = function(self) return make, self.a, self.b end }
      local got = pool:apply(function(p) return p.made, p.x, p.y end,
        setmetatable({ a = 1, b = { 2 }, secret = coroutine.create(print) }, point))
      assert.is_true(got)
      local object = setmetatable({ a = 1, b = 2 }, point)
      local both = pool:apply(function(t) return { t[1] == t[2], t[1].y } end, { object, object })
      assert.are.same({ true, 2 }, both)
    end)

    it("reports a __transfer that fails or gives no function", function()
      local bad = setmetatable({}, { __transfer = function() error("cannot move") end })
      assert.matches("cannot move", tostring(kinds.raised(pool.apply, pool, print, bad)))
      local odd = setmetatable({}, { __transfer = function() return 5 end })
      assert.has_error(function() pool:apply(print, odd) end)
      local late = setmetatable({}, {
        __transfer = function() return function() error("cannot rebuild") end end,
      })
      local f = pool:submit(function() return 1 end, late)
      assert.matches("cannot rebuild", tostring(f:error(kinds.LONG)))
      assert.are.equal(1, pool:apply(function() return 1 end))
    end)

    it("takes the globals that it names along, and theirs", function()
      script [[
        spec_factor = 3
        spec_table = { offset = { 1 } }
        function spec_offset() return spec_table.offset[1] end
        function spec_multiply(x) return x * spec_factor end
        function spec_compute(x) return spec_multiply(x) + spec_offset() end
      ]]
      local f = script [[return function(x) return spec_compute(x) end]]
      assert.are.equal(16, pool:apply(f, 5))
      assert.are.same({ 4, 7 }, pool:map(f, { 1, 2 }))
      assert.are.equal(16, pool:apply(script "return spec_compute", 5))
    end)

    it("takes globals named in inner functions and through upvalues", function()
      script "spec_inner = 5"
      local f = script [[
        local function get() return spec_inner end
        return function()
          local function deep() return function() return get() + spec_inner end end
          return deep()()
        end
      ]]
      assert.are.equal(10, pool:apply(f))
    end)

    it("takes the globals' values of the moment", function()
      script "spec_moment = 1"
      local f = script "return function() return spec_moment end"
      assert.are.equal(1, pool:apply(f))
      script "spec_moment = 2"
      assert.are.equal(2, pool:apply(f))
      assert.are.same({ 2 }, pool:map(f, { 0 }))
      script "spec_moment = 3"
      assert.are.same({ 3 }, pool:map(f, { 0 }))
    end)

    it("takes recursive global functions", function()
      script [[
        function spec_fib(n) return n < 2 and n or spec_fib(n - 1) + spec_fib(n - 2) end
        function spec_even(n) return n == 0 or spec_odd(n - 1) end
        function spec_odd(n) return n ~= 0 and spec_even(n - 1) end
      ]]
      assert.are.equal(55, pool:apply(script "return spec_fib", 10))
      assert.is_true(pool:apply(script "return spec_even", 10))
    end)

    it("leaves other globals behind", function()
      script "spec_behind = 'secret'"
      local f = script [[return function() return rawget(_G, "spec_" .. "behind") end]]
      assert.is_nil((pool:apply(f)))
    end)

    it("does not take globals that it only sets, nor gives them back", function()
      script "spec_only_set = coroutine.create(print)"
      local f = script "return function() spec_only_set = 1 spec_made = 2 end"
      pool:apply(f)
      assert.is_nil(script "return spec_made")
      assert.are.equal("thread", type(script "return spec_only_set"))
      script "spec_only_set = nil"
    end)

    it("sees a module that a global holds", function()
      script "spec_module = require 'conrun.queue'"
      local f = script "return function() return spec_module.new():size() end"
      assert.are.equal(0, pool:apply(f))
    end)

    it("does not copy standard globals", function()
      local f = script [[return function()
        return type(string), type(print), type(require), tostring(1), math.type(1)
      end]]
      assert.are.same({ "table", "function", "function", "1", "integer" }, { pool:apply(f) })
    end)

    it("finds a global that is a false or nil", function()
      script "spec_false = false"
      local a, b = pool:apply(script "return function() return spec_false, spec_never_set end")
      assert.is_false(a)
      assert.is_nil(b)
    end)

    it("keeps globals found under many names", function()
      local source = { "return function() return 0" }
      for i = 1, 600 do
        script("spec_many_" .. i .. " = " .. i)
        source[#source + 1] = "+ spec_many_" .. i
      end
      source[#source + 1] = "end"
      assert.are.equal(600 * 601 // 2, pool:apply(script(table.concat(source, "\n"))))
    end)

    it("travels in a queue as well", function()
      local q, out = queue.new(), queue.new()
      script "spec_via_queue = 9"
      q:put(script "return function(x) return x + spec_via_queue end")
      kinds.finish(kinds.start(kind, function(from, to)
        to:put(from:get(30)(1))
      end, q, out))
      assert.are.equal(10, out:get(kinds.LONG))
    end)
  end)
end
