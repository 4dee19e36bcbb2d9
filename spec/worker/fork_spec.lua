-- SPDX-License-Identifier: MIT
--
-- A C module forks one of the program's processes.  The child of a program that has used
-- nothing yet is a program of its own; any other child can use nothing of conrun, and
-- whatever it does, and however it ends, harms nobody.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

-- To a sanitizer all that belonged to the parent's other threads looks lost in the child.
local ENVIRONMENT = helpers.with_native
  .. ' ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" TSAN_OPTIONS="$TSAN_OPTIONS:die_after_fork=0"'

local function run(source, options)
  return kinds.run("local native = require 'native' " .. source, options, ENVIRONMENT)
end

-- How a child ends, and what it ends with.
local ENDS = {
  { "os.exit(5)", 5 },
  { "os.exit(5, true)", 5 },
  { "native.leave(5)", 5 },
  { "native.exec('sh', '-c', 'exit 5')", 5 },
  { "error 'E'", 1 },
  { "conrun.sleep(0)", 1 },
  { "", 0 },
}

-- What the parent has at the time of the fork, and how it sees that all of it still works.
local WORLD = [[
  local q, l, d = conrun.queue.new(), conrun.lock.new(), conrun.shared.dict()
  local threads, processes = conrun.pool.threads(2), conrun.pool.processes(2)
  local stay = conrun.event.new()
  local t = conrun.thread.start(function(e) e:wait() return "stayed" end, stay)
  local p = conrun.process.start(function(e) e:wait() return "stayed" end, stay)
  threads:apply(math.abs, -1) processes:apply(math.abs, -1)
  q:put "x" d.key = "value"
  l:acquire()
  local function all_works()
    assert(q:size() == 1 and q:get() == "x")
    l:release()
    assert(l:acquire() == true)
    l:release()
    assert(d.key == "value")
    assert(threads:map(function(n) return n + 1 end, { 1, 2, 3 })[3] == 4)
    assert(processes:map(function(n) return n + 1 end, { 1, 2, 3 })[3] == 4)
    stay:set()
    assert(t:result() == "stayed" and p:result() == "stayed")
    threads:shutdown() processes:shutdown()
    print "all works"
  end
]]

describe("a child that a C module has forked from a program with workers", function()
  for _, case in ipairs(ENDS) do
    it("ends without harm, from main (" .. case[1] .. ")", function()
      local out, err = run(WORLD .. ([[
        local child = native.fork()
        if child == 0 then %s return end
        print(native.wait(child))
        all_works()
      ]]):format(case[1]), "--audit")
      assert.are.equal(case[2] .. "\nall works\n", out, err)
      assert.matches("audit: clean", err)
    end)

    for _, kind in ipairs(kinds) do
      it("ends without harm, from a worker (" .. kind .. ", " .. case[1] .. ")", function()
        local out, err = run(WORLD .. ([[
          local function fork()
            local native, conrun = require "native", require "conrun"
            local child = native.fork()
            if child == 0 then %s return end
            return native.wait(child)
          end
          print(conrun.%s.start(fork):result())
          print(conrun.pool.new { workers = 1, kind = "%s" }:apply(fork))
          print(table.unpack(conrun.pool.new { workers = 1, kind = "%s" }:map(fork, { 1, 2 }, { chunksize = 2 })))
          all_works()
        ]]):format(case[1], kind, kind, kind), "--audit")
        local c = case[2]
        assert.are.equal(("%d\n%d\n%d\t%d\nall works\n"):format(c, c, c, c), out, err)
        assert.matches("audit: clean", err)
      end)
    end
  end

  it("is told so by whatever it calls", function()
    local out, err = run(WORLD .. [[
      local made = {
        queue = q, lock = l, dict = d, pool = threads, event = stay, worker = t,
        condition = conrun.condition.new(), semaphore = conrun.semaphore.new(1), barrier = conrun.barrier.new(2),
        pipe = conrun.pipe.new(), future = conrun.future.new(), value = conrun.shared.value("i64"),
        any = conrun.shared.value("any"), array = conrun.shared.array("i64", 3), list = conrun.shared.list { 1 },
        buffer = conrun.shared.buffer(10), named = conrun.shared.buffer(10, { name = "spec" .. pid }),
      }
      local new = {
        queue = conrun.queue.new, lock = conrun.lock.new, event = conrun.event.new, pipe = conrun.pipe.new,
        condition = conrun.condition.new, semaphore = conrun.semaphore.new, future = conrun.future.new,
        list = conrun.shared.list, dict = conrun.shared.dict, threads = conrun.pool.threads,
        processes = conrun.pool.processes,
        barrier = function() conrun.barrier.new(2) end, value = function() conrun.shared.value("i64") end,
        array = function() conrun.shared.array("i64", 1) end, buffer = function() conrun.shared.buffer(1) end,
        named = function() conrun.shared.buffer(1, { name = "spec" .. pid }) end,
        thread = function() conrun.thread.start(print) end, process = function() conrun.process.start(print) end,
        sleep = function() conrun.sleep(0) end,
        select = function() conrun.select { q } end,
      }
      -- Every method that the reference has.
      local methods = {}
      for line in io.popen("cat lua/conrun/reference/*.lua"):lines() do
        local class, name = line:match "^function (%u%w*):([%w_]+)"
        class = class and class:gsub("^Shared", ""):lower()
        if class then methods[class] = methods[class] or {} table.insert(methods[class], name) end
      end
      local function refused(name, f, ...)
        local ok, message = pcall(f, ...)
        if ok or not tostring(message):find("cannot use conrun here", 1, true) then
          print(name, ok, message)
        end
      end
      local child = native.fork()
      if child == 0 then
        for name, f in pairs(new) do refused("new " .. name, f) end
        for name, object in pairs(made) do
          if name ~= "pipe" then refused("tostring of " .. name, tostring, object) end
        end
        -- `wait_for` says that the lock is not held, and a pipe's end is let go as at its <close>.
        local called, arguments = 0, { apply = { print } }
        for _, map in ipairs { "map", "starmap", "map_async", "starmap_async", "imap", "imap_unordered" } do
          arguments[map] = { print, {} }
        end
        for name, object in pairs(made) do
          for _, method in ipairs(methods[name] or {}) do
            called = called + 1
            if method ~= "wait_for" and (method ~= "close" or name ~= "pipe") then
              refused(name .. ":" .. method, function()
                return object[method](object, table.unpack(arguments[method] or {}))
              end)
            end
          end
        end
        assert(called > 80, called)
        refused("handing on", function() conrun.thread.start(print, q) end)
        print(conrun.current().name, conrun.clock() > 0, conrun.cpu_count() > 0)
        os.exit(7, true)
      end
      print(native.wait(child))
      all_works()
    ]])
    assert.are.equal("main\ttrue\ttrue\n7\nall works\n", out, err)
  end)

  it("closes in peace what it leaves", function()
    local out, err = run(WORLD .. [[
      local child
      do
        local pool <close> = conrun.pool.threads(1)
        local guard <close> = conrun.lock.new():hold()
        local a <close>, b = conrun.pipe.new()
        local mapping = pool:imap(math.abs, { -1, -2, -3 })
        mapping()
        child = native.fork()
      end
      if child == 0 then return end
      print(native.wait(child))
      all_works()
    ]], "--audit")
    assert.are.equal("0\nall works\n", out, err)
    assert.matches("audit: clean", err)
  end)

  it("does not go on with a wait in whose callback it was made", function()
    local out, err = run(WORLD .. [[
      local f, child = conrun.future.new()
      f:on_done(function()
        child = native.fork()
        if child > 0 then q:put(native.wait(child)) end
      end)
      conrun.thread.start(function(future) future:set_result(1) end, f)
      q:get()
      print(q:get())
      q:put "x"
      all_works()
    ]])
    assert.are.equal("1\nall works\n", out)
    assert.matches("cannot use conrun here", err)
  end)

  it("does not keep the program's workers alive", function()
    local out, err, status = run [[
      local w = conrun.process.start(function() require("conrun").event.new():wait() end)
      local child = native.fork()
      if child == 0 then
        io.stdout:close() io.stderr:close()
        native.exec("sh", "-c", "while kill -0 " .. w.pid .. " 2>/dev/null; do :; done")
      end
      print(w.pid)
      io.stdout:flush()
      io.popen("kill -KILL " .. pid):close()
    ]]
    assert.are.equal(-9, status, err)
    assert.is_true(kinds.eventually(function() return not kinds.process_alive(tonumber(out)) end))
  end)
end)

