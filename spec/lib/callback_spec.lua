-- SPDX-License-Identifier: MIT
--
-- Callbacks (on_done) are never lost: whoever waits, asks, closes, joins or ends runs what
-- is due, in the order in which the futures became final.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local LONG = kinds.LONG

--- A future with a callback that is due: another strand has settled it, and this one has
--- not been told by anything that it asked.
---@return table future
---@return fun(): boolean ran
local function due()
  local f, settled, ran = conrun.future.new(), conrun.shared.value("i64"), false
  f:on_done(function() ran = true end)
  conrun.thread.start(function()
    f:set_result(1)
    settled:set(1)
  end)
  repeat until settled:get() == 1
  return f, function() return ran end
end

local function pool()
  return kinds.pool("thread", 1)
end

--- What a strand may do; each gets the future.
local acts = {
  ["future:result"] = function(f) f:result() end,
  ["future:error"] = function(f) f:error() end,
  ["future:done"] = function(f) f:done() end,
  ["future:running"] = function(f) f:running() end,
  ["future:cancelled"] = function(f) f:cancelled() end,
  ["future.state"] = function(f) return f.state end,
  ["future:cancel"] = function(f) f:cancel() end,
  ["another future:result"] = function()
    local g = conrun.future.new()
    g:set_result(1)
    g:result()
  end,
  ["another future:on_done"] = function()
    local g = conrun.future.new()
    g:set_result(1)
    g:on_done(function() end)
  end,
  ["future.wait"] = function(f) conrun.future.wait { f } end,
  ["future.as_completed"] = function(f) for _ in conrun.future.as_completed { f } do end end,
  ["future.all"] = function(f) conrun.future.all { f } end,
  select = function(f) conrun.select { f } end,
  ["select of nothing"] = function() conrun.select({ conrun.event.new() }, 0) end,
  sleep = function() conrun.sleep(0) end,
  ["event:wait"] = function() conrun.event.new():wait(0) end,
  ["event:is_set"] = function() conrun.event.new():is_set() end,
  ["queue:get"] = function() conrun.queue.new():get(0) end,
  ["queue:put"] = function() conrun.queue.new():put(1) end,
  ["queue:join"] = function() conrun.queue.new():join() end,
  ["queue:size"] = function() conrun.queue.new():size() end,
  ["queue:empty"] = function() conrun.queue.new():empty() end,
  ["queue:get_many"] = function()
    local q = conrun.queue.new()
    q:put(1)
    q:get_many(1)
  end,
  ["queue:put_many"] = function() conrun.queue.new():put_many { 1 } end,
  ["pipe:recv"] = function()
    local a, b = conrun.pipe.new()
    a:recv(0)
    b:close()
  end,
  ["pipe:poll"] = function()
    local a, b = conrun.pipe.new()
    a:poll(0)
    b:close()
  end,
  ["barrier:wait"] = function() conrun.barrier.new(1):wait() end,
  ["worker:join"] = function() conrun.thread.start(math.abs, 1):join() end,
  ["worker:result"] = function() conrun.thread.start(math.abs, 1):result() end,
  ["worker:alive"] = function() conrun.thread.start(math.abs, 1):alive() end,
  ["pool:close"] = function() pool():close() end,
  ["pool:terminate"] = function() pool():terminate() end,
  ["pool:shutdown"] = function() pool():shutdown() end,
  ["pool:stats"] = function() pool():stats() end,
  ["pool:apply"] = function() pool():apply(math.abs, 1) end,
  ["pool:map"] = function() pool():map(math.abs, { 1, 2 }) end,
  ["pool's <close>"] = function() local _ <close> = pool() end,
}

describe("a callback that is due is run by", function()
  for name, act in pairs(acts) do
    it(name, function()
      local f, ran = due()
      act(f)
      assert.is_true(ran())
    end)
  end
end)

