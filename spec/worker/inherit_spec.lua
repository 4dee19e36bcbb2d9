-- SPDX-License-Identifier: MIT
--
-- What conrun has from the one who started it, and what those have whom it starts:
-- signal masks and dispositions, descriptors, limits.  A program that a strand starts
-- gets what a shell would give it, whichever strand that is and by whatever call.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

-- Signals by their numbers that a parent can leave ignored or blocked.
local function all_signals()
  local numbers = {}
  for n = 1, 31 do
    if n ~= 9 and n ~= 19 then numbers[#numbers + 1] = n end
  end
  return numbers
end

-- Main uses a process and a thread; one is killed, one is told to end; programs report.
local EVERYDAY = [[
  local w = conrun.process.start(math.abs, -3)
  print(w:result(), w:join(), w.exitcode)
  local stay = conrun.event.new()
  for _, how in ipairs { "kill", "terminate" } do
    local k = conrun.process.start(function(e) e:wait() end, stay)
    print(k[how](k), k:join(), k.exitcode)
  end
  print(conrun.thread.start(math.abs, -4):result())
  print(os.execute "exit 3")
  print(io.popen("exit 4"):close())
  print(conrun.pool.processes(1):apply(os.execute, "exit 5"))
]]
local EVERYDAY_SAYS = "3\ttrue\t0\ntrue\ttrue\t-9\ntrue\ttrue\t-15\n4\nnil\texit\t3\nnil\texit\t4\nnil\texit\t5\n"

describe("a program whose starter", function()
  for _, how in ipairs { "ignore", "block" } do
    it("left signals to " .. how .. " does its everyday work", function()
      for _, n in ipairs(all_signals()) do
        local out, err = kinds.run(EVERYDAY, nil, ("env --%s-signal=%d"):format(how, n))
        assert.are.equal(EVERYDAY_SAYS, out, "signal " .. n)
        assert.are.equal("", err)
      end
    end)

    it("left SIGINT to " .. how .. " is stopped by it", function()
      local _, err, status = kinds.run(
        "conrun.thread.start(function(p) os.execute('kill -INT ' .. p) end, pid) conrun.event.new():wait()",
        nil, ("env --%s-signal=INT"):format(how))
      assert.matches("interrupted!", err)
      assert.are.equal(130, status < 0 and 128 - status or status)
    end)
  end

  it("left descriptors open works, and its processes have none of them", function()
    local out = kinds.run([[
      print(conrun.process.start(os.execute, "test -e /dev/fd/7"):result())
      print(os.execute "test -e /dev/fd/7")
    ]], "3</dev/null 4</dev/null 7</dev/null")
    assert.are.equal("nil\texit\t1\ntrue\texit\t0\n", out)
  end)

  it("limits the size of files has shared memory within the limit, or is told of it", function()
    for _, case in ipairs { { 1000000, "7\n" }, { 40000, "7\n" } } do
      local out, err = kinds.run("print(conrun.process.start(math.abs, -7):result())", nil,
        ("ulimit -f %d;"):format(case[1]))
      assert.are.equal(case[2], out, err)
    end
    local out, err, code = helpers.run(("ulimit -f 1000; %s -e 'print(1)'"):format(helpers.quote(helpers.conrun)))
    assert.are.equal("", out)
    assert.matches("cannot map shared memory: ftruncate %(see ulimit %-f%): File too large", err)
    assert.are.equal(1, code)
  end)
end)

-- Each way to start a program that tells what it has been given: the lines of
-- /proc/self/status on blocked and ignored signals.  The kernel's own two of the C
-- library, 32 and 33, are nobody's.
local WAYS = [[
  local ways, native = {}, require "native"
  local tell = "exec grep -E '^Sig(Blk|Ign)' /proc/self/status"
  function ways.popen()
    local p <close> = io.popen(tell)
    return p:read "a"
  end
  function ways.execute()
    local name = os.tmpname()
    os.execute(tell .. " >" .. name)
    local f <close> = io.open(name)
    os.remove(name)
    return f:read "a"
  end
  function ways.fork()
    local name = os.tmpname()
    local child = require "native".fork()
    if child == 0 then
      require "native".exec("sh", "-c", tell .. " >" .. name)
    end
    require "native".wait(child)
    local f <close> = io.open(name)
    os.remove(name)
    return f:read "a"
  end
  for _, name in ipairs { "popen", "execute", "fork" } do
    for _, kind in ipairs { "main", "thread", "process" } do
      local text = kind == "main" and ways[name]() or conrun[kind].start(ways[name]):result()
      local blocked, ignored = text:match "SigBlk:%s+(%x+)%s+SigIgn:%s+(%x+)"
      print(name, kind, tonumber(blocked, 16), tonumber(ignored, 16) & 0x7fffffff)
    end
  end
]]

local function told(mask, ignored)
  local lines = {}
  for _, name in ipairs { "popen", "execute", "fork" } do
    for _, kind in ipairs { "main", "thread", "process" } do
      lines[#lines + 1] = ("%s\t%s\t%d\t%d\n"):format(name, kind, mask, ignored)
    end
  end
  return table.concat(lines)
end

describe("a program that a strand starts", function()
  it("has no signal blocked and none ignored", function()
    local out, err = kinds.run(WAYS, nil, helpers.with_native .. " env --default-signal")
    assert.are.equal(told(0, 0), out, err)
  end)

  it("has those ignored that were ignored before conrun, but SIGCHLD", function()
    local out, err = kinds.run(WAYS, nil, helpers.with_native
      .. " env --default-signal --ignore-signal=HUP,USR1,CHLD")
    assert.are.equal(told(0, 1 << 0 | 1 << 9), out, err)
  end)

  it("has no signal blocked that was blocked before conrun", function()
    local out, err = kinds.run(WAYS, nil, helpers.with_native .. " env --default-signal --block-signal=TERM,USR1,CHLD")
    assert.are.equal(told(0, 0), out, err)
  end)

  it("has those ignored that a module of the same process ignores", function()
    local out, err = kinds.run("require 'native'.signal(12, 'ignore') " .. WAYS, nil, helpers.with_native
      .. " env --default-signal")
    assert.are.equal((told(0, 1 << 11):gsub("(process\t0\t)%d+", "%10")), out, err)
  end)

  it("has SIGINT as ever while main waits for another", function()
    local out, err = kinds.run([[
      local go, gone = conrun.event.new(), conrun.event.new()
      local w = conrun.thread.start(function(a, b)
        a:wait()
        local p <close> = io.popen "exec grep SigIgn /proc/self/status"
        local text = p:read "a"
        b:set()
        return text
      end, go, gone)
      local fifo = os.tmpname()
      os.execute("rm " .. fifo .. " && mkfifo " .. fifo)
      conrun.thread.start(function(f, a, b)
        local out <close> = io.open(f, "w")   -- main waits for its program from here on
        a:set()
        b:wait()
      end, fifo, go, gone)
      os.execute("cat " .. fifo)
      os.remove(fifo)
      print(tonumber(w:result():match "%s(%x+)", 16) & 0x7fffffff)
    ]], nil, "env --default-signal")
    assert.are.equal("0\n", out, err)
  end)
end)

describe("Ctrl-C", function()
  for _, call in ipairs { "os.execute(%q)", "io.popen(%q):close()", "io.popen(%q):read 'a'" } do
    it("reaches main while a thread is in " .. call:format "...", function()
      local program = call:format("kill -INT $PPID")
      local _, err, status = kinds.run(([[
        conrun.thread.start({ daemon = true }, function() %s end)
        conrun.event.new():wait()
      ]]):format(program))
      assert.matches("interrupted!", err)
      assert.are.equal(-2, status)
    end)
  end

  it("is for the program alone while main waits for that", function()
    local out, err = kinds.run "print(os.execute 'kill -INT $PPID; exit 3')"
    assert.are.equal("nil\texit\t3\n", out)
    assert.are.equal("", err)
  end)
end)

describe("who stops the program", function()
  it("stops all of its processes, and lets them go on", function()
    local out = kinds.run([[
      local w = conrun.process.start({ daemon = true }, function() require("conrun").event.new():wait() end)
      local zygote = io.open("/proc/" .. w.pid .. "/stat"):read "a":match "%) %a (%d+)"
      local stops = 1 << 17 | 1 << 19 | 1 << 20 | 1 << 21   -- CONT, TSTP, TTIN, TTOU
      local function stoppable(p)
        local text = io.open("/proc/" .. p .. "/status"):read "a"
        local kept = 0
        for _, what in ipairs { "Blk", "Ign", "Cgt" } do
          kept = kept | tonumber(text:match("Sig" .. what .. ":%s+(%x+)"), 16)
        end
        return kept & stops == 0
      end
      for _, p in ipairs { pid, w.pid, zygote } do
        repeat until stoppable(p)   -- a process that forks blocks all for a moment
      end
      print "none is kept from it"
    ]], nil, "env --default-signal")
    assert.are.equal("none is kept from it\n", out)
  end)
end)

-- Each way to open a file that stays open, and what its number shows to be in /proc.
local OPENED = {
  ["io.open"] = [[io.open("/etc/passwd")]],
  ["io.tmpfile"] = "io.tmpfile()",
  ["io.popen"] = [[io.popen("cat", "w")]],
  ["a C module"] = [[require("socket").bind("127.0.0.1", 0)]],
}

describe("a process", function()
  for name, open in pairs(OPENED) do
    it("has nothing of what main has open by " .. name, function()
      local out, err = kinds.run(([[
        local kept = { %s }
        local function mine()
          local name = os.tmpname()
          os.execute("ls -l /proc/$PPID/fd | grep -c '[0-9] ->' >" .. name)
          local f <close> = io.open(name)
          os.remove(name)
          return f:read "n"
        end
        local before = conrun.process.start(mine):result()
        for i = 1, 20 do kept[#kept + 1] = %s end
        local w = conrun.process.start(mine)
        local zygote = io.open("/proc/" .. w.pid .. "/stat"):read "a":match "%%) %%a (%%d+)"
        print(w:result() == before, #kept)
      ]]):format(open, open))
      assert.are.equal("true\t21\n", out, err)
    end)
  end

  it("does not keep the reader of main's pipe from its end", function()
    local out, err = kinds.run([[
      local p = io.popen("cat", "w")
      local pool = conrun.pool.processes(2)
      pool:map(math.abs, { 1, 2 })
      p:write "all of it\n"
      print(p:close())
    ]])
    assert.are.equal("all of it\ntrue\texit\t0\n", out, err)
  end)

  it("does not keep the port of a socket that main has closed", function()
    local out = kinds.run([[
      local socket = require "socket"
      local s = assert(socket.bind("127.0.0.1", 0))
      local _, port = s:getsockname()
      conrun.process.start(math.abs, 1):join()
      s:close()
      print((socket.connect("127.0.0.1", port)))
    ]])
    assert.are.equal("nil\n", out)
  end)

  it("that a thread starts by the shell does not have the pipe of another", function()
    local out = kinds.run([[
      local p = io.popen("cat", "w")
      local go, gone = conrun.queue.new(), conrun.event.new()
      local w = conrun.thread.start(function(q, e)
        local child <close> = io.popen("cat", "w")
        q:put "started"
        e:wait()
      end, go, gone)
      go:get()
      print(p:close())
      gone:set()
    ]])
    assert.are.equal("true\texit\t0\n", out)
  end)
end)
