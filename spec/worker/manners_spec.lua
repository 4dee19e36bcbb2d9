-- SPDX-License-Identifier: MIT
--
-- Manners of workers that users of other toolboxes rely on: what is inherited, what
-- is each worker's own, and what is waited for.

local conrun = require "conrun"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local thread = require "conrun.thread"

local LONG = kinds.LONG

for _, kind in ipairs(kinds) do
  describe("a worker (" .. kind .. ")", function()
    it("runs every finalizer at its end, the latest first, one that fails among them", function()
      local q = queue.new()
      kinds.start(kind, function(out)
        _G.kept = {}
        for i = 1, 3 do
          _G.kept[i] = setmetatable({}, { __gc = function() out:put(i) end })
        end
        _G.kept[4] = setmetatable({}, { __gc = function() error "not told to anybody" end })
        _G.kept[5] = setmetatable({}, { __gc = function() collectgarbage() out:put(5) end })
      end, q):join(LONG)
      assert.are.same({ 5, 3, 2, 1 }, q:get_many(10))
    end)

    it("closes at its end the file that it has left open", function()
      local path = os.tmpname()
      kinds.start(kind, function(p)
        _G.file = io.open(p, "w")
        _G.file:write "kept in the buffer"
      end, path):join(LONG)
      local text = io.open(path):read "a"
      os.remove(path)
      assert.are.equal("kept in the buffer", text)
    end)

    it("is a daemon if its starter is, unless told otherwise", function()
      local function inner(k, options)
        local w = require("conrun." .. k).start(options, function() return require("conrun").current().daemon end)
        return w.daemon, w:result()
      end
      for _, other in ipairs(kinds) do
        local handle, itself = kinds.start(kind, { daemon = true }, inner, other, {}):result(LONG)
        assert.is_true(handle)
        assert.is_true(itself)
        handle, itself = kinds.start(kind, { daemon = true }, inner, other, { daemon = false }):result(LONG)
        assert.is_false(handle)
        assert.is_false(itself)
        assert.is_false((kinds.start(kind, inner, other, {}):result(LONG)))
      end
    end)

    it("cannot be made a daemon later", function()
      local w = kinds.start(kind, function() end)
      assert.matches("daemon", tostring(kinds.raised(function() w.daemon = true end)))
      assert.is_false(w.daemon)
      kinds.finish(w)
    end)

    it("has globals, modules and random numbers of its own", function()
      own_global = "main's" -- luacheck: ignore
      local function set(value, ready, go)
        local before = rawget(_G, "own_" .. "global")
        rawset(_G, "own_" .. "global", value)
        package.loaded.own_module = value
        ready:wait()
        go:wait()
        return before, rawget(_G, "own_" .. "global"), package.loaded.own_module
      end
      local ready, go = require("conrun.barrier").new(3), event.new()
      local v, w = kinds.start(kind, set, "v", ready, go), kinds.start(kind, set, "w", ready, go)
      ready:wait(LONG)
      go:set()
      for value, worker in pairs { v = v, w = w } do
        local before, now, module = worker:result(LONG)
        assert.is_nil(before)
        assert.are.equal(value, now)
        assert.are.equal(value, module)
      end
      assert.are.equal("main's", own_global) -- luacheck: ignore
      own_global = nil -- luacheck: ignore
    end)

    it("has an id of its own", function()
      local seen = {}
      for _, w in ipairs(kinds.start_many(kind, 20, function() return require("conrun").current().id end)) do
        local id = w:result(LONG)
        assert.are.equal(w.id, id)
        assert.is_nil(seen[id])
        seen[id] = true
      end
    end)

    it("is joined by several strands", function()
      local go = event.new()
      local w = kinds.start(kind, function(g) g:wait(30) end, go)
      local joiners = {}
      for _, other in ipairs(kinds) do
        for _ = 1, 2 do
          joiners[#joiners + 1] = kinds.start(other, function(x) return x:join(30) end, w)
        end
      end
      go:set()
      for _, joined in ipairs(kinds.finish_all(joiners)) do
        assert.is_true(joined)
      end
    end)

    it("prints a text that os.exit is given, and has failed", function()
      local out, err, status = kinds.run(([[
        local w = require("conrun.%s").start(function() os.exit("the reason") end)
        w:join()
        print(w.exitcode, w:alive())
      ]]):format(kind))
      assert.are.equal("the reason\n", err)
      assert.are.equal((kind == "process" and "1" or "nil") .. "\tfalse\n", out)
      assert.are.equal(0, status)
    end)

    it("waits for the threads that it started, and for what they print", function()
      local out = kinds.run(([[
        local go = require("conrun.event").new()
        local w = require("conrun.%s").start(function(g)
          require("conrun.thread").start(function(h)
            h:wait()
            print "from the thread"
          end, g)
        end, go)
        go:set()
        w:join()
      ]]):format(kind))
      assert.are.equal("from the thread\n", out)
    end)

    it("finds in a queue what was put before its start and after", function()
      local q = queue.new()
      for i = 1, 10 do q:put(i) end
      local w = kinds.start(kind, function(out)
        for i = 11, 20 do out:put(i) end
      end, q)
      kinds.finish(w)
      for i = 1, 20 do
        assert.are.equal(i, q:get(LONG))
      end
      assert.is_true(q:empty())
    end)
  end)
end

describe("a finalizer", function()
  it("may put into the queue that its strand uses", function()
    local q = queue.new()
    for i = 1, 2000 do
      setmetatable({}, { __gc = function() q:put(0) end })
      q:put(i)
    end
    collectgarbage()
    local sum, zeros = 0, 0
    while not q:empty() do
      local x = q:get()
      sum = sum + x
      zeros = zeros + (x == 0 and 1 or 0)
    end
    assert.are.equal(2000 * 2001 // 2, sum)
    assert.are.equal(2000, zeros)
  end)
end)

describe("thread.timer", function()
  it("may be cancelled again and again, before and after", function()
    local w = thread.timer(3600, function() return "ran" end)
    w:cancel()
    w:cancel()
    assert.is_true(w:join(LONG))
    assert.are.equal(0, select("#", w:result(0)))
    local v = thread.timer(0, function() return "ran" end)
    assert.are.equal("ran", v:result(LONG))
    v:cancel()
    assert.are.equal("ran", v:result(0))
  end)

  it("keeps the program waiting as any worker does", function()
    local out = kinds.run [[ conrun.thread.timer(0.05, print, "at last") ]]
    assert.are.equal("at last\n", out)
  end)

  it("is no daemon of a daemonless strand and has a name", function()
    local w = thread.timer(0, function() return conrun.current().name end)
    assert.is_false(w.daemon)
    assert.are.equal(w.name, w:result(LONG))
  end)
end)