describe("a callback is run at the end of", function()
  local PREFIX = [[
    local f = conrun.future.new()
    f:on_done(function() print "called back" end)
  ]]
  local ends = {
    ["the program, before anybody waits"] = "f:set_result() ",
    ["the program, which waits for the worker that settles"] =
      "conrun.KIND.start(function() conrun.sleep(0.05) f:set_result() end)",
    ["the program, by an error"] = "f:set_result() error 'bang'",
    ["the program, by os.exit"] = "f:set_result() os.exit(3, true)",
    ["the program, for what a daemon settles when it is told to end"] = [[
      local ready = conrun.event.new()
      conrun.KIND.start({ daemon = true }, function()
        local _ <close> = setmetatable({}, { __close = function() f:set_result() end })
        ready:set()
        conrun.event.new():wait()
      end)
      ready:wait()
    ]],
    ["the program, for a task that its pool finishes"] = [[
      f = nil
      local p = conrun.pool.new { workers = 1, kind = "KIND" }
      p:submit(conrun.sleep, 0.05):on_done(function() print "called back" end)
    ]],
    ["the program, for a task that is cancelled with its pool"] = [[
      local p = conrun.pool.new { workers = 1, kind = "KIND" }
      p:submit(conrun.sleep, 100)
      p:submit(conrun.sleep, 100):on_done(function() print "called back" end)
      error "bang"
    ]],
    ["a worker"] = [[
      conrun.KIND.start(function()
        local g = conrun.future.new()
        g:on_done(function() print "called back" end)
        g:set_result()
      end):join()
    ]],
    ["a worker, by an error"] = [[
      pcall(function()
        local w = conrun.KIND.start(function()
          local g = conrun.future.new()
          g:on_done(function() print "called back" end)
          g:set_result()
          error "bang"
        end)
        w:join()
      end)
    ]],
    ["a worker, by os.exit"] = [[
      conrun.KIND.start(function()
        local g = conrun.future.new()
        g:on_done(function() print "called back" end)
        g:set_result()
        os.exit(1)
      end):join()
    ]],
    ["a worker, which waits for its tasks"] = [[
      local p <close> = conrun.pool.new { workers = 1, kind = "KIND" }
      conrun.KIND.start(function()
        p:submit(conrun.sleep, 0.05):on_done(function() print "called back" end)
      end):join()
    ]],
    ["a task, whose worker is idle then"] = [[
      local p <close> = conrun.pool.new { workers = 1, kind = "KIND" }
      local g, done = conrun.future.new(), conrun.event.new()
      p:apply(function() g:on_done(function() print "called back" done:set() end) end)
      g:set_result()
      done:wait()
    ]],
    ["a task, whose worker leaves after it"] = [[
      local p <close> = conrun.pool.new { workers = 1, kind = "KIND", max_tasks_per_worker = 1 }
      p:apply(function()
        p:submit(conrun.sleep, 0.05):on_done(function() print "called back" end)
      end)
    ]],
  }

  for _, kind in ipairs(kinds) do
    for name, source in pairs(ends) do
      it(("%s (%s)"):format(name, kind), function()
        local own = source:find("^f") or source:find("f:set_result", 1, true)
        local out = kinds.run(((own and PREFIX or "local f ") .. source):gsub("KIND", kind) .. "")
        assert.are.equal("called back\n", out)
      end)
    end

    it("a worker that returns what map_async puts together (" .. kind .. ")", function()
      local p <close> = kinds.pool(kind, 2)
      local m = kinds.start(kind, function(q)
        return q:map_async(function(x) return x + 1 end, { 1, 2, 3 })
      end, p):result()
      assert.are.same({ 2, 3, 4 }, m:result(LONG))
    end)
  end
end)