describe("a program that becomes a daemon before it uses conrun", function()
  local USES = {
    "conrun.pool.threads(2):apply(math.abs, -7)",
    "conrun.pool.processes(2):apply(math.abs, -7)",
    "conrun.thread.start(math.abs, -7):result()",
    "conrun.process.start(math.abs, -7):result()",
    "(function() local q = conrun.queue.new() q:put(7) return q:get() end)()",
    "(function() local l = conrun.lock.new() for i = 1, 1000 do l:acquire() l:release() end return 7 end)()",
    "(function() local b = conrun.shared.buffer(1, { name = 'spec' .. pid }) b:write(0, '7') return b:read() end)()",
    "7",
  }
  for _, use in ipairs(USES) do
    it("uses it then: " .. use, function()
      local out, err = run(([[
        local fifo = os.tmpname()
        os.execute("rm " .. fifo .. " && mkfifo " .. fifo)
        if native.fork() > 0 then   -- this parent tells what its child has written
          local f <close> = io.open(fifo)
          print(f:read "a")
          os.remove(fifo)
          os.exit(0)
        end
        local f <close> = io.open(fifo, "w")
        if native.fork() > 0 then os.exit(0) end
        f:write(%s, conrun.current().kind)
      ]]):format(use), "--audit")
      assert.are.equal("7main\n", out, err)
      assert.matches("audit: clean", err)
    end)
  end

  it("has copies of what it made before", function()
    local out, err = run([[
      local q, l, v, pool = conrun.queue.new(), conrun.lock.new(), conrun.shared.value("i64", 5), conrun.pool.threads(2)
      local big = conrun.shared.array("f64", 100000)
      q:put "before" l:acquire() big[100000] = 1.5
      local child = native.fork()
      if child == 0 then
        q:put "in the child" v:add(1) l:release()
        assert(q:get() == "before" and q:get() == "in the child" and v:get() == 6 and big[100000] == 1.5)
        assert(pool:apply(function(x) return x:get() end, v) == 6)
        assert(conrun.process.start(function(x) return x:get() end, v):result() == 6)
        os.exit(3, true)
      end
      print(native.wait(child))
      print(q:size(), q:get(), v:get(), l:locked())
      l:release()
      print(pool:apply(math.abs, -2))
    ]], "--audit")
    assert.are.equal("3\n1\tbefore\t5\ttrue\n2\n", out, err)
    assert.is_nil(err:find "fault")
  end)

  it("may have used threads that have ended", function()
    local out, err = run [[
      local first, second = conrun.thread.start(math.abs, -1), conrun.thread.start(math.abs, -1)
      print(first:result())
      first:join() -- its result is known before it has ended
      second:join()
      local child = native.fork()
      if child == 0 then os.exit(conrun.thread.start(math.abs, -2):result()) end
      print(native.wait(child))
    ]]
    assert.are.equal("1\n2\n", out, err)
  end)
end)
