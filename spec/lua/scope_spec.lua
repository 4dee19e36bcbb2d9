-- SPDX-License-Identifier: MIT
--
-- conrun.scope: nothing outlives it, the first failure cancels the rest and is raised.

local conrun = require "conrun"
local errors = require "conrun.errors"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local scope = require "conrun.scope"

local function wait_for_ever(began)
  if began then began:put(true) end
  conrun.event.new():wait()
end

local function wait_stubbornly(began)
  began:put(true)
  while true do
    pcall(conrun.sleep, 3600)
  end
end

local function fail(message)
  error(message, 0)
end

-- What `run` raises, which is an error object.
local function failure(...)
  local ok, e = pcall(scope.run, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(e), tostring(e))
  return e
end

for _, kind in ipairs(kinds) do
  describe("a scope with a " .. kind, function()
    it("waits for what was started in it", function()
      local done = queue.new()
      local worker
      do
        local s <close> = scope.new()
        worker = s[kind](s, function(n) done:put(n) end, 7)
      end
      assert.are.equal("ended", worker.state)
      assert.are.equal(7, done:get(0))
    end)

    it("raises the failure, cancels the others and leaves its body", function()
      local began, others = queue.new(), {}
      local e = failure(function(s)
        for i = 1, 2 do
          others[i] = s[kind](s, wait_stubbornly, began)
        end
        for _ = 1, 2 do
          began:get(kinds.LONG)
        end
        s[kind](s, fail, "no luck")
        conrun.sleep(3600)
      end)
      assert.are.equal("task", e.kind)
      assert.are.equal("no luck", e.message)
      assert.are.equal(1, #e.errors)
      for _, worker in ipairs(others) do
        assert.is_false(worker:alive())
      end
      assert.is_false(conrun.stopping())
    end)

    it("lets an error of its body through", function()
      local began = queue.new()
      local worker
      local ok, e = pcall(scope.run, function(s)
        worker = s[kind](s, wait_for_ever, began)
        began:get(kinds.LONG)
        error("the body's", 0)
      end)
      assert.is_false(ok)
      assert.are.equal("the body's", e)
      assert.is_false(worker:alive())
    end)

    it("cancels the tasks of a pool, which goes on", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      local began = queue.new()
      local running, waiting
      local e = failure(function(s)
        running = s:submit(pool, wait_for_ever, began)
        waiting = s:submit(pool, math.abs, -1)
        began:get(kinds.LONG)
        s:thread(fail, "elsewhere")
      end)
      assert.are.equal("elsewhere", e.message)
      assert.is_true(running:done())
      assert.are.equal("cancelled", waiting.state)
      assert.are.equal(1, pool:apply(math.abs, -1))
    end)
  end)
end

describe("a scope", function()
  it("returns what its body returns", function()
    assert.are.same({ 1, nil, 3 }, { scope.run(function(_, ...) return ... end, 1, nil, 3) })
    assert.are.equal("named", scope.run({ name = "named" }, function(s) return s.name end))
  end)

  it("has all errors", function()
    local e = failure(function(s)
      local together = conrun.barrier.new(2)
      for i = 1, 2 do
        s:thread(function()
          pcall(together.wait, together)
          error({ number = i }, 0)
        end)
      end
    end)
    assert.truthy(#e.errors >= 1)
    assert.are.equal(e.errors[1].value.number, e.value.number)
    assert.are.equal(#e.errors == 2, e.message:find "and 1 more error" ~= nil)
  end)

  it("has the error of one that fails before the scope hears of another", function()
    local e = failure(function(s)
      local a, b, both = s:add(conrun.future.new()), s:add(conrun.future.new()), conrun.shared.value("i64", 0)
      conrun.thread.start({ daemon = true }, function()
        a:set_error "first"
        b:set_error "second"
        both:set(1)
      end)
      repeat until both:get() == 1 -- and not a wait, in which the scope would hear of the first
      conrun.sleep(3600)
    end)
    assert.are.equal(2, #e.errors)
    assert.truthy(e.message:find("and 1 more error", 1, true))
  end)

  it("kills a process that does not end when it is asked, which is no failure", function()
    local began = queue.new()
    local worker
    local e = failure(function(s)
      worker = s:process(wait_for_ever, began)
      began:get(kinds.LONG)
      assert(kinds.signal("STOP", worker.pid)) -- so it hears of nothing
      s:thread(fail, "no luck")
      conrun.sleep(3600)
    end)
    assert.are.equal("no luck", e.message)
    assert.are.equal(1, #e.errors)
    assert.are.equal(-9, worker.exitcode)
  end)

  it("ends in time", function()
    for _, options in ipairs { { timeout = 0.05 }, { deadline = conrun.clock() + 0.05 } } do
      options.name = "brief"
      local worker
      local e = failure(options, function(s)
        worker = s:thread(wait_for_ever)
        conrun.sleep(3600)
      end)
      assert.are.equal("timeout", e.kind)
      assert.truthy(e.message:find("'brief'", 1, true))
      assert.is_false(worker:alive())
    end
  end)

  it("keeps the time when the body is over, too", function()
    local e = failure({ timeout = 0.05 }, function(s) s:thread(wait_for_ever) end)
    assert.are.equal("timeout", e.kind)
  end)

  it("is left from within an inner one when it fails", function()
    local inner_left = false
    local e = failure(function(outer)
      local began = queue.new()
      outer:thread(function()
        began:get()
        error("outer", 0)
      end)
      local note <close> = setmetatable({}, { __close = function() inner_left = true end })
      scope.run(function(inner)
        inner:thread(wait_for_ever, began)
        assert(note)
      end)
    end)
    assert.are.equal("outer", e.message)
    assert.is_true(inner_left)
  end)

  it("hands on the failure of an inner one", function()
    local worker
    local e = failure(function(outer)
      worker = outer:thread(wait_for_ever)
      scope.run(function(inner) inner:thread(fail, "inner") end)
    end)
    assert.are.equal("inner", e.message)
    assert.is_false(worker:alive())
  end)

  it("ends without an error when it is cancelled", function()
    local s <close> = scope.new()
    local worker = s:thread(wait_for_ever)
    s:cancel()
    assert.is_true(s:join(kinds.LONG))
    assert.is_false(worker:alive())
    local ok, e = pcall(s.thread, s, wait_for_ever)
    assert.is_false(ok)
    assert.are.equal("cancelled", e.kind)
  end)

  it("joins and goes on", function()
    local s <close> = scope.new()
    local go = conrun.event.new()
    s:thread(function() go:wait() end)
    assert.are.same({ false, "timeout" }, { s:join(0.01) })
    go:set()
    assert.is_true(s:join(kinds.LONG))
    assert.are.equal(3, s:thread(math.max, 3, 1):result(kinds.LONG))
  end)

  it("watches what was made elsewhere", function()
    local e = failure(function(s)
      local f = s:add(conrun.future.new())
      s:add(conrun.thread.start(function() f:set_error "settled elsewhere" end))
      conrun.sleep(3600)
    end)
    assert.are.equal("settled elsewhere", e.message)
  end)

  it("takes a future that was cancelled for no failure", function()
    local s <close> = scope.new()
    s:add(conrun.future.new()):cancel()
    assert.is_true(s:join(kinds.LONG))
  end)

  it("refuses misuse", function()
    local s = scope.new()
    kinds.bad_method(1, s, "add", 7)
    assert.has_error(function() scope.new { timeout = -1 } end)
    assert.has_error(function() scope.new { deadline = "noon" } end)
    assert.has_error(function() scope.new { timeouts = 1 } end)
    assert.has_error(function() scope.run(7) end)
    assert.has_error(function() conrun.queue.new():put(s) end)
    do
      local closed <close> = s
      assert(closed)
    end
    assert.has_error(function() s:thread(wait_for_ever) end)
    assert.truthy(tostring(s):find "^scope 'scope' %(over")
  end)
end)
