-- SPDX-License-Identifier: MIT
--
-- Functions and metamethods that a script can reach, called with what nobody passes:
-- each raises, and none takes the program along.  spec/fuzz/calls.lua looks for more.

local conrun = require "conrun"
local core = require "conrun.core.pool"
local futures = require "conrun.core.future"
local kinds = require "spec.lib.kinds"

local function identity(x) return x end

-- What is taken for a list, and says any length.
local function liar(length)
  return setmetatable({}, { __len = function() return length end, __index = function() return 1 end })
end

describe("a metamethod of a handle", function()
  it("leaves alone what is no handle", function()
    local collect = getmetatable(conrun.queue.new()).__gc
    local guard <close> = conrun.lock.new():hold()
    for _, value in ipairs { io.stdout, guard, conrun.shared.array("i64", 3):slice(1, 2), {}, "text" } do
      collect(value)
    end
    collect()
    assert.is_true(io.stdout ~= nil)
  end)

  it("closes no handle that is in use", function()
    local dict = conrun.shared.dict { n = 1 }
    assert.are.equal(2, dict:update("n", function(n)
      getmetatable(dict).__gc(dict)
      collectgarbage()
      return n + 1
    end))
    assert.are.equal(2, dict.n)
  end)

  it("closes the handles that nobody has", function()
    local _, b = conrun.pipe.new()
    _ = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.are.same({ nil, "closed" }, { b:recv(kinds.LONG) })
  end)
end)

