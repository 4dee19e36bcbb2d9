-- SPDX-License-Identifier: MIT
--
-- Tasks that wait for tasks: of their own pool, also when all its workers do so,
-- and of other pools.

local event = require "conrun.event"
local future = require "conrun.future"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"
local shared = require "conrun.shared"

local LONG = kinds.LONG

local function square(x)
  return x * x
end

local function fibonacci(p, n)
  if n < 2 then return n end
  local a, b = p:submit(fibonacci, p, n - 1), p:submit(fibonacci, p, n - 2)
  return a:result() + b:result()
end

local function countdown(p, n)
  if n == 0 then return 0 end
  return p:submit(countdown, p, n - 1):result() + 1
end

for _, kind in ipairs(kinds) do
  describe("a task that waits for a task of its own full pool (" .. kind .. ")", function()
    local p
    before_each(function()
      p = kinds.pool(kind, 1)
    end)
    after_each(function()
      p:terminate()
      assert.is_true(p:join(LONG))
    end)

    it("computes it itself", function()
      local inside = p:submit(function(q)
        local id = require("conrun").current().id
        return id, q:submit(function() return require("conrun").current().id end):result()
      end, p)
      local outer, inner = inside:result(LONG)
      assert.are.equal(outer, inner)
    end)

    it("does so with a timeout too, if nobody else can", function()
      assert.are.equal(49, p:submit(function(q)
        return q:submit(square, 7):result(3600)
      end, p):result(LONG))
    end)

    it("computes what it waits for in every form", function()
      local list = p:apply(function(q)
        local f = require("conrun.future")
        local seven = q:submit(square, 7)
        local error_object = q:submit(error, "bang"):error()
        local all = f.all { q:submit(square, 1), q:submit(square, 2) }
        local done = f.wait { q:submit(square, 3), q:submit(square, 4) }
        local completed = 0
        for one in f.as_completed({ q:submit(square, 5), q:submit(square, 6) }, 3600) do
          completed = completed + one:result()
        end
        local ordered, any = 0, 0
        for _, x in q:imap(square, { 1, 2, 3 }) do ordered = ordered + x end
        for _, x in q:imap_unordered(square, { 1, 2, 3 }) do any = any + x end
        return {
          seven = seven:result(), error = tostring(error_object), all = all, done = #done,
          completed = completed, ordered = ordered, any = any,
          map = q:map(square, { 1, 2, 3, 4, 5 }, { chunksize = 2 }),
          star = q:starmap(math.max, { { 1, 2 }, { 9, 3 } }), apply = q:apply(square, 8),
        }
      end, p)
      assert.are.equal(49, list.seven)
      assert.matches("bang", list.error)
      assert.are.same({ 1, 4 }, list.all)
      assert.are.equal(2, list.done)
      assert.are.equal(61, list.completed)
      assert.are.equal(14, list.ordered)
      assert.are.equal(14, list.any)
      assert.are.same({ 1, 4, 9, 16, 25 }, list.map)
      assert.are.same({ 2, 9 }, list.star)
      assert.are.equal(64, list.apply)
    end)

    it("gets its error with the traceback of the inner task", function()
      local message, traceback = p:apply(function(q)
        local e = q:submit(function()
          local function deep() error "inner" end
          deep()
          return 1
        end):error()
        return e.message, e.traceback
      end, p)
      assert.matches("inner", message)
      assert.matches("deep", traceback)
    end)

    it("nests as deep as the tasks depend on each other", function()
      for _, depth in ipairs { 1, 7, 8, 15, 100, 1000 } do
        assert.are.equal(depth, p:submit(countdown, p, depth):result(LONG))
      end
    end)

    it("says when memory does not allow more, and goes on", function()
      local q <close> = kinds.pool(kind, 1, { memory_limit = 600000 })
      local e = q:submit(countdown, q, 100000):error(LONG)
      assert.are.equal("not enough memory", e.message)
      assert.are.equal(30, q:submit(countdown, q, 30):result(LONG))
    end)

    it("can be left from any depth: by an error, os.exit, an interruption", function()
      local bottom = event.new()
      local function down(n, how)
        if n > 0 then return p:apply(down, n - 1, how) end
        if how == "error" then error "from below" end
        if how == "exit" then os.exit(3) end
        bottom:set()
        while true do local _ = {} end -- allocates: ThreadSanitizer lets the signal in there
      end
      assert.matches("from below", p:submit(down, 50, "error"):error(LONG).message)
      assert.are.equal("worker_died", p:submit(down, 50, "exit"):error(LONG).kind)
      for _, where in ipairs { "on the way", "at the bottom" } do
        local f = p:submit(down, 50, "loop")
        repeat until f:running()
        if where == "at the bottom" then bottom:wait() end
        assert.is_true(f:cancel { running = true })
        assert.are.equal("cancelled", f:error(LONG).kind, where)
        bottom:clear()
      end
      assert.are.equal(4, p:submit(square, 2):result(LONG))
    end)

    it("is not kept from ending by os.exit in the inner one", function()
      local kinds_of = p:submit(function(q)
        return q:submit(function() os.exit(3) end):error().kind
      end, p)
      kinds.raised_kind("worker_died", kinds_of.result, kinds_of, LONG) -- one worker, one death
      assert.are.equal(4, p:submit(square, 2):result(LONG))
    end)

    it("counts its tasks and leaves none in the line", function()
      p:submit(countdown, p, 5):result(LONG)
      assert.is_true(kinds.eventually(function()
        local stats = p:stats()
        return stats.running == 0 and stats.queued == 0
      end))
    end)
  end)

  describe("tasks that wait for tasks (" .. kind .. ")", function()
    it("split a problem until it is small", function()
      local p <close> = kinds.pool(kind, 2)
      assert.are.equal(55, p:submit(fibonacci, p, 10):result(LONG))
    end)

    it("may use another pool, and that one the first again", function()
      local a <close> = kinds.pool(kind, 2)
      local b <close> = kinds.pool(kind, 1)
      assert.are.equal(81, a:submit(function(x, y)
        return y:submit(function(z) return z:submit(square, 9):result() end, x):result()
      end, a, b):result(LONG))
    end)

    it("may make a pool of their own", function()
      local p <close> = kinds.pool(kind, 2)
      local function inner(n)
        local q <close> = require("conrun.pool").new { workers = 2, kind = kind }
        local sum = 0
        for _, x in ipairs(q:map(square, { n, n + 1 })) do sum = sum + x end
        return sum
      end
      assert.are.same({ 5, 13, 25 }, p:map(inner, { 1, 2, 3 }, { chunksize = 1 }))
    end)

    it("are reported as a deadlock when pools wait for each other in a ring", function()
      local out, err = kinds.run(([[
        local function pool() return require("conrun.pool").new { workers = 1, kind = "%s" } end
        local a, b = pool(), pool()
        local f = a:submit(function(x, y)
          return y:submit(function(z) return z:submit(math.sqrt, 9):result() end, x):result()
        end, a, b)
        local ok, e = pcall(f.error, f) -- the main strand is the one that gets it
        print(ok, e.kind)
        a:terminate()
        b:terminate()
      ]]):format(kind))
      assert.matches("deadlock", err)
      assert.are.equal("false\tdeadlock\n", out)
    end)

    it("are cancelled with their pool", function()
      local p = kinds.pool(kind, 1)
      local inner = queue.new()
      local f = p:submit(function(q, reached)
        return q:submit(function(r)
          r:put(true)
          require("conrun.event").new():wait()
        end, reached):result()
      end, p, inner)
      assert.is_true(inner:get(LONG))
      p:terminate()
      assert.is_true(p:join(LONG))
      kinds.raised_kind("cancelled", f.result, f, LONG)
    end)
  end)
