-- SPDX-License-Identifier: MIT
--
-- Shared data: value, array, list and dict, alone and from several strands.

local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local shared = require "conrun.shared"

local LONG = kinds.LONG

local integer_ranges = {
  i8 = { -128, 127 },
  i16 = { -32768, 32767 },
  i32 = { -2147483648, 2147483647 },
  i64 = { math.mininteger, math.maxinteger },
  u8 = { 0, 255 },
  u16 = { 0, 65535 },
  u32 = { 0, 4294967295 },
}

local function add_many(v, n)
  for _ = 1, n do
    v:add(1)
  end
end

local function add_element(a, n)
  for _ = 1, n do
    a:add(2, 1)
  end
end

local function cas_many(v, n)
  for _ = 1, n do
    local old
    repeat
      old = v:get()
    until v:cas(old, old + 1)
  end
end

local function append_many(l, who, n)
  for i = 1, n do
    l:append(who * 1000 + i)
  end
end

local function pop_many(l, out, n)
  for _ = 1, n do
    out:put(l:pop(1))
  end
end

local function update_many(d, key, n)
  for _ = 1, n do
    d:update(key, function(old) return (old or 0) + 1 end)
  end
end

local function write_all(v, a, l, d)
  v:set(42)
  a[3] = 1.5
  l:append { "deep", { 1 } }
  d.key = { nested = true }
  d[7] = "seven"
end

describe("shared.value", function()
  it("starts with what is given, else with zero", function()
    for t in pairs(integer_ranges) do
      assert.are.equal(0, shared.value(t):get())
      assert.are.equal(7, shared.value(t, 7):get())
      assert.are.equal("integer", math.type(shared.value(t, 7):get()))
    end
    assert.are.equal(0.5, shared.value("f64", 0.5):get())
    assert.are.equal("float", math.type(shared.value("f64", 1):get()))
  end)

  it("keeps the ends of each type's range and refuses what is beyond", function()
    for t, range in pairs(integer_ranges) do
      local v = shared.value(t)
      for _, limit in ipairs(range) do
        v:set(limit)
        assert.are.equal(limit, v:get())
      end
      if range[2] ~= math.maxinteger then
        v:set(1)
        for _, beyond in ipairs { range[1] - 1, range[2] + 1, 1 << 40 } do
          kinds.bad_method(1, v, "set", beyond)
          assert.are.equal(1, v:get())
        end
      end
    end
    local u = shared.value("u64")
    u:set(math.maxinteger)
    assert.are.equal(math.maxinteger, u:get())
  end)

  it("refuses what is no number of its type", function()
    local v = shared.value("i32", 5)
    for _, wrong in ipairs { 1.5, "x", {}, true } do
      kinds.bad_method(1, v, "set", wrong)
    end
    kinds.bad_method(1, v, "set", nil)
    assert.are.equal(5, v:get())
    kinds.bad_argument(1, shared.value, "i7")
    assert.has_error(function() shared.value("i8", 1000) end)
  end)

  it("adds and compares-and-swaps", function()
    local v = shared.value("i64", 5)
    v:add(3)
    assert.are.equal(8, v:get())
    v:add(-10)
    assert.are.equal(-2, v:get())
    assert.is_true((v:cas(-2, 9)))
    assert.are.equal(9, v:get())
    assert.is_false((v:cas(-2, 1)))
    assert.are.equal(9, v:get())
    local f = shared.value("f64", 0.5)
    f:add(0.25)
    assert.are.equal(0.75, f:get())
    assert.is_true((f:cas(0.75, 2)))
    assert.are.equal(2.0, f:get())
  end)
end)

