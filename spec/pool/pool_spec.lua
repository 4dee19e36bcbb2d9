-- SPDX-License-Identifier: MIT
--
-- The pool: how it is made, what it computes, in which order, and how it ends.
-- Faults are in spec/chaos.

local conrun = require "conrun"
local errors = require "conrun.errors"
local event = require "conrun.event"
local kinds = require "spec.lib.kinds"
local pool = require "conrun.pool"
local queue = require "conrun.queue"
local shared = require "conrun.shared"

local LONG = kinds.LONG

local function square(x)
  return x * x
end

local function add(a, b)
  return a + b
end

local function values(...)
  return ...
end

local function fail(message)
  error(message, 0)
end

local function wait_for(started, go)
  started:put(true)
  go:wait(30)
  return "released"
end

local function own_pid()
  return require("conrun").current().pid
end

local function own_name()
  return require("conrun").current().name
end

local function numbers(n)
  local list = {}
  for i = 1, n do
    list[i] = i
  end
  return list
end

local function squares(n)
  local list = {}
  for i = 1, n do
    list[i] = i * i
  end
  return list
end

describe("pool.new", function()
  it("refuses wrong worker counts by name", function()
    for _, wrong in ipairs { 0, -1, 1.5, "four", {} } do
      local message = tostring(kinds.raised(pool.new, { workers = wrong }))
      assert.matches("workers", message)
    end
  end)

  it("refuses unknown options and suggests the one that was meant", function()
    local message = tostring(kinds.raised(pool.new, { worker = 4 }))
    assert.matches("unknown option 'worker'", message)
    assert.matches("workers", message)
    assert.matches("kind", tostring(kinds.raised(pool.new, { kind = "fibre" })))
    kinds.bad_argument(1, pool.new, "four")
  end)

  it("refuses wrong limits by name", function()
    for _, wrong in ipairs { 0, -1, 0.5, "12" } do
      local message = tostring(kinds.raised(pool.new, { max_tasks_per_worker = wrong }))
      assert.matches("max_tasks_per_worker", message)
    end
    assert.matches("initializer", tostring(kinds.raised(pool.new, { initializer = 5 })))
    assert.matches("retries", tostring(kinds.raised(pool.new, { retries = -1 })))
  end)

  it("has short forms", function()
    for _, make in ipairs { "threads", "processes" } do
      local p <close> = pool[make](2)
      assert.are.equal(9, p:apply(square, 3))
    end
    assert.matches("workers", tostring(kinds.raised(pool.threads, 0)))
    assert.matches("workers", tostring(kinds.raised(pool.processes, -1)))
  end)

  it("makes as many workers as there are processors when nothing is said", function()
    local p <close> = pool.new {}
    assert.are.same(squares(5), p:map(square, numbers(5)))
    assert.are.equal(conrun.cpu_count(), p:stats().workers)
  end)
end)

