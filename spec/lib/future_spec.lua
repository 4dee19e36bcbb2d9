-- SPDX-License-Identifier: MIT
--
-- The future: its states, who may settle it, what waits for it, and the helpers
-- over many futures.

local conrun = require "conrun"
local errors = require "conrun.errors"
local event = require "conrun.event"
local future = require "conrun.future"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"

local LONG, BRIEF = kinds.LONG, kinds.BRIEF

local function settle(f, ...)
  f:set_result(...)
end

local function settle_with_error(f, message)
  f:set_error(message)
end

local function settle_when(f, go, ...)
  go:wait()
  f:set_result(...)
end

local function read_result(f, started, out)
  started:set()
  local ok, value = pcall(f.result, f, 30)
  out:put { ok = ok, value = value }
end

local function square(x)
  return x * x
end

local function fail(message)
  error(message, 0)
end

local function wait_for_event(e)
  e:wait(30)
  return "done"
end

local function done(...)
  local f = future.new()
  f:set_result(...)
  return f
end

describe("the text of a future that failed", function()
  local pool
  setup(function() pool = require("conrun.pool").threads(1) end)
  teardown(function() pool:shutdown() end)

  local function text_after(...)
    local f = pool:submit(error, ...)
    f:error()
    return (tostring(f):gsub("^future %d+ ", ""))
  end

  it("has the first line of the message", function()
    assert.are.equal("(failed: no luck)", text_after("no luck", 0))
    assert.are.equal("(failed: one...)", text_after("one\ntwo", 0))
  end)

  it("is short, and its characters are whole", function()
    local text = text_after(("x" .. ("ä"):rep(100)), 0)
    assert.is_true(#text < 80)
    assert.is_truthy(utf8.len(text))
  end)
end)

describe("future", function()
  it("is pending until it is settled", function()
    local f = future.new()
    assert.is_false(f:done())
    assert.is_false(f:running())
    assert.is_false(f:cancelled())
    assert.are.equal("pending", f.state)
    f:set_result(1)
    assert.is_true(f:done())
    assert.is_false(f:running())
    assert.is_false(f:cancelled())
    assert.are_not.equal("pending", f.state)
  end)

  it("keeps all its values, also nil and none", function()
    local a, b, c = done(1, nil, 3):result()
    assert.are.equal(1, a)
    assert.is_nil(b)
    assert.are.equal(3, c)
    assert.are.equal(3, select("#", done(1, nil, nil):result()))
    assert.are.equal(0, select("#", done():result()))
    local f = done { 1, 2 }
    assert.are.same({ 1, 2 }, f:result())
    assert.are.same({ 1, 2 }, f:result(0))
  end)

  it("has no error when it succeeded", function()
    assert.is_nil((done(1):error()))
    assert.is_nil((done(1):error(0)))
  end)

  it("raises what it failed with", function()
    local f = future.new()
    f:set_error("no luck")
    assert.is_true(f:done())
    local e = kinds.raised(f.result, f)
    assert.matches("no luck", tostring(e))
    assert.matches("no luck", tostring(f:error()))
  end)

  it("keeps an error object as it is", function()
    local f = future.new()
    local given = kinds.raised_kind("timeout", function() future.new():result(0) end)
    f:set_error(given)
    local e = f:error()
    assert.is_true(errors.is(e, "timeout"))
    assert.are.equal(tostring(given), tostring(e))
    kinds.raised_kind("timeout", f.result, f)
  end)

  it("raises timeout while it is not done", function()
    local f = future.new()
    kinds.raised_kind("timeout", f.result, f, 0)
    kinds.raised_kind("timeout", f.error, f, 0)
    local start = conrun.clock()
    kinds.raised_kind("timeout", f.result, f, 0.1)
    assert.is_true(conrun.clock() - start >= 0.1)
    kinds.bad_method(1, f, "result", -1)
    kinds.bad_method(1, f, "error", 0 / 0)
  end)

  it("is settled once: the first value stays", function()
    local f = done(1)
    assert.has_error(function() f:set_result(2) end)
    assert.has_error(function() f:set_error("late") end)
    assert.are.equal(1, f:result())
    assert.is_false(f:cancel())
    assert.are.equal(1, f:result())
  end)

  it("is cancelled while it is pending, again and again", function()
    local f = future.new()
    assert.is_true(f:cancel())
    assert.is_true(f:cancel())
    assert.is_true(f:cancelled())
    assert.is_true(f:done())
    assert.are.equal("cancelled", f.state)
    kinds.raised_kind("cancelled", f.result, f)
    kinds.raised_kind("cancelled", f.result, f, 0)
    assert.has_error(function() f:set_result(1) end)
    assert.is_true(f:cancelled())
  end)

  it("refuses a value that cannot be sent and stays pending", function()
    local f = future.new()
    local message = tostring(kinds.raised(f.set_result, f, 1, { co = coroutine.create(print) }))
    assert.matches("cannot send a coroutine %(%a+ 2, field 'co'%)", message)
    assert.is_false(f:done())
    f:set_result(1)
    assert.are.equal(1, f:result())
  end)

  it("calls back once, also when it is done already", function()
    local f, calls = future.new(), {}
    f:on_done(function(given) calls[#calls + 1] = given end)
    f:set_result(1)
    assert.is_true(kinds.eventually(function() return #calls > 0 end))
    conrun.sleep(0)
    assert.are.same({ f }, calls)
    f:on_done(function(given) calls[#calls + 1] = given end)
    assert.is_true(kinds.eventually(function() return #calls == 2 end))
    assert.are.equal(f, calls[2])
  end)
end)

for _, kind in ipairs(kinds) do
  describe("a future between strands (" .. kind .. ")", function()
    it("is settled by a worker", function()
      local f = future.new()
      local w = kinds.start(kind, settle, f, 1, "two", { 3 })
      local a, b, c = f:result(LONG)
      assert.are.equal(1, a)
      assert.are.equal("two", b)
      assert.are.same({ 3 }, c)
      kinds.finish(w)
    end)

    it("is failed by a worker", function()
      local f = future.new()
      local w = kinds.start(kind, settle_with_error, f, "it broke")
      assert.matches("it broke", tostring(f:error(LONG)))
      kinds.finish(w)
    end)

    it("wakes a worker that waits, by a value and by cancel", function()
      for _, way in ipairs { "set", "cancel" } do
        local f, started, out = future.new(), event.new(), queue.new()
        local w = kinds.start(kind, read_result, f, started, out)
        assert.is_true(started:wait(LONG))
        assert.is_nil((out:get(BRIEF)))
        if way == "set" then
          f:set_result("here")
          assert.are.same({ ok = true, value = "here" }, out:get(LONG))
        else
          f:cancel()
          local got = out:get(LONG)
          assert.is_false(got.ok)
          assert.is_true(errors.is(got.value, "cancelled"))
        end
        kinds.finish(w)
      end
    end)

    it("calls back in the strand that asked, when it waits", function()
      local f, go, calls = future.new(), event.new(), 0
      f:on_done(function() calls = calls + 1 end)
      local w = kinds.start(kind, settle_when, f, go, 1)
      go:set()
      kinds.finish(w)
      assert.is_true(kinds.eventually(function() return calls == 1 end))
    end)

    it("is running while a pool computes it, and is not cancelled then", function()
      local pool, go, started = kinds.pool(kind, 1), event.new(), event.new()
      local f = pool:submit(function(s, g)
        s:set()
        g:wait(30)
        return "done"
      end, started, go)
      assert.is_true(started:wait(LONG))
      assert.is_true(f:running())
      assert.are.equal("running", f.state)
      assert.is_false(f:cancel())
      local waiting = pool:submit(square, 3)
      assert.is_true(waiting:cancel())
      go:set()
      assert.are.equal("done", f:result(LONG))
      assert.is_false(f:running())
      pool:close()
      assert.is_true(pool:join(LONG))
      assert.is_true(waiting:cancelled())
    end)

    it("stops a running task that waits, if asked to", function()
      local pool, started = kinds.pool(kind, 1), event.new()
      local f = pool:submit(function(s)
        s:set()
        require("conrun.event").new():wait()
      end, started)
      assert.is_true(started:wait(LONG))
      assert.is_true(f:cancel { running = true })
      kinds.raised_kind("cancelled", f.result, f, LONG)
      assert.are.equal(9, pool:apply(square, 3))
      pool:close()
      assert.is_true(pool:join(LONG))
    end)
  end)

  describe("future.wait (" .. kind .. ")", function()
    local pool, go
    before_each(function()
      pool, go = kinds.pool(kind, 2), event.new()
    end)
    after_each(function()
      go:set()
      pool:terminate()
      assert.is_true(pool:join(LONG))
    end)

    it("waits for all", function()
      local list = { pool:submit(square, 1), pool:submit(fail, "x"), pool:submit(square, 3) }
      local ready, pending = future.wait(list)
      assert.are.equal(3, #ready)
      assert.are.equal(0, #pending)
      for _, f in ipairs(list) do
        assert.is_true(f:done())
      end
    end)

    it("waits for the first", function()
      local slow, quick = pool:submit(wait_for_event, go), pool:submit(square, 2)
      local ready, pending = future.wait({ slow, quick }, { when = "first" })
      assert.are.same({ quick }, ready)
      assert.are.same({ slow }, pending)
    end)

    it("waits for the first error, which a cancelled one is not", function()
      local slow = pool:submit(wait_for_event, go)
      local cancelled = future.new()
      cancelled:cancel()
      local failing = pool:submit(fail, "x")
      local ready, pending = future.wait({ slow, cancelled, failing }, { when = "error" })
      assert.are.equal(2, #ready)
      assert.are.same({ slow }, pending)
    end)

    it("returns the split when the time is over", function()
      local slow, quick = pool:submit(wait_for_event, go), done(1)
      local ready, pending = future.wait({ slow, quick, quick }, { timeout = 0.02 })
      assert.are.same({ quick }, ready)
      assert.are.same({ slow }, pending)
    end)

    it("gives futures as they complete", function()
      local slow = pool:submit(wait_for_event, go)
      local quick = pool:submit(square, 2)
      local order = {}
      for f in future.as_completed { slow, quick } do
        order[#order + 1] = f
        go:set()
      end
      assert.are.same({ quick, slow }, order)
    end)

    it("raises timeout while one of as_completed is pending", function()
      local slow, seen = pool:submit(wait_for_event, go), 0
      kinds.raised_kind("timeout", function()
        for _ in future.as_completed({ slow, done(1) }, 0.02) do
          seen = seen + 1
        end
      end)
      assert.are.equal(1, seen)
    end)

    it("collects all results in order", function()
      local list = {}
      for i = 1, 20 do
        list[i] = pool:submit(square, i)
      end
      for i, v in ipairs(future.all(list)) do
        assert.are.equal(i * i, v)
      end
      assert.matches("nope", tostring(kinds.raised(future.all, { done(1), pool:submit(fail, "nope") })))
    end)
  end)
end

describe("the helpers over futures", function()
  it("return at once for an empty list", function()
    local ready, pending = future.wait {}
    assert.are.same({}, ready)
    assert.are.same({}, pending)
    assert.are.same({}, future.all {})
    for _ in future.as_completed {} do
      error("nothing can complete")
    end
  end)

  it("refuse wrong arguments", function()
    kinds.bad_argument(1, future.wait, 5)
    assert.matches("wen", tostring(kinds.raised(future.wait, {}, { wen = "all" })))
    assert.matches("when", tostring(kinds.raised(future.wait, { done(1) }, { when = "later" })))
    assert.has_error(function() future.wait { 1 } end)
  end)
end)