describe("a mapping", function()
  local function each(f)
    for _, kind in ipairs(kinds) do
      local pool <close> = kinds.pool(kind, 1)
      f(pool)
    end
  end

  it("has as much room as there can be", function()
    each(function(pool)
      for _, room in ipairs { 0, -1, 1 << 20, 1 << 59, math.maxinteger, math.mininteger } do
        assert.is_false((pcall(core.mapping, pool, identity, false, room, false, {})))
      end
      local sum = 0
      for _, x in pool:imap(identity, { 1, 2, 3 }, { buffersize = 1 << 40 }) do sum = sum + x end
      assert.are.equal(6, sum)
    end)
  end)

  it("refuses a chunk for which it has no room, and to hand out one that is not there", function()
    each(function(pool)
      local mapping <close> = core.mapping(pool, identity, false, 1, false, {})
      assert.is_false((pcall(core.collect, mapping, {}, math.maxinteger)))
      assert.is_false((pcall(core.collect_any, mapping, {}, math.maxinteger)))
      core.post(mapping, { 1, 2, 3 }, 1, 1, 1)
      assert.are.equal(1, core.post(mapping, { 1, 2, 3 }, 1, 1, 1)) -- the same once more is nothing new
      assert.is_false((pcall(core.post, mapping, { 1, 2, 3 }, 2, 1, 2)))
      assert.is_false((pcall(core.collect, mapping, "no list", math.maxinteger)))
      local list = {}
      assert.are.equal(1, (core.collect(mapping, list, math.maxinteger)))
      assert.are.same({ 1 }, list)
    end)
  end)

  it("takes no numbers that have no end", function()
    each(function(pool)
      local mapping <close> = core.mapping(pool, identity, false, 4, false, {})
      for _, bad in ipairs { 0, -1, math.mininteger, math.maxinteger } do
        assert.is_false((pcall(core.post, mapping, { 1 }, bad, 2, 1)))
        assert.is_false((pcall(core.post, mapping, { 1 }, 1, bad, 2)))
        assert.is_false((pcall(core.future, mapping, { 1 }, bad, 2)))
      end
      assert.is_false((pcall(core.run, mapping, { 1 }, -1, 1, math.maxinteger)))
      assert.is_false((pcall(core.run, mapping, { 1 }, 1, 0, math.maxinteger)))
      assert.is_false((pcall(core.run, mapping, { 1 }, 1, 1, -1)))
    end)
  end)

  it("is not left by others while it waits for a chunk", function()
    each(function(pool)
      local mapping <close> = core.mapping(pool, identity, false, 2, false, {})
      local list = core.run(mapping, { 1, 2, 3, 4 }, 4, 1, math.maxinteger, function()
        getmetatable(mapping).__close(mapping)
        assert.is_false((pcall(core.post, mapping, { 1 }, 1, 1, 1)))
        assert.is_false((pcall(core.collect, mapping, {}, math.maxinteger)))
      end)
      assert.are.same({ 1, 2, 3, 4 }, { table.unpack(list, 1, 4) })
    end)
  end)

  it("of what lies about its length ends", function()
    each(function(pool)
      assert.are.equal(0, #pool:starmap(identity, { liar(-5) }))
      assert.is_false((pcall(pool.starmap, pool, identity, { liar(1 << 40) })))
      assert.are.equal(0, #pool:map(identity, liar(-3)))
    end)
  end)
end)

describe("what takes a list", function()
  it("believes no length", function()
    assert.are.equal(0, #conrun.shared.array("i64", liar(-1)))
    assert.are.equal(0, #conrun.shared.array("u8", liar(math.mininteger)))
    assert.is_false((pcall(conrun.shared.array, "u8", liar(math.maxinteger))))
    assert.is_false((pcall(conrun.pool.new, { initializer = identity, initargs = liar(1 << 31) })))
    conrun.pool.new { initializer = identity, initargs = liar(-(1 << 31) - 1) }
  end)

  it("is given one, and a moment that there can be", function()
    local future = conrun.future.new()
    assert.is_false((pcall(futures.gather, 1, 1, {}, 0)))
    assert.is_false((pcall(futures.gather, { future }, 1, "x", 0)))
    assert.is_false((pcall(futures.gather, { future }, 1, {}, -1)))
    assert.is_false((pcall(futures.await, future, math.mininteger)))
    assert.is_false((pcall(core.take, future, {}, 1, 1)))
  end)
end)

describe("options", function()
  it("may come from a metatable, and go while they are in use", function()
    local made = 0
    local options = setmetatable({}, {
      __index = function(_, key)
        made = made + 1
        if key == "name" then return ("name"):rep(5) .. made end
      end,
    })
    local garbage = setmetatable({}, { __transfer = function() collectgarbage() return tostring, 1 end })
    for _, kind in ipairs(kinds) do
      local worker = conrun[kind].start(options, identity, garbage)
      assert.matches("^namenamenamenamename%d+$", worker.name)
      worker:join()
    end
    local going = { name = ("going"):rep(4) }
    local pool <close> = conrun.pool.new(setmetatable(going, { __index = { initializer = identity, initargs =
      { setmetatable({}, { __transfer = function() going.name = nil collectgarbage() return tostring, 1 end }) } } }))
    assert.matches("goinggoinggoinggoing", tostring(pool))
  end)
end)

describe("a pipe's end", function()
  it("that what is sent closes is closed", function()
    local a = conrun.pipe.new()
    local value = setmetatable({}, { __transfer = function() a:close() return tostring, 1 end })
    local ok, e = pcall(a.send, a, value)
    assert.is_false(ok)
    assert.matches("the pipe is closed", tostring(e))
  end)
end)

describe("a named buffer", function()
  it("is not opened by a finalizer at the end of its strand", function()
    local name, outcome = "conrun-spec-120-" .. conrun.current().pid, conrun.queue.new()
    for _, kind in ipairs(kinds) do
      kinds.start(kind, function(n, told)
        told:size()
        kept = setmetatable({}, { __gc = function() -- luacheck: ignore
          told:put((pcall(require("conrun.shared").buffer, 8, { name = n })))
        end })
      end, name, outcome):join()
      assert.is_false(outcome:get(kinds.LONG))
    end
    assert.are.equal(("\0"):rep(8), conrun.shared.buffer(8, { name = name }):read())
  end)
end)

describe("conrun's own modules", function()
  it("are found whatever a script makes of require and package.loaded", function()
    for _, kind in ipairs(kinds) do
      local worker = kinds.start(kind, function()
        for _, name in ipairs { "conrun.errors", "conrun.future", "conrun.pool", "conrun.worker" } do
          package.loaded[name] = 42
        end
        require = function() return { metatable = 42 } end -- luacheck: ignore
        error "as it was raised"
      end)
      local e = kinds.raised_kind("task", worker.result, worker, kinds.LONG)
      assert.matches("as it was raised", e.message)
    end
  end)
end)
