-- SPDX-License-Identifier: MIT
--
-- os.exit in a thread raised an error, and whatever caught errors (pcall, a coroutine, a
-- finalizer) went on behind it.  It ends the strand from wherever it is called, as in a
-- process.

local kinds = require "spec.lib.kinds"

-- Each is the body of a function that must not come to its end.
local PLACES = {
  plain = "os.exit(3)",
  pcall = "pcall(os.exit, 3)",
  ["a loop of pcalls"] = "for _ = 1, 1000 do pcall(os.exit, 3) end",
  ["a message handler"] = "xpcall(error, function() os.exit(3) end)",
  ["a coroutine"] = "coroutine.resume(coroutine.create(function() os.exit(3) end))",
  ["coroutines in coroutines"] = [[
    local function nest(n)
      if n == 0 then os.exit(3) end
      pcall(coroutine.wrap(nest), n - 1)
    end
    nest(50)
  ]],
  ["a finalizer"] = "setmetatable({}, { __gc = function() os.exit(3) end }) collectgarbage()",
  ["a closing value"] = [[
    pcall(function() local _ <close> = setmetatable({}, { __close = function() os.exit(3) end }) end)
  ]],
  ["the comparison of a sort"] = "pcall(table.sort, { 1, 2, 3 }, function() os.exit(3) end)",
  ["a replacement"] = "pcall(string.gsub, 'x', 'x', function() os.exit(3) end)",
  ["a module that is loaded"] = "package.preload.leaves = function() os.exit(3) end pcall(require, 'leaves')",
  ["a hook"] = "debug.sethook(function() os.exit(3) end, 'l') local _ = 1\n_ = 2",
  ["a lock's with"] = "pcall(lock.with, lock, os.exit, 3)",
  ["a lock's guard"] = "pcall(function() local _ <close> = lock:hold() os.exit(3) end)",
  ["a dict's update"] = [[
    local d = require "conrun.shared".dict()
    pcall(d.update, d, 1, function() os.exit(3) end)
  ]],
  ["what is sent"] = [[
    local t = setmetatable({}, { __transfer = function() os.exit(3) end })
    pcall(require "conrun.queue".new().put, require "conrun.queue".new(), t)
  ]],
  ["a callback in a wait"] = [[
    local conrun = require "conrun"
    local f = conrun.future.new()
    f:on_done(function() os.exit(3) end)
    f:set_result(1)
    pcall(conrun.sleep, 0.01)
    pcall(f.result, f)
  ]],
}

local names = {}
for name in pairs(PLACES) do names[#names + 1] = name end
table.sort(names)

describe("os.exit in a thread", function()
  it("ends it from wherever it is called, and nothing of it is left", function()
    for _, name in ipairs(names) do
      local out, err, status = kinds.run(([[
        local lock = conrun.lock.new()
        local function leave(lock)
          %s
          print "went on"
        end
        conrun.on_error(print)
        local w = conrun.thread.start(leave, lock)
        print(w:join(), w:alive())
        local pool <close> = conrun.pool.threads(1)
        local e = pool:submit(leave, lock):error()
        print(e.kind, e.message)
        print(pool:apply(math.abs, -7), (lock:acquire(60)))
      ]]):format(PLACES[name]), "--audit")
      assert.are.equal("true\tfalse\n"
        .. "worker_died\tworker thread 'pool-1-1' ended with exit code 3\n7\ttrue\n", out, name)
      assert.matches("audit: clean", err, name)
      assert.are.equal(0, status)
    end
  end)

  it("closes its files and runs its other finalizers", function()
    local path = os.tmpname()
    local out = kinds.run(([[
      conrun.thread.start(function(name)
        file = io.open(name, "w")
        file:write "kept in the buffer"
        for i = 1, 3 do
          _G[i] = setmetatable({}, { __gc = function() print(i) if i == 2 then os.exit(4) end end })
        end
        pcall(os.exit, 3)
      end, %q):join()
      print(io.open(%q):read "a")
    ]]):format(path, path))
    os.remove(path)
    assert.are.equal("3\n2\n1\nkept in the buffer\n", out)
  end)

  it("is not told to anybody, nor is one in the handler of errors", function()
    local out, err = kinds.run [[
      conrun.on_error(function() print "told" os.exit(5) end)
      print(conrun.thread.start(os.exit, 3):join())
      print(conrun.thread.start(error, "failed"):join())
      print "main goes on"
    ]]
    assert.are.equal("true\ntold\ntrue\nmain goes on\n", out)
    assert.are.equal("", err)
  end)

  it("takes the timer of its task with it", function()
    local out, err = kinds.run([[
      local pool <close> = conrun.pool.new { workers = 1, kind = "thread", task_timeout = 1000 }
      for i = 1, 20 do pool:submit(pcall, os.exit, i):error() end
      print(pool:apply(math.abs, -1))
    ]], "--audit")
    assert.are.equal("1\n", out)
    assert.matches("audit: clean", err)
  end)

  it("gives the task to another worker where the pool has retries", function()
    local out = kinds.run [[
      local n = conrun.shared.value("i64")
      local pool <close> = conrun.pool.new { workers = 1, kind = "thread", retries = 2 }
      print(pool:apply(function(v) if v:add(1) < 3 then pcall(os.exit, 1) end return v:get() end, n))
    ]]
    assert.are.equal("3\n", out)
  end)
end)
