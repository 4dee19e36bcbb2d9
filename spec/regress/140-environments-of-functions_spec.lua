-- SPDX-License-Identifier: MIT
--
-- A function whose _ENV is no globals table (a template's, a DSL's, `local _ENV = {}`)
-- lost it on the way: in a worker it read and wrote the worker's globals, and functions
-- of two environments shared them without a word.

local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"

-- Chunks are compiled by load, whose functions have the environment that it is given.
local function compile(source, env)
  return load(source, "=chunk", "t", env)()
end

local function accessors(value)
  local env = { x = value }
  return compile("return function() return x end", env), compile("return function(v) x = v end", env), env
end

for _, kind in ipairs(kinds) do
  describe("a function with an environment of its own (" .. kind .. ")", function()
    local pool
    setup(function()
      pool = kinds.pool(kind, 1)
    end)
    teardown(function()
      pool:terminate()
      pool:join(kinds.LONG)
    end)

    it("takes it along, one for all functions that have it", function()
      local get1, set1 = accessors(1)
      local get2, set2 = accessors(2)
      assert.are.same({ 1, 2 }, { pool:apply(function() return get1(), get2() end) })
      assert.are.same({ 1, 2 }, { pool:apply(function(a, b) return a(), b() end, get1, get2) })
      assert.are.same({ 99, 2 }, { pool:apply(function()
        set1(99)
        return get1(), get2()
      end) })
      assert.are.equal(7, pool:apply(function(get, set)
        set(7)
        return get()
      end, get2, set2))
      assert.are.equal(1, get1())
    end)

    it("shares it with direct references", function()
      local get, _, env = accessors(1)
      local function write(t)
        t.env.x = 5
        return t.get()
      end
      assert.are.equal(5, pool:apply(write, { get = get, env = env }))
      assert.are.equal(6, pool:apply(function()
        env.x = 6
        return get()
      end))
      local items = queue.new()
      items:put { get = get, env = env }
      assert.are.equal(5, pool:apply(function(from) return write(from:get()) end, items))
    end)

    it("leaves the globals of the worker alone", function()
      local _, set = accessors(1)
      local look = compile("return function() return rawget(_G, 'x') end", _G)
      pool:apply(set, 5)
      assert.is_nil((pool:apply(look)))
    end)

    it("keeps a metatable of it, and finds globals through that", function()
      local dynamic = setmetatable({}, { __index = function(_, key) return "dyn " .. key end })
      assert.are.equal("dyn x", pool:apply(compile("return function() return x end", dynamic)))
      compile("function spec_env_helper(v) return v + spec_env_offset end spec_env_offset = 10", _G)
      local through = setmetatable({ own = 1 }, { __index = _G })
      local f = compile("return function() made = spec_env_helper(own) return made, type(made) end", through)
      assert.are.same({ 11, "number" }, { pool:apply(f) })
      assert.is_nil((pool:apply(compile("return function() return rawget(_G, 'made') end", _G))))
      compile("spec_env_helper, spec_env_offset = nil, nil", _G)
    end)

    it("is that of a block as well", function()
      local circle, square = {}, {}
      -- luacheck: push ignore
      do
        local _ENV = circle
        function area(r) return 3 * r * r end
        function twice(r) return 2 * area(r) end
      end
      do
        local _ENV = square
        function area(r) return r * r end
        function twice(r) return 2 * area(r) end
      end
      -- luacheck: pop
      assert.are.same({ 24, 8 }, { pool:apply(function() return circle.twice(2), square.twice(2) end) })
      assert.are.equal(24, pool:apply(circle.twice, 2))
      assert.are.equal(8, pool:apply(square.twice, 2))
    end)

    it("is sent only where it stands for no others", function()
      -- This file's own environment hands on all that is asked and has nothing of its own.
      assert.are.same({ "function", true }, { pool:apply(function() return type(print), _G._G == _G end) })
    end)
  end)
end
