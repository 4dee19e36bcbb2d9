-- SPDX-License-Identifier: MIT
--
-- SIGQUIT (Ctrl-\): every strand is named with what it does, waits for and holds,
-- prints its Lua stack when it can, and the program goes on as if not asked.
--
-- A child asks about itself: `show()` sends the signal, `said(...)` waits until all
-- the patterns are on its stderr, which is a file.  It ends with "went on", so a
-- question that ends or hangs the program fails its test.

local kinds = require "spec.lib.kinds"

local PREFIX = [[
  local errors = "/proc/self/fd/2"
  local function heard()
    local file <close> = io.open(errors)
    return file:read "a"
  end
  -- The pipe, unlike os.execute, does not shield this process from the signal.
  local function show() io.popen("kill -QUIT " .. pid):close() end
  local function said(...)
    for _, pattern in ipairs { ... } do
      while not heard():find(pattern) do conrun.sleep(0.01) end
    end
  end
]]

--- Runs a child whose source may use show and said.
local function run(source, options, environment)
  local out, err, status = kinds.run(PREFIX .. source .. "\nprint 'went on'", options, environment)
  assert.equal(0, status, err)
  assert.matches("went on\n$", out)
  return err, out
end

for _, kind in ipairs(kinds) do
  local function with_kind(source) return (source:gsub("KIND", kind)) end

  describe("SIGQUIT with a " .. kind, function()
    it("tells what waits, for what, where and since when, and what it holds", function()
      run(with_kind [[
        local lock, queue, ready = conrun.lock.new(), conrun.queue.new(), conrun.event.new()
        local function hold(l, q, e)
          l:acquire()
          e:set()
          return q:get()
        end
        local worker = conrun.KIND.start({ name = "holder" }, hold, lock, queue, ready)
        ready:wait()
        -- It may not sleep yet.
        repeat show() until heard():find "'holder' waits for queue"
        said("conrun: 2 strands\n", "strand 'main' is at work\n",
          "KIND 'holder' waits for queue %d+ %(get%), at [^\n]+:%d+, for %d+%.%d s\n"
          .. "    holds lock %d+, taken at [^\n]+:%d+\n",
          "strand 'holder' %(process %d+%):\n    %[C%]: in method 'get'\n    [^\n]+: in function <",
          "strand 'main' %(process %d+%):\n    [^\n]+\n    [^\n]+")
        queue:put(1)
        assert(worker:result() == 1)
      ]])
    end)

    it("shows the stack of one that computes", function()
      run(with_kind [[
        local go_on = conrun.shared.value("i64", 0)
        local function compute(v)
          local n = 0
          repeat n = n + #{ true } until v:get() == 1 -- allocates: ThreadSanitizer lets the signal in there
          return n
        end
        local worker = conrun.KIND.start({ name = "busy" }, compute, go_on)
        repeat show() until heard():find "strand 'busy' %(process %d+%):\n[^\n]-in function <"
        go_on:set(1)
        assert(worker:result() > 0)
      ]])
    end)

    it("shows a coroutine, and what resumed it", function()
      run(with_kind [[
        local queue, ready = conrun.queue.new(), conrun.event.new()
        local function outer(q, e)
          local inner = coroutine.wrap(function()
            e:set()
            return q:get()
          end)
          local value = inner()
          return value
        end
        local worker = conrun.KIND.start({ name = "outer" }, outer, queue, ready)
        ready:wait()
        repeat show() until heard():find "'outer' waits for queue" -- it may not sleep yet
        said("'outer' %(process %d+%):\n[^:]+: in method 'get'\n[^\n]+\n  a coroutine, resumed from:\n[^\n]+'inner'\n")
        queue:put(1)
        worker:result()
      ]])
    end)

    it("names one that is in a system call, and does not disturb it", function()
      local err, out = run(with_kind [[
        local fifo = os.tmpname()
        os.remove(fifo)
        os.execute("mkfifo " .. fifo)
        local function read(path)
          local file <close> = io.open(path) -- until somebody opens it to write
          return file:read "a"
        end
        local worker = conrun.KIND.start({ name = "reader" }, read, fifo)
        -- A pipe would flush all files first, which waits for the thread that reads one; while
        -- os.execute runs the signal is ignored.  So it is sent from behind, until it has come.
        local function ask() os.execute("kill -QUIT " .. pid .. " &") end
        local function answers() return select(2, heard():gsub("'reader' is in a system call", "")) end
        repeat ask() until answers() >= 1
        local file = io.open(fifo, "w")
        local words = 0
        repeat
          words = words + 1
          file:write "word "
          file:flush()
          ask()
        until answers() >= 10
        file:close()
        print(worker:result() == ("word "):rep(words))
        os.remove(fifo)
      ]])
      assert.matches("^true\n", out)
      assert.matches("is in a system call; its stack follows when that returns\n", err)
    end)

    it("names an idle worker of a pool", function()
      run(with_kind [[
        local pool <close> = conrun.pool.new { kind = "KIND", workers = 1, name = "lazy" }
        pool:apply(math.sqrt, 4)
        repeat show() until heard():find "KIND 'lazy%-1' waits for pool %d+ %(task%)"
        assert(pool:apply(math.sqrt, 9) == 3)
      ]])
    end)
  end)