describe("shared.array", function()
  it("is zeroed memory of a length", function()
    local a = shared.array("f64", 5)
    assert.are.equal(5, #a)
    for i = 1, 5 do
      assert.are.equal(0.0, a[i])
    end
    assert.are.equal(0, #shared.array("i32", 0))
  end)

  it("takes its elements from a list", function()
    local a = shared.array("i16", { 1, -2, 3 })
    assert.are.equal(3, #a)
    assert.are.same({ 1, -2, 3 }, a:totable())
    a[2] = 20
    assert.are.equal(20, a[2])
  end)

  it("refuses positions outside and values that do not fit", function()
    local a = shared.array("u8", 3)
    for _, i in ipairs { 0, 4, -1, 1.5 } do
      assert.has_error(function() a[i] = 1 end)
      assert.has_error(function() return a[i] end)
    end
    assert.has_error(function() a[1] = 256 end)
    assert.has_error(function() a[1] = -1 end)
    assert.has_error(function() a[1] = "x" end)
    assert.are.same({ 0, 0, 0 }, a:totable())
    kinds.bad_argument(2, shared.array, "u8", -1)
    kinds.bad_argument(2, shared.array, "u8", 1.5)
    kinds.bad_argument(1, shared.array, "double", 1)
    assert.has_error(function() shared.array("u8", { 1, 256 }) end)
  end)

  it("fills, slices as a view, adds and compares", function()
    local a = shared.array("i32", 6)
    a:fill(7)
    local view = a:slice(2, 4)
    assert.are.equal(3, #view)
    view[1] = 1
    assert.are.equal(1, a[2])
    a[4] = 4
    assert.are.same({ 1, 7, 4 }, view:totable())
    assert.has_error(function() return view[4] end)
    a:add(1, 3)
    assert.are.equal(10, a[1])
    assert.is_true((a:cas(1, 10, 11)))
    assert.is_false((a:cas(1, 10, 12)))
    assert.are.equal(11, a[1])
    assert.has_error(function() a:slice(0, 3) end)
    assert.has_error(function() a:slice(3, 7) end)
  end)
end)

describe("shared.list", function()
  it("behaves as a list", function()
    local l = shared.list { "a", "b" }
    l:append("c")
    assert.are.equal(3, #l)
    assert.are.equal("a", l[1])
    l:insert(1, "first")
    assert.are.equal("first", l[1])
    assert.are.equal("a", l[2])
    l[2] = { "table" }
    assert.are.same({ "table" }, l[2])
    assert.are.equal("c", l:pop())
    assert.are.equal("first", l:pop(1))
    assert.are.equal(2, #l)
    l:clear()
    assert.are.equal(0, #l)
    assert.are.equal(0, #shared.list())
  end)

  it("removes the first that is equal", function()
    local l = shared.list { 1, 2, 1, 3 }
    l:remove(1)
    local left = {}
    for _, v in l:items() do
      left[#left + 1] = v
    end
    assert.are.same({ 2, 1, 3 }, left)
  end)

  it("gives nothing for positions outside and refuses to write there", function()
    local l = shared.list { 1 }
    assert.is_nil(l[2])
    assert.is_nil(l[0])
    assert.has_error(function() l[5] = 1 end)
    assert.has_error(function() l[0] = 1 end)
    assert.has_error(function() l:insert(5, 1) end)
    assert.are.equal(1, #l)
    l[2] = "appended"
    assert.are.equal(2, #l)
  end)

  it("gives nil from an empty list", function()
    assert.is_nil((shared.list():pop()))
    assert.is_nil((shared.list():pop(1)))
  end)

  it("keeps its order through many inserts and pops", function()
    local l, model = shared.list(), {}
    local seed = 12345
    for i = 1, 3000 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      local where = seed % (#model + 1) + 1
      if seed % 3 == 0 and #model > 0 then
        where = seed % #model + 1
        assert.are.equal(table.remove(model, where), l:pop(where))
      else
        table.insert(model, where, i)
        l:insert(where, i)
      end
    end
    assert.are.equal(#model, #l)
    for i, v in ipairs(model) do
      assert.are.equal(v, l[i])
    end
  end)

  it("refuses what cannot be sent and stays as it was", function()
    local l = shared.list { 1 }
    assert.matches("cannot send a coroutine", tostring(kinds.raised(l.append, l, coroutine.create(print))))
    assert.has_error(function() l[1] = io.stdout end)
    assert.are.equal(1, #l)
    assert.are.equal(1, l[1])
  end)
end)

describe("shared.dict", function()
  it("behaves as a table", function()
    local d = shared.dict { x = 1, [2] = "two" }
    assert.are.equal(1, d.x)
    assert.are.equal("two", d[2])
    assert.are.equal(2, #d)
    d.y = { deep = { 1 } }
    assert.are.same({ deep = { 1 } }, d.y)
    d.x = nil
    assert.is_nil(d.x)
    assert.are.equal(2, #d)
    assert.are.equal("none", d:get("missing", "none"))
    assert.is_nil(d:get("missing"))
    assert.are.equal("two", d:pop(2))
    assert.is_nil((d:pop(2)))
    d:clear()
    assert.are.equal(0, #d)
  end)

  it("compares keys as Lua does", function()
    local d = shared.dict()
    d[1] = "one"
    assert.are.equal("one", d[1.0])
    d[2.0] = "two"
    assert.are.equal("two", d[2])
    assert.is_nil(d["1"])
    d[1.5], d[true], d[false], d[""] = "float", "yes", "no", "empty"
    assert.are.equal("float", d[1.5])
    assert.are.equal("yes", d[true])
    assert.are.equal("no", d[false])
    assert.are.equal("empty", d[""])
    local long = ("k"):rep(5000)
    d[long] = "long"
    assert.are.equal("long", d[("k"):rep(5000)])
    assert.is_nil(d[("k"):rep(4999)])
    assert.has_error(function() d[nil] = 1 end)
    assert.has_error(function() d[0 / 0] = 1 end)
    assert.is_nil(d[0 / 0])
  end)

  it("reads data under the name of a method by get", function()
    local d = shared.dict()
    d.get = "data"
    assert.are.equal("data", d:get("get"))
  end)

  it("gives each key and item once", function()
    local d, keys, items = shared.dict(), {}, {}
    for i = 1, 500 do
      d["k" .. i] = i
    end
    for _, k in ipairs(d:keys()) do
      assert.is_nil(keys[k])
      keys[k] = true
    end
    for k, v in d:items() do
      assert.is_nil(items[k])
      items[k] = v
    end
    for i = 1, 500 do
      assert.is_true(keys["k" .. i])
      assert.are.equal(i, items["k" .. i])
    end
  end)

  it("updates by a function, which may remove and may fail", function()
    local d = shared.dict { n = 1 }
    d:update("n", function(old) return old + 1 end)
    assert.are.equal(2, d.n)
    d:update("m", function(old) return old == nil and "new" end)
    assert.are.equal("new", d.m)
    d:update("m", function() return nil end)
    assert.is_nil(d.m)
    local thrown = {}
    assert.are.equal(thrown, kinds.raised(d.update, d, "n", function() error(thrown) end))
    assert.are.equal(2, d.n)
    d:update("n", function(old) return old + 1 end)
    assert.are.equal(3, d.n)
  end)

  it("holds shared objects, also itself", function()
    local d, q = shared.dict(), queue.new()
    d.queue, d.self = q, d
    assert.are.equal(q, d.queue)
    assert.are.equal(d, d.self)
    d:clear()
  end)
end)

for _, kind in ipairs(kinds) do
  describe("shared data between strands (" .. kind .. ")", function()
    it("is written by a worker and read by the main strand", function()
      local v, a, l, d = shared.value("i64"), shared.array("f64", 4), shared.list(), shared.dict()
      kinds.finish(kinds.start(kind, write_all, v, a, l, d))
      assert.are.equal(42, v:get())
      assert.are.equal(1.5, a[3])
      assert.are.same({ "deep", { 1 } }, l[1])
      assert.are.same({ nested = true }, d.key)
      assert.are.equal("seven", d[7])
    end)

    it("adds exactly", function()
      local v, f, a = shared.value("i64"), shared.value("f64"), shared.array("u32", 3)
      local workers = kinds.start_many(kind, 3, add_many, v, 2000)
      for _, w in ipairs(kinds.start_many(kind, 3, add_many, f, 2000)) do
        workers[#workers + 1] = w
      end
      for _, w in ipairs(kinds.start_many(kind, 3, add_element, a, 2000)) do
        workers[#workers + 1] = w
      end
      kinds.finish_all(workers)
      assert.are.equal(6000, v:get())
      assert.are.equal(6000.0, f:get())
      assert.are.same({ 0, 6000, 0 }, a:totable())
      kinds.finish_all(kinds.start_many(kind, 3, cas_many, v, 500))
      assert.are.equal(7500, v:get())
    end)

    it("appends and pops without loss", function()
      local l, out = shared.list(), queue.new()
      kinds.finish_all(kinds.start_many(kind, 4, append_many, l, 1, 200))
      assert.are.equal(800, #l)
      kinds.finish_all(kinds.start_many(kind, 4, pop_many, l, out, 200))
      assert.are.equal(0, #l)
      local seen = {}
      for _ = 1, 800 do
        local v = out:get(LONG)
        seen[v] = (seen[v] or 0) + 1
      end
      for i = 1, 200 do
        assert.are.equal(4, seen[1000 + i])
      end
    end)

    it("updates one key atomically", function()
      local d = shared.dict()
      kinds.finish_all(kinds.start_many(kind, 4, update_many, d, "n", 250))
      assert.are.equal(1000, d.n)
    end)
  end)
end

describe("shared data", function()
  it("prints as what it is", function()
    assert.matches("list", tostring(shared.list()))
    assert.matches("dict", tostring(shared.dict()))
    assert.matches("array", tostring(shared.array("i8", 1)))
  end)

  it("shows its content briefly", function()
    assert.matches("^list %d+ %(0 items%)$", tostring(shared.list()))
    assert.matches('^list %d+ %(4 items: 1, "two", {...}, list%)$',
      tostring(shared.list { 1, "two", { 3 }, shared.list() }))
    assert.matches("%(7 items: 1, 2, 3, 4, 5, %.%.%.%)$", tostring(shared.list { 1, 2, 3, 4, 5, 6, 7 }))
    assert.matches('^dict %d+ %(1 entry: key = true%)$', (tostring(shared.dict { key = true }):gsub('"', "")))
    assert.matches('"x+%.%.%."', tostring(shared.list { ("x"):rep(1000) }))
    assert.matches("^array %d+ %(3 i32: 1, 2, 3%)$", tostring(shared.array("i32", { 1, 2, 3 })))
    assert.matches("6 u8: 0, 0, 0, 0, 0, %.%.%.", tostring(shared.array("u8", 6)))
    local d = shared.dict()
    d.itself = d
    assert.matches("= dict%)", tostring(d))
    d:clear()
  end)
end)