for _, kind in ipairs(kinds) do
  describe("pool (" .. kind .. ")", function()
    local p
    before_each(function()
      p = kinds.pool(kind, 3)
    end)
    after_each(function()
      p:terminate()
      assert.is_true(p:join(LONG))
    end)

    it("applies a function", function()
      assert.are.equal(25, p:apply(square, 5))
      assert.are.equal(3, select("#", p:apply(values, 1, nil, nil)))
      assert.are.equal(0, select("#", p:apply(values)))
      assert.matches("bang", tostring(kinds.raised(p.apply, p, fail, "bang")))
    end)

    it("submits a function and gives a future", function()
      local f = p:submit(add, 1, 2)
      assert.are.equal(3, f:result(LONG))
      assert.are.equal(3, p:apply_async(add, 1, 2):result(LONG))
    end)

    it("tells the worker's traceback and name", function()
      local e = kinds.raised(p.apply, p, function()
        local function deep()
          error("bang")
        end
        deep()
        return 1
      end)
      assert.is_true(errors.is(e, "task"))
      assert.matches("pool_spec%.lua:%d+: bang", e.message)
      assert.matches("deep", e.traceback)
      assert.is_string(e.strand)
    end)

    it("refuses wrong arguments by number", function()
      kinds.bad_method(1, p, "submit")
      kinds.bad_method(1, p, "submit", 5)
      kinds.bad_method(1, p, "map", nil, {})
      kinds.bad_method(2, p, "map", square, 5)
      for _, size in ipairs { 0, -1, 0.5, "x" } do
        assert.matches("chunksize", tostring(kinds.raised(p.map, p, square, { 1 }, { chunksize = size })))
        assert.matches("chunksize", tostring(kinds.raised(p.imap, p, square, { 1 }, { chunksize = size })))
      end
      assert.matches("chunk'", tostring(kinds.raised(p.map, p, square, { 1 }, { chunk = 1 })))
      assert.matches("buffersize", tostring(kinds.raised(p.imap, p, square, { 1 }, { buffersize = 0 })))
    end)

    it("refuses at once what cannot be sent, with its path", function()
      local co = coroutine.create(print)
      assert.matches("cannot send a coroutine %(argument 2%)",
        tostring(kinds.raised(p.submit, p, values, 1, co)))
      assert.matches("cannot send a coroutine", tostring(kinds.raised(p.map, p, values, { 1, co })))
      assert.matches("upvalue 'co'",
        tostring(kinds.raised(p.submit, p, function() return co end)))
      assert.are.equal(1, p:apply(values, 1))
    end)

    it("fails only the task whose result cannot be sent, every time", function()
      for _ = 1, 20 do
        local f = p:submit(function() return coroutine.create(print) end)
        assert.matches("cannot send a coroutine", tostring(f:error(LONG)))
      end
      assert.are.equal(4, p:apply(square, 2))
    end)

    it("uses the same few workers for all tasks", function()
      local names, count = {}, 0
      for _, name in ipairs(p:map(own_name, numbers(200), { chunksize = 1 })) do
        if not names[name] then
          names[name], count = true, count + 1
        end
      end
      assert.is_true(count >= 1 and count <= 3)
      local pids = {}
      for _, pid in ipairs(p:map(own_pid, numbers(50), { chunksize = 1 })) do
        pids[pid] = true
      end
      local main = conrun.current().pid
      assert.are.equal(kind == "thread" or nil, pids[main])
    end)

    it("runs as many tasks at once as it has workers", function()
      local started, go = queue.new(), event.new()
      local futures = {}
      for i = 1, 5 do
        futures[i] = p:submit(wait_for, started, go)
      end
      for _ = 1, 3 do
        assert.is_true(started:get(LONG))
      end
      assert.is_nil((started:get(kinds.BRIEF)))
      local stats = p:stats()
      assert.are.equal(3, stats.busy or stats.running)
      assert.are.equal(2, stats.queued)
      go:set()
      for _, f in ipairs(futures) do
        assert.are.equal("released", f:result(LONG))
      end
    end)

    it("is used by several strands at once", function()
      local function use(shared_pool, n)
        return shared_pool:map(function(x) return x + 1 end, { n, n + 1 })
      end
      local workers = {}
      for i = 1, 4 do
        workers[i] = kinds.start(kind, use, p, i * 10)
      end
      for i, got in ipairs(kinds.finish_all(workers)) do
        assert.are.same({ i * 10 + 1, i * 10 + 2 }, got)
      end
    end)

    it("finishes what waits when it is closed, and takes no more", function()
      local futures = {}
      for i = 1, 50 do
        futures[i] = p:submit(square, i)
      end
      p:close()
      p:close()
      assert.matches("closed", tostring(kinds.raised(p.submit, p, square, 1)))
      assert.matches("closed", tostring(kinds.raised(p.map, p, square, { 1 })))
      assert.is_true(p:join(LONG))
      assert.is_true(p:join(0))
      for i, f in ipairs(futures) do
        assert.is_true(f:done())
        assert.are.equal(i * i, f:result(0))
      end
    end)

    it("is not joined while it is open", function()
      assert.has_error(function() p:join(0) end)
    end)

    it("shuts down", function()
      local f = p:submit(square, 3)
      p:shutdown()
      assert.are.equal(9, f:result(0))
      assert.has_error(function() p:submit(square, 1) end)
      p:shutdown()
    end)

    it("shuts down and cancels what waits", function()
      local started, go = queue.new(), event.new()
      local running, waiting = {}, {}
      for i = 1, 3 do
        running[i] = p:submit(wait_for, started, go)
        assert.is_true(started:get(LONG))
      end
      for i = 1, 5 do
        waiting[i] = p:submit(square, i)
      end
      local helper = kinds.start("thread", function(f, g)
        pcall(f.result, f, 30)
        g:set()
      end, waiting[5], go)
      p:shutdown { cancel = true }
      for _, f in ipairs(waiting) do
        kinds.raised_kind("cancelled", f.result, f, 0)
      end
      for _, f in ipairs(running) do
        assert.are.equal("released", f:result(LONG))
      end
      kinds.finish(helper)
    end)

    it("terminates promptly with thousands waiting, and none waits for ever", function()
      local started, go = queue.new(), event.new()
      local futures = {}
      for i = 1, 3 do
        futures[i] = p:submit(wait_for, started, go)
        assert.is_true(started:get(LONG))
      end
      for i = 4, 10000 do
        futures[i] = p:submit(square, i)
      end
      p:terminate()
      p:terminate()
      assert.is_true(p:join(LONG))
      for _, f in ipairs(futures) do
        assert.is_true(f:done())
      end
      kinds.raised_kind("cancelled", futures[10000].result, futures[10000], 0)
      assert.is_truthy(futures[1]:error(0))
      assert.has_error(function() p:submit(square, 1) end)
    end)

    it("does not hang when a task was cancelled before shutdown", function()
      local started, go = queue.new(), event.new()
      for _ = 1, 3 do
        p:submit(wait_for, started, go)
        assert.is_true(started:get(LONG))
      end
      local f = p:submit(square, 1)
      assert.is_true(f:cancel())
      go:set()
      p:shutdown()
      assert.is_true(f:cancelled())
    end)

    it("closes and joins at the end of a scope", function()
      local futures = {}
      do
        local q <close> = kinds.pool(kind, 2)
        for i = 1, 20 do
          futures[i] = q:submit(square, i)
        end
      end
      for i, f in ipairs(futures) do
        assert.are.equal(i * i, f:result(0))
      end
    end)

    it("terminates when a scope is left by an error, which stays the same", function()
      local thrown, started, go, f = {}, queue.new(), event.new(), nil
      local raised = kinds.raised(function()
        local q <close> = kinds.pool(kind, 1)
        q:submit(wait_for, started, go)
        assert.is_true(started:get(LONG))
        f = q:submit(square, 2)
        error(thrown)
      end)
      assert.are.equal(thrown, raised)
      kinds.raised_kind("cancelled", f.result, f, LONG)
    end)

    it("prints usefully", function()
      local q <close> = kinds.pool(kind, 2, { name = "squares" })
      local text = tostring(q)
      assert.matches("pool 'squares'", text)
      assert.matches(kind == "thread" and "2 threads" or "2 processes", text)
    end)
  end)

  describe("a pool's initializer (" .. kind .. ")", function()
    it("runs once in each worker, with its arguments", function()
      local count = shared.value("i64")
      local p <close> = kinds.pool(kind, 2, {
        initializer = function(counter, text)
          counter:add(1)
          package.loaded.initialized = text
        end,
        initargs = { count, "ready" },
      })
      for _, text in ipairs(p:map(function() return package.loaded.initialized end, numbers(50),
        { chunksize = 1 })) do
        assert.are.equal("ready", text)
      end
      assert.is_true(count:get() >= 1 and count:get() <= 2)
    end)

    it("breaks the pool when it fails, and tells the cause once", function()
      local p = kinds.pool(kind, 2, { initializer = function() error("no database") end })
      local f = p:submit(square, 2)
      local e = kinds.raised_kind("broken", f.result, f, LONG)
      assert.matches("no database", tostring(e))
      assert.matches("no database", tostring(kinds.raised(p.submit, p, square, 3)))
      p:terminate()
      assert.is_true(p:join(LONG))
    end)
  end)

  describe("max_tasks_per_worker (" .. kind .. ")", function()
    it("replaces a worker after so many tasks", function()
      local p <close> = kinds.pool(kind, 1, { max_tasks_per_worker = 2 })
      local names, count = {}, 0
      for _ = 1, 6 do
        local id = p:apply(function() return require("conrun").current().id end)
        names[id] = (names[id] or 0) + 1
      end
      for _, n in pairs(names) do
        count = count + 1
        assert.is_true(n <= 2)
      end
      assert.is_true(count >= 3)
    end)
  end)

  describe("the end of a program with tasks waiting (" .. kind .. ")", function()
    it("finishes them first", function()
      local out, err, status = kinds.run(([[
        local p = require("conrun.pool").new { workers = 2, kind = "%s" }
        for _ = 1, 50 do
          p:submit(function() print("task") end)
        end
      ]]):format(kind))
      assert.are.equal("", err)
      assert.are.equal(0, status)
      assert.are.equal(("task\n"):rep(50), out)
    end)
  end)

  describe("the done-when of the first road (" .. kind .. ")", function()
    it("maps a global function that calls another global function", function()
      local out, err, status = kinds.run(([[
        function multiply(a, b) return a * b end
        function square(x) return multiply(x, x) end
        local p <close> = require("conrun.pool").new { workers = 4, kind = "%s" }
        print(table.concat(p:map(square, { 1, 2, 3, 4, 5 }), " "))
      ]]):format(kind))
      assert.are.equal("", err)
      assert.are.equal("1 4 9 16 25\n", out)
      assert.are.equal(0, status)
    end)
  end)
end