end

describe("SIGQUIT", function()
  it("shows main where it waits", function()
    local err = run [[
      -- Asks until main has answered: an answer that comes with the end of the wait is from behind it.
      local worker = conrun.process.start({ daemon = true }, function(p)
        local function heard()
          local file <close> = io.open(("/proc/%d/fd/2"):format(p))
          return file:read "a"
        end
        repeat os.execute("kill -QUIT " .. p) until heard():find "in method 'join'"
      end, pid)
      worker:join()
    ]]
    assert.matches("strand 'main'", err)
  end)

  -- ThreadSanitizer keeps a signal back until its program calls something again.
  local it_or_pending = kinds.tsan and pending or it
  it_or_pending("leaves a read of main alone", function()
    local _, out = run [[
      local fifo = os.tmpname()
      os.remove(fifo)
      os.execute("mkfifo " .. fifo)
      -- Writes a line only when stderr has the answer to a question during the read.
      conrun.process.start(function(path, p, file_of_errors)
        local file <close> = io.open(path, "w")
        os.execute("kill -QUIT " .. p)
        repeat
          local errors <close> = io.open(file_of_errors)
        until errors:read "a":find "strand 'main' is at work"
        file:write "the line\n"
      end, fifo, pid, ("/proc/%d/fd/2"):format(pid))
      local file <close> = io.open(fifo)
      print(file:read())
      os.remove(fifo)
    ]]
    assert.matches("^the line\n", out)
  end)

  it("puts the script's own hook back", function()
    local _, out = run [[
      local function hook() end
      debug.sethook(hook, "r", 1000000)
      show()
      said "strand 'main' %(process"
      local now, mask, count = debug.gethook()
      print(now == hook, mask, count)
    ]]
    assert.matches("^true\tr\t1000000\n", out)
  end)

  it("asked again and again is answered in whole lines", function()
    local err = run [[
      local event = conrun.event.new()
      local function deep(e, n)
        if n == 0 then return e:wait() end
        return (deep(e, n - 1))
      end
      local workers = {}
      for i = 1, 8 do
        workers[i] = conrun[i % 2 == 0 and "thread" or "process"].start(deep, event, 100)
      end
      for _ = 1, 20 do show() end
      event:set()
      for _, worker in ipairs(workers) do worker:result() end
    ]]
    for line in err:gmatch "[^\n]*\n" do
      local known = line:find "^conrun: %d+ strands\n$" or line:find "^  %l+ '[%w-]+' [^\n]+\n$"
        or line:find "^strand '[%w-]+' %(process %d+%):\n$" or line:find "^    [^\n]+\n$"
      assert.truthy(known, line)
    end
  end)

  it("ends a program that is called lua, as it ends lua", function()
    local helpers = require "spec.helpers"
    local folder = helpers.run "mktemp -d":gsub("\n", "")
    local binary = helpers.run(("readlink -f %s"):format(helpers.quote(helpers.conrun))):gsub("\n", "")
    local _, err, code = helpers.run(([[cd %s && ulimit -c 0 && ln -s %s lua
      ./lua -e 'io.popen("kill -QUIT " .. io.open "/proc/self/stat":read "n"):close() while true do end' ]])
      :format(folder, helpers.quote(binary)))
    os.execute("rm -rf " .. helpers.quote(folder))
    assert.equal(131, code)
    assert.is_nil(err:find "strand")
  end)
end)
