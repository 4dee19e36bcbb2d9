-- SPDX-License-Identifier: MIT
--
-- A pool of kind "cluster" does what any pool does, by way of a server and an agent.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"
local site = require "spec.cluster.site"

local LONG = kinds.LONG

describe("a cluster pool", function()
  local here, pool

  setup(function()
    here = site.new(2)
    pool = here:pool()
  end)

  teardown(function()
    pool:shutdown()
    assert.are.equal(0, here:streams())
    here:stop()
  end)

  it("computes calls, and gives all their values", function()
    assert.are.same({ 3, nil, false, "x", n = 4 },
      table.pack(pool:submit(function(...) return select("#", ...), ... end, nil, false, "x"):result(LONG)))
    assert.are.equal(3.0, pool:apply(math.sqrt, 9))
    assert.are.equal("cluster", pool:stats().kind)
    assert.are.equal(2, pool:stats().workers)
  end)

  it("maps lists, in order or as they come", function()
    local squares = pool:map(function(x) return x * x end, conrun.range(1, 500))
    assert.are.equal(500, #squares)
    assert.are.equal(250000, squares[500])
    assert.are.same({ 3, 7 }, pool:starmap(function(a, b) return a + b end, { { 1, 2 }, { 3, 4 } }))
    local sum = 0
    for i, v in pool:imap(function(x) return -x end, conrun.range(1, 50)) do
      assert.are.equal(-i, v)
    end
    for _, v in pool:imap_unordered(function(x) return x end, conrun.range(1, 50)) do
      sum = sum + v
    end
    assert.are.equal(1275, sum)
    assert.are.same({ 2, 4 }, pool:map_async(function(x) return 2 * x end, { 1, 2 }):result(LONG))
  end)

  it("goes on where the caller has settled a task that runs", function()
    local task = pool:submit(function() require("conrun").sleep(0.1) return "its own" end)
    assert(kinds.eventually(function() return task.state ~= "pending" end))
    local ours = pcall(task.set_result, task, "ours") -- it may be done by now
    assert.are.equal(ours and "ours" or "its own", task:result(LONG))
    for i = 1, 4 do
      assert.are.equal(i, pool:submit(function(x) require("conrun").sleep(0.05) return x end, i):result(LONG))
    end
  end)

  it("refuses handles of its own tasks alone, whatever their items do while they are read", function()
    local line, lock, event = conrun.queue.new(), conrun.lock.new(), conrun.event.new()
    local items = setmetatable({}, {
      __len = function() return 2 end,
      __index = function(_, i)
        line:put(lock)
        return i
      end,
    })
    assert.are.same({ 1, 2 }, pool:map(function(x) return x end, items, { chunksize = 1 }))
    assert.are.equal(2, line:size())
    local lockers = setmetatable({}, { __len = function() return 1 end, __index = function()
      line:put(event)
      return lock
    end })
    assert.has_error(function() pool:map(print, lockers, { chunksize = 1 }) end,
      "cannot send a lock to another machine (item 1)")
    local broken = setmetatable({}, { __len = function() return 1 end, __index = function() error "no item" end })
    assert.is_false((pcall(pool.map, pool, print, broken, { chunksize = 1 })))
    assert.is_true(line:put(lock))
  end)

  it("refuses a function with a handle that a pool of this machine has had", function()
    local lock = conrun.lock.new()
    local function locked() return lock:locked() end
    local near <close> = conrun.pool.threads(1)
    assert.is_false(near:apply(locked))
    local ok, e = pcall(pool.apply, pool, locked)
    assert.is_false(ok)
    assert.is_truthy(tostring(e):find("cannot send a lock to another machine (function 1, upvalue 'lock'", 1, true))
    assert.is_false(near:apply(locked))
  end)

  it("takes functions along with what they refer to", function()
    local factor = 10
    local function times(x) return x * factor end
    assert.are.equal(70, pool:apply(function(x) return times(x) end, 7))
    factor = 11
    assert.are.equal(77, pool:apply(function(x) return times(x) end, 7))
  end)

  it("keeps classes apart and together", function()
    local Point = {}
    Point.__index = Point
    function Point:norm() return self.x end
    local made = pool:apply(function(x) return setmetatable({ x = x }, Point) end, 5)
    assert.are.equal(Point, getmetatable(made))
    local theirs = pool:apply(function()
      local C = {}
      C.__index = C
      return setmetatable({}, C)
    end)
    assert.are_not.equal(Point, getmetatable(theirs))
  end)

  it("tells of an error with host, attempts and the worker's traceback", function()
    local e = pool:submit(function() error("E", 0) end):error(LONG)
    assert.are.equal("task", e.kind)
    assert.are.equal("E", e.message)
    assert.are.equal(1, e.attempts)
    assert.are.equal(pool:agents()[1].host, e.host)
    assert.is_truthy(e.traceback:find "cluster_spec.lua")
    local value = pool:submit(function() error { code = 7 } end):error(LONG).value
    assert.are.equal(7, value.code)
    local results = pool:map(function(x) return x // (x - 2) end, { 1, 2, 3 }, { collect_errors = true })
    assert.are.equal("task", results[2].kind)
    assert.are.equal(3, results[3])
  end)

  it("refuses what lives in one machine's memory, and names the place", function()
    local lock, event = conrun.lock.new(), conrun.event.new()
    assert.has_error(function() pool:submit(print, { x = lock }) end,
      "cannot send a lock to another machine (argument 1, field 'x')")
    assert.has_error(function() pool:map(print, { event }) end, "cannot send an event to another machine (item 1)")
    assert.is_truthy(kinds.raised(pool.submit, pool, function() return lock end):find(
      "cannot send a lock to another machine (function 1, upvalue 'lock'", 1, true))
    local e = pool:submit(function() return { require("conrun").queue.new() } end):error(LONG)
    assert.are.equal("transfer", e.kind)
    assert.is_truthy(e.message:find("cannot send a queue to another machine (result 1", 1, true))
  end)

  it("sends large values in pieces, both ways", function()
    local text = ("0123456789abcdef"):rep(1 << 16)
    local twice = pool:submit(function(s) return s .. s end, text):result(LONG)
    assert.is_true(twice == text .. text)
    local small <close> = here:pool { max_value = 1000 }
    local e = small:submit(print, text):error(LONG)
    assert.are.equal("transfer", e.kind)
    assert.is_truthy(e.message:find "more than max_value %(1000%)")
    e = small:submit(string.rep, "x", 200000):error(LONG)
    assert.is_truthy(e.message:find "the result has %d+ bytes, more than max_value %(1000%)")
  end)

  it("cancels what runs", function()
    local f = pool:submit(function() while true do end end)
    assert.is_true(kinds.eventually(function() return f:running() end))
    assert.is_true(f:cancel { running = true })
    assert.are.equal("cancelled", f:error(LONG).kind)
    assert.are.equal("after", pool:submit(function() return "after" end):result(LONG))
  end)

  it("tries a task again whose worker dies, as often as it may", function()
    local e = pool:submit(function() os.exit(3) end):error(LONG)
    assert.are.equal("worker_died", e.kind)
    assert.are.equal(3, e.attempts)
    assert.is_truthy(e.message:find "exit code 3")
    local once <close> = here:pool { retries = 0 }
    assert.are.equal(1, once:submit(function() os.exit(3) end):error(LONG).attempts)
    local mark = here.folder .. "/mark"
    assert.are.equal("again", pool:submit(function(name)
      local file = io.open(name)
      if file then return "again" end
      io.open(name, "w"):close()
      os.exit(1)
    end, mark):result(LONG))
  end)

  it("hands options on to the workers", function()
    local function begin(x) _G.given = x end
    local given <close> = here:pool { initializer = begin, initargs = { { 5 } }, task_timeout = 0.1 }
    assert.are.equal(5, given:submit(function() return _G.given[1] end):result(LONG))
    assert.are.equal("timeout", given:submit(function() while true do end end):error(LONG).kind)
    local broken <close> = here:pool { initializer = function() error("I", 0) end }
    local e = broken:submit(print):error(LONG)
    assert.are.equal("broken", e.kind)
    assert.are.equal("the initializer failed: I", e.message)
  end)

  it("is used by workers of the program, too", function()
    local w = conrun.process.start(function(p) return p:apply(function(x) return x + 1 end, 1) end, pool)
    assert.are.equal(2, kinds.finish(w))
  end)

  it("ends at once with an error in its block", function()
    local left
    assert.has_error(function()
      local own <close> = here:pool()
      left = own:submit(function() while true do end end)
      error("out", 0)
    end, "out")
    assert.are.equal("cancelled", left:error(LONG).kind)
  end)

  it("refuses bad options and servers at the call", function()
    local function refused(options)
      return kinds.raised(here.pool, here, options)
    end
    assert.is_truthy(refused { sandbox = true }:find "bad option 'sandbox' %(it is for pools on this machine%)")
    assert.is_truthy(refused { lese = 1 }:find "unknown option 'lese'.*'lease'")
    assert.is_truthy(refused { url = "nats://127.0.0.1:1" }:find "cannot reach the server nats://127%.0%.0%.1:1: ")
    local file = assert(io.open(here.folder .. "/wrong", "w"))
    file:write "wrong\n"
    file:close()
    assert.is_truthy(refused { token_file = here.folder .. "/wrong" }:find "Auth")
    assert.is_truthy(refused { token_file = here.folder .. "/none" }:find "cannot read the token: ")
    assert.is_truthy(kinds.raised(function() conrun.pool.new(1):agents() end):find "only a pool of kind 'cluster'")
  end)

  it("says how to start an agent if none comes", function()
    local alone <close> = here:pool { wait_timeout = 0.1, tags = { "gpu" } }
    local e = alone:submit(print):error(LONG)
    assert.are.equal("broken", e.kind)
    assert.are.equal(("no agent has come for 0.1 s: start one with conrun --agent=%s --workers=N --tags=gpu"):format(
      here.url), e.message)
  end)
end)