end

describe("a process that dies in a task within a task", function()
  local function die_inside(p, tries)
    return p:submit(function(n)
      if n:add(1) < 2 then
        os.execute("kill -KILL " .. require("conrun").current().pid)
      end
      return "survived"
    end, tries):result()
  end

  it("fails both", function()
    local p <close> = kinds.pool("process", 1)
    local inner = queue.new()
    local outer = p:submit(function(q, out)
      local f = q:submit(function() os.execute("kill -KILL " .. require("conrun").current().pid) end)
      out:put(f)
      return f:result()
    end, p, inner)
    local f = inner:get(LONG)
    kinds.raised_kind("worker_died", f.result, f, LONG)
    kinds.raised_kind("worker_died", outer.result, outer, LONG)
    assert.are.equal(4, p:submit(square, 2):result(LONG))
  end)

  it("is replaced, and both are tried again if the pool says so", function()
    local p <close> = kinds.pool("process", 1, { retries = 2 })
    local tries = shared.value("i64")
    assert.are.equal("survived", p:submit(die_inside, p, tries):result(LONG))
    assert.is_true(tries:get() >= 2)
  end)
end)

describe("waiting for a task of the own pool", function()
  it("keeps its timeout while other workers are at work", function()
    local p <close> = kinds.pool("thread", 2)
    local busy, go = event.new(), event.new()
    local other = p:submit(function(b, g)
      b:set()
      g:wait(30)
    end, busy, go)
    assert.is_true(busy:wait(LONG))
    local outcome = p:submit(function(q)
      local e = kinds.raised(function() q:submit(square, 2):result(0.05) end)
      return e.kind
    end, p)
    assert.are.equal("timeout", outcome:result(LONG))
    go:set()
    other:result(LONG)
  end)

  it("leaves a future of no pool, and one that runs, to others", function()
    local p <close> = kinds.pool("thread", 2)
    local bare, started, go = future.new(), event.new(), event.new()
    local running = p:submit(function(s, g)
      s:set()
      g:wait(30)
      return "other"
    end, started, go)
    assert.is_true(started:wait(LONG))
    local waiting = p:submit(function(a, b) return a:result(), b:result() end, bare, running)
    bare:set_result("bare")
    go:set()
    local a, b = waiting:result(LONG)
    assert.are.equal("bare", a)
    assert.are.equal("other", b)
  end)
end)
