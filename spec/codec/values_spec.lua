-- SPDX-License-Identifier: MIT
--
-- Plain values on their way to a worker and back: exact numbers, any bytes,
-- tables of any shape, and the refusals with their paths.

local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local lock = require "conrun.lock"
local queue = require "conrun.queue"

local function echo(...)
  return ...
end

local function count(...)
  return select("#", ...)
end

local function same_number(a, b)
  return math.type(a) == math.type(b) and (a == b and 1 / a == 1 / b or a ~= a and b ~= b)
end

local function chain(n)
  local head
  for i = 1, n do
    head = { i, head }
  end
  return head
end

for _, kind in ipairs(kinds) do
  describe("codec (" .. kind .. ")", function()
    local pool
    setup(function()
      pool = kinds.pool(kind, 1)
    end)
    teardown(function()
      pool:terminate()
      pool:join(kinds.LONG)
    end)

    it("keeps numbers exactly, with their subtype", function()
      local numbers = { 0, 1, -1, 127, 128, -128, -129, 255, 256, 65535, 65536, 1 << 31, -(1 << 31),
        1 << 53, (1 << 53) + 1, math.maxinteger, math.mininteger, 1.0, 0.0, -0.0, 0.1, -1.5, 5e-324,
        2.2250738585072014e-308, 1.7976931348623157e308, math.huge, -math.huge, math.pi, 2.0 ^ 53 }
      for _, n in ipairs(numbers) do
        local got = pool:apply(echo, n)
        assert.are.equal(math.type(n), math.type(got))
        assert.are.equal(n, got)
        if n == 0 and math.type(n) == "float" then
          assert.is_true(same_number(n, got))
        end
      end
      local nan = pool:apply(echo, 0 / 0)
      assert.are_not.equal(nan, nan)
      local list = pool:apply(echo, numbers)
      for i, n in ipairs(numbers) do
        assert.are.equal(math.type(n), math.type(list[i]))
        assert.are.equal(n, list[i])
      end
    end)

    it("keeps integers at every length", function()
      local list = {}
      for bit = 0, 62 do
        local n = 1 << bit
        for _, v in ipairs { n - 1, n, n + 1, -n, -n - 1, -n + 1 } do
          list[#list + 1] = v
        end
      end
      assert.are.same(list, pool:apply(echo, list))
    end)

    it("keeps every byte of strings of every length", function()
      local all = {}
      for i = 0, 255 do
        all[i + 1] = string.char(i)
      end
      local bytes = table.concat(all)
      assert.are.equal(bytes, pool:apply(echo, bytes))
      for _, n in ipairs { 0, 1, 6, 7, 8, 14, 15, 16, 39, 40, 41, 127, 128, 255, 256, 4095, 4096, 65536, 1 << 20 } do
        local s = ("ab\0"):rep(n // 3 + 1):sub(1, n)
        assert.are.equal(s, pool:apply(echo, s))
        assert.are.equal(s, pool:apply(echo, { s })[1])
      end
    end)

    it("keeps nil, booleans and the number of values", function()
      assert.are.equal(0, pool:apply(count))
      assert.are.equal(1, pool:apply(count, nil))
      assert.are.equal(3, pool:apply(count, nil, nil, nil))
      assert.are.equal(4, select("#", pool:apply(echo, nil, false, nil, nil)))
      assert.is_true(pool:apply(echo, true))
      assert.is_false(pool:apply(echo, false))
      local many = {}
      for i = 1, 200 do
        many[i] = i
      end
      assert.are.equal(200, pool:apply(count, table.unpack(many)))
      assert.are.same(many, { pool:apply(echo, table.unpack(many)) })
    end)

    it("keeps tables of any shape", function()
      local t = {
        1, 2, nil, 4,
        x = { y = { z = {} } },
        [1.5] = "float key", [true] = "yes", [false] = "no", [-1] = "negative",
        [math.mininteger] = "least", [""] = "empty", [1 << 40] = "far",
      }
      assert.are.same(t, pool:apply(echo, t))
      assert.are.same({}, pool:apply(echo, {}))
      local large = {}
      for i = 1, 20000 do
        large[i] = i * 3
      end
      assert.are.same(large, pool:apply(echo, large))
      local map = {}
      for i = 1, 5000 do
        map["key" .. i] = { i }
      end
      assert.are.same(map, pool:apply(echo, map))
    end)

    it("keeps lists, whatever else their tables have", function()
      local lists = {
        { 0.5, 1.5, 2.0, -0.0, math.huge, 2.0 ^ 53, -2.0 ^ 60 },
        { 0.5, 1, 1.5, "x", 2.5, true, 3.5, false },
        { 0.5, 1.5, { 2.5 }, 3.5, 4.5 },
        { 0.5, 1.5, nil, 3.5 },
        { 0.5, 1.5, n = 2 },
        { 0.5, 1.5, ["3"] = 2.5 },
        { [1] = 0.5, [2] = 1.5, [3] = 2.5, x = 1, y = 2, z = 3 },
        { [3] = 2.5, [2] = 1.5, x = 1, [1] = 0.5 },
        { table.unpack({ 0.5, 1.5, 2.5 }), x = 1 },
      }
      for n = 1, 40 do
        local list = { x = 1, y = 2, z = 3, w = 4 }
        for i = 1, n do
          list[i] = i % 3 == 0 and i or i + 0.25
        end
        lists[#lists + 1] = list
      end
      for _, list in ipairs(lists) do
        local got = pool:apply(echo, list)
        assert.are.same(list, got)
        for i, v in ipairs(list) do
          assert.are.equal(math.type(v), math.type(got[i]))
        end
      end
      assert.are.same(lists, pool:apply(echo, lists))
    end)

    it("keeps long lists of floats, whatever comes in them", function()
      local list = {}
      for i = 1, 50000 do
        list[i] = i + 0.5
      end
      assert.are.same(list, pool:apply(echo, list))
      local line = queue.new()
      local function there_and_back(change)
        change(list)
        line:put(list)
        assert.are.same(list, (line:get()))
      end
      there_and_back(function() end)
      there_and_back(function(l) l[40000] = 7 end)
      there_and_back(function(l) l[40001] = "seven" end)
      there_and_back(function(l) l[40002] = { 7 } end)
      there_and_back(function(l) l[40003] = l[40002] end)
      there_and_back(function(l) l.x = ("long"):rep(1000) end)
      there_and_back(function(l) l[200000] = 0.5 end)
      list[40004] = coroutine.create(print)
      assert.has_error(function() line:put(list) end,
        "cannot send a coroutine (value 1, element [40004])")
      assert.is_true(line:empty())
    end)

    it("keeps very long lists, wherever their tables have them", function()
      local function built(n, from, to, step)
        local list = {}
        for i = from, to, step do
          list[i] = i % 1000
        end
        assert(#list == n)
        return list
      end
      local line = queue.new()
      for _, n in ipairs { 65535, 65536, 65537, 70000, 131072 } do
        local lists = { built(n, 1, n, 1), built(n, n, 1, -1), { table.unpack(built(n, 1, n, 1)) } }
        for _, list in ipairs(lists) do
          line:put(list)
          local once = line:get()
          line:put(once)
          assert.are.same(list, (line:get()))
          for _, key in ipairs { n + 2, n + 3, 2 * n, 0, -1, 1 << 40, 0.5, "x", true } do
            list[key] = "more"
            once[key] = "more"
            line:put_many { list, once }
            for _ = 1, 2 do
              local got = line:get()
              assert.are.equal("more", got[key])
              assert.are.equal(n % 1000, got[n])
            end
            list[key], once[key] = nil, nil
          end
        end
      end
      local was = collectgarbage "isrunning"
      assert.is_true(was)
      collectgarbage "stop"
      line:put(built(65536, 1, 65536, 1))
      local running = collectgarbage "isrunning"
      collectgarbage "restart"
      assert.is_false(running)
      assert.are.equal(65536, #line:get())
    end)

    it("keeps short strings that come again, and those that do not", function()
      local texts = {}
      for n = 0, 17 do
        for _, part in ipairs { "a", "a\0", "\0", "\255" } do
          texts[#texts + 1] = part:rep(n):sub(1, n)
        end
      end
      for i = 1, 200 do
        texts[#texts + 1] = "text " .. i
      end
      for _ = 1, 4 do
        local map = {}
        for i, text in ipairs(texts) do
          assert.are.equal(text, pool:apply(echo, { text })[1])
          map[text] = i
        end
        assert.are.same(texts, pool:apply(echo, texts))
        assert.are.same(map, pool:apply(echo, map))
      end
    end)

    it("keeps cycles and shared references", function()
      local t, leaf = {}, { "leaf" }
      t.self, t.a, t.b, t[leaf] = t, leaf, leaf, "by key"
      local got = pool:apply(echo, t)
      assert.are.equal(got, got.self)
      assert.are.equal(got.a, got.b)
      assert.are.equal("by key", got[got.a])
      assert.are_not.equal(t, got)
      local a, b = pool:apply(echo, leaf, leaf)
      assert.are.equal(a, b)
      local x, y = {}, {}
      x.y, y.x = y, x
      got = pool:apply(echo, x)
      assert.are.equal(got, got.y.x)
      local keyed = {}
      keyed[keyed] = keyed
      got = pool:apply(echo, keyed)
      assert.are.equal(got, got[got])
    end)

    it("keeps deep nesting", function()
      local got, depth = pool:apply(echo, chain(150)), 0
      while got do
        depth, got = depth + 1, got[2]
      end
      assert.are.equal(150, depth)
    end)

    it("keeps or clearly refuses very deep nesting", function()
      for _, n in ipairs { 10000, 200000 } do
        local ok, got = pcall(pool.apply, pool, echo, chain(n))
        if ok then
          local depth = 0
          while got do
            depth, got = depth + 1, got[2]
          end
          assert.are.equal(n, depth)
        else
          assert.matches("deep", tostring(got))
        end
      end
    end)

    it("keeps the identity of shared objects", function()
      local q, l = queue.new(), lock.new()
      local got = pool:apply(echo, { q, q, l = l })
      assert.are.equal(q, got[1])
      assert.are.equal(q, got[2])
      assert.are.equal(l, got.l)
      local e = event.new()
      pool:apply(function(ev) ev:set() end, e)
      assert.is_true(e:is_set())
    end)

    it("keeps shared objects as keys", function()
      local q = queue.new()
      assert.are.equal("found", pool:apply(echo, { [q] = "found" })[q])
    end)
  end)
end

describe("what cannot be sent", function()
  local co = coroutine.create(print)
  local q = queue.new()

  local function refusal(value)
    return tostring(kinds.raised(q.put, q, value))
  end

  local function assert_has(text, message)
    assert.is_truthy(message:find(text, 1, true), ("no '%s' in: %s"):format(text, message))
  end

  it("is a coroutine", function()
    assert.matches("cannot send a coroutine %(%a+ 1%)$", refusal(co))
  end)

  it("is named by fields", function()
    assert.matches("cannot send a coroutine %(%a+ 1, field 'job%.co'%)$", refusal { job = { co = co } })
    assert.matches("cannot send a coroutine %(%a+ 1, field 'co'%)$", refusal { co = co })
  end)

  it("is named by the number of the argument", function()
    for _, kind in ipairs(kinds) do
      local start = require("conrun." .. kind).start
      assert.matches("cannot send a coroutine %(argument 1, field 'job%.co'%)$",
        tostring(kinds.raised(start, print, { job = { co = co } })))
      assert.matches("cannot send a coroutine %(argument 3%)$", tostring(kinds.raised(start, print, 1, 2, co)))
    end
  end)

  it("is named by positions", function()
    assert_has("[3]", refusal { 1, 2, co })
    assert_has("[2]", refusal { { 1 }, { co } })
  end)

  it("is named when it is a key", function()
    assert_has("key", refusal { [co] = 1 })
  end)

  it("is an open file", function()
    local message = refusal { out = io.stdout }
    assert_has("file", message)
    assert_has("field 'out'", message)
  end)

  it("is light or foreign userdata", function()
    local light = debug.upvalueid(function() return co end, 1)
    assert_has("cannot send a light userdata", refusal(light))
    assert_has("field 'light'", refusal { light = light })
    local found, lpeg = pcall(require, "lpeg")
    if found then
      assert_has("cannot send", refusal { pattern = lpeg.P "x" })
      assert_has("field 'pattern'", refusal { pattern = lpeg.P "x" })
    end
  end)

  it("is named when a metatable holds it", function()
    assert_has("cannot send a coroutine", refusal(setmetatable({}, { co = co })))
  end)

  it("is named by the upvalue of a function", function()
    local message = refusal(function() return co end)
    assert_has("upvalue 'co'", message)
    assert_has("values_spec.lua", message)
  end)

  it("is named by the global that a function names", function()
    local fn = load("return function() return conrun_spec_co end")()
    load("conrun_spec_co = ...")(co)
    assert_has("global 'conrun_spec_co'", refusal(fn))
    load("conrun_spec_co = nil")()
  end)

  it("leaves nothing of itself in the queue", function()
    for _ = 1, 100 do
      refusal { 1, "two", { co } }
    end
    assert.are.equal(0, #q)
  end)
end)
