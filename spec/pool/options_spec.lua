-- SPDX-License-Identifier: MIT
--
-- How a pool reads ahead, reports, counts and replaces: the options of its calls.

local conrun = require "conrun"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local shared = require "conrun.shared"

local LONG = kinds.LONG

local function square(x)
  return x * x
end

local function fail_at_three(x)
  if x == 3 then error("three", 0) end
  return x
end

-- An endless iterator, and how far it was read.
local function naturals()
  local read = { n = 0 }
  return function()
    read.n = read.n + 1
    return read.n
  end, read
end

for _, kind in ipairs(kinds) do
  describe("imap over an endless iterator (" .. kind .. ")", function()
    for _, form in ipairs { "imap", "imap_unordered" } do
      it("reads only as far ahead as its buffer: " .. form, function()
        local p <close> = kinds.pool(kind, 2)
        local source, read = naturals()
        local count, sum = 0, 0
        for i, x in p[form](p, square, source, { buffersize = 6 }) do
          assert.are.equal(i * i, x)
          count, sum = count + 1, sum + x
          assert.is_true(read.n <= count + 6)
          if count == 50 then break end
        end
        assert.is_true(sum > 0)
        assert.is_true(read.n <= 56)
        assert.are.equal(4, p:apply(square, 2))
      end)

      it("works in chunks too: " .. form, function()
        local p <close> = kinds.pool(kind, 2)
        local source, read = naturals()
        local seen, count = {}, 0
        for i, x in p[form](p, square, source, { buffersize = 12, chunksize = 4 }) do
          assert.are.equal(i * i, x)
          assert.is_nil(seen[i])
          seen[i], count = true, count + 1
          if count == 40 then break end
        end
        assert.is_true(read.n <= 40 + 12 + 4)
      end)
    end

    it("cancels what it had sent ahead when the loop is left", function()
      local p <close> = kinds.pool(kind, 1)
      local started, go, ran = queue.new(), event.new(), shared.value("i64")
      local function task(x, s, g, n)
        n:add(1)
        if x == 2 then
          s:put(true)
          g:wait(30)
        end
        return x
      end
      for i in p:imap(function(x) return task(x, started, go, ran) end, (naturals()), { buffersize = 5 }) do
        assert.is_true(started:get(LONG)) -- the second one runs, three more wait
        if i == 1 then break end
      end
      go:set()
      assert.are.equal(9, p:submit(square, 3):result(LONG))
      assert.is_true(ran:get() <= 2)
    end)

    it("goes on behind an error", function()
      local p <close> = kinds.pool(kind, 2)
      local step, state, control, closing = p:imap(fail_at_three, { 1, 2, 3, 4 })
      local _ <close> = closing
      local got = {}
      for _ = 1, 4 do
        local ok, i, x = pcall(step, state, control)
        got[#got + 1] = ok and ("%d:%d"):format(i, x) or "error " .. tostring(i)
        control = ok and i or control
      end
      assert.are.same({ "1:1", "2:2", "error three", "4:4" }, got)
      assert.is_nil((step(state, control)))
    end)
  end)

  describe("collect_errors (" .. kind .. ")", function()
    it("puts the errors in the places of the results, in every form", function()
      local p <close> = kinds.pool(kind, 2)
      local items, options = { 1, 2, 3, 4 }, { collect_errors = true, chunksize = 2 }
      local function check(results)
        assert.are.same({ 1, 2, 4 }, { results[1], results[2], results[4] })
        assert.is_true(conrun.errors.is(results[3], "task"))
        assert.are.equal("three", results[3].value)
        assert.is_string(results[3].strand)
      end
      check(p:map(fail_at_three, items, options))
      check(p:map_async(fail_at_three, items, options):result(LONG))
      check(p:starmap(fail_at_three, { { 1 }, { 2 }, { 3 }, { 4 } }, options))
      check(p:starmap_async(fail_at_three, { { 1 }, { 2 }, { 3 }, { 4 } }, options):result(LONG))
      for _, form in ipairs { "imap", "imap_unordered" } do
        local results = {}
        for i, x in p[form](p, fail_at_three, items, options) do results[i] = x end
        check(results)
      end
    end)
  end)

  describe("workers of a pool (" .. kind .. ")", function()
    it("are started when there is work, and used again", function()
      local p <close> = kinds.pool(kind, 4)
      assert.are.equal(0, p:stats().started)
      for i = 1, 20 do
        assert.are.equal(i * i, p:apply(square, i))
        kinds.eventually(function() return p:stats().running == 0 end)
      end
      assert.is_true(p:stats().started <= 2)
    end)

    it("are named after the pool", function()
      local p <close> = kinds.pool(kind, 1, { name = "namesake" })
      assert.are.equal("namesake-1", p:apply(function() return require("conrun").current().name end))
    end)

    it("are counted with their tasks", function()
      local p <close> = kinds.pool(kind, 2, { name = "counted" })
      local stats = p:stats()
      assert.are.equal("counted", stats.name)
      assert.are.equal(kind, stats.kind)
      assert.are.equal("open", stats.state)
      assert.are.equal(2, stats.workers)
      p:map(square, { 1, 2, 3, 4 }, { chunksize = 1 })
      assert.is_true(kinds.eventually(function() return p:stats().completed == 4 end))
      p:close()
      assert.are.equal("closed", p:stats().state)
    end)

    it("have the memory limit that the pool gives them", function()
      local p <close> = kinds.pool(kind, 1, { memory_limit = 8 << 20 })
      local f = p:submit(function() return #("x"):rep(64 << 20) end)
      assert.matches("not enough memory", tostring(f:error(LONG)))
      assert.are.equal(4, p:apply(square, 2))
    end)
  end)

  describe("callbacks (" .. kind .. ")", function()
    it("run once for success and failure, in the strand that set them", function()
      local p <close> = kinds.pool(kind, 2)
      local calls, me = {}, conrun.current().id
      for i = 1, 6 do
        p:submit(fail_at_three, i):on_done(function(f)
          calls[#calls + 1] = { ok = f:error() == nil, where = conrun.current().id }
        end)
      end
      p:map_async(square, { 1, 2 }):on_done(function(f)
        calls[#calls + 1] = { ok = #f:result() == 2, where = conrun.current().id }
      end)
      assert.is_true(kinds.eventually(function() return #calls == 7 end))
      local good = 0
      for _, call in ipairs(calls) do
        good = good + (call.ok and 1 or 0)
        assert.are.equal(me, call.where)
      end
      assert.are.equal(6, good)
    end)
  end)
end

describe("progress", function()
  it("is shown on stderr, with its label", function()
    local out, err = kinds.run [[
      local p <close> = require("conrun.pool").threads(2)
      local function square(x) return x * x end
      print(#p:map(square, { 1, 2, 3, 4 }, { progress = "squares", chunksize = 1 }))
      p:map(square, { 1, 2 }, { progress = true, chunksize = 1 })
      for _ in p:imap(square, { 1, 2 }, { progress = "imap" }) do end
    ]]
    assert.are.equal("4\n", out)
    assert.matches("^squares: 4/4 %(100%%%) %[[^\n]*%]\n2/2 %(100%%%) %[[^\n]*%]\nimap: 2/2 %(100%%%)[^\n]*\n$", err)
  end)

  it("ends with what was done when the call fails or the loop is left", function()
    local _, err = kinds.run [[
      local p <close> = require("conrun.pool").threads(1)
      pcall(p.map, p, function(x) error "no" end, { 1, 2 }, { progress = "failing", chunksize = 1, timeout = 60 })
      for _ in p:imap(math.abs, { 1, 2, 3 }, { progress = "left" }) do break end
    ]]
    assert.matches("^failing: 2/2 [^\n]*\nleft: 1/3 [^\n]*\n$", err)
  end)

  it("refuses what is no label", function()
    local p <close> = kinds.pool("thread", 1)
    assert.has_error(function() p:map(square, { 1 }, { progress = 7 }) end,
      "bad option 'progress' (true or a label expected, got number)")
  end)
end)

describe("the default size of a chunk", function()
  it("gives every worker four tasks", function()
    local p <close> = kinds.pool("thread", 2)
    p:map(square, conrun.range(1, 100))
    assert.is_true(kinds.eventually(function() return p:stats().completed == 8 end))
  end)

  it("is one for imap", function()
    local p <close> = kinds.pool("thread", 2)
    for _ in p:imap(square, conrun.range(1, 10)) do end
    assert.is_true(kinds.eventually(function() return p:stats().completed == 10 end))
  end)
end)