describe("callbacks", function()
  it("run in the order in which the futures became final", function()
    local n, futures, order, called = 300, {}, {}, {}
    for i = 1, n do
      futures[i], order[i] = conrun.future.new(), i
      futures[i]:on_done(function() called[#called + 1] = i end)
    end
    for i = n, 2, -1 do
      local k = math.random(i)
      order[i], order[k] = order[k], order[i]
    end
    local finished = conrun.shared.value("i64")
    conrun.thread.start(function()
      for _, i in ipairs(order) do futures[i]:set_result() end
      finished:set(1)
    end)
    repeat until finished:get() == 1
    conrun.sleep(0)
    assert.are.same(order, called)
  end)

  it("run in that order also while futures become final", function()
    local n, last, right = 2000, 0, true
    local futures = {}
    for i = 1, n do
      futures[i] = conrun.future.new()
      futures[i]:on_done(function()
        right = right and last == i - 1
        last = i
      end)
    end
    conrun.thread.start(function()
      for i = 1, n do futures[i]:set_result() end
    end)
    repeat conrun.sleep(0) until last == n
    assert.is_true(right)
  end)

  it("of one future run in the order in which they were set", function()
    local f, called = conrun.future.new(), {}
    for i = 1, 5 do f:on_done(function() called[#called + 1] = i end) end
    f:set_result()
    assert.are.same({ 1, 2, 3, 4, 5 }, called)
  end)

  it("do not run within each other's questions", function()
    local fs, sum = {}, 0
    for i = 1, 4 do
      fs[i] = conrun.future.new()
      fs[i]:on_done(function(f) sum = sum + f:result() end)
    end
    local settled = conrun.shared.value("i64")
    conrun.thread.start(function()
      for i = 1, 4 do fs[i]:set_result(i) end
      settled:set(1)
    end)
    repeat until settled:get() == 1
    conrun.sleep(0)
    assert.are.equal(10, sum)
  end)

  it("run on when one of them has to wait, and when one of them fails", function()
    local out, err = kinds.run [[
      local f, g, h, e = conrun.future.new(), conrun.future.new(), conrun.future.new(), conrun.event.new()
      f:on_done(function() e:wait() print "first" end)
      g:on_done(function() error(setmetatable({}, { __tostring = function() error "worse" end })) end)
      h:on_done(function() e:set() print "last" end)
      conrun.thread.start(function() f:set_result() g:set_result() h:set_result() end):join()
    ]]
    assert.are.equal("last\nfirst\n", out)
    assert.matches("^conrun: error in a callback of on_done: [^\n]+\n$", err)
  end)

  it("may wait for one another in a long chain", function()
    local n, called, futures, events = 500, 0, {}, {}
    for i = 1, n do
      futures[i], events[i] = conrun.future.new(), conrun.event.new()
    end
    for i = 1, n do
      futures[i]:on_done(function()
        if i < n then events[i + 1]:wait() end
        called = called + 1
        events[i]:set()
      end)
    end
    conrun.thread.start(function()
      for i = 1, n do futures[i]:set_result() end
    end):join()
    events[1]:wait()
    assert.are.equal(n, called)
  end)

  it("may set others", function()
    local called = 0
    local function again()
      called = called + 1
      if called == 50 then return end
      local f = conrun.future.new()
      f:on_done(again)
      f:set_result()
    end
    again()
    conrun.sleep(0)
    assert.are.equal(50, called)
  end)

  it("on bare futures do not keep a worker from its end", function()
    local f = conrun.future.new()
    local w = conrun.thread.start(function() f:on_done(function() end) end)
    assert.is_true(w:join(LONG))
    f:set_result()
  end)

  it("on tasks do not keep a worker that is told to end", function()
    local _, err, status = kinds.run [[
      local p = conrun.pool.threads(1)
      local ready, never = conrun.event.new(), conrun.event.new()
      conrun.thread.start({ daemon = true }, function()
        p:submit(function() never:wait() end):on_done(function() end)
        ready:set()
      end)
      ready:wait()
      os.exit(0, true)
    ]]
    assert.are.equal("", err)
    assert.are.equal(0, status)
  end)
end)
