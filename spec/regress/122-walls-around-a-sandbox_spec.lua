-- SPDX-License-Identifier: MIT
--
-- sandbox = true: walls around a process that no code in it takes down.

local conrun = require "conrun"
local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

local LONG = kinds.LONG

-- Calls that would get a process something new, or do something to another one.
local CALLS = [[
  local pid = conrun.current().pid
  local calls = {
    { "openat", -100, "/dev/null", 0 }, { "openat", -100, "/tmp/conrun-spec", 65, 384 },
    { "openat2", -100, "/dev/null", ("\0"):rep(24), 24 }, { "open_by_handle_at", 0, ("\0"):rep(64), 0 },
    { "memfd_create", "x", 0 }, { "inotify_init1", 0 }, { "statx", -100, "/etc", 0, 0, ("\0"):rep(256) },
    { "unlinkat", -100, "/nowhere", 0 }, { "mkdirat", -100, "/tmp", 0 }, { "renameat2", -100, "/a", -100, "/b", 0 },
    { "fchmodat", -100, "/nowhere", 0 }, { "socket", 1, 1, 0 }, { "socket", 2, 1, 0 }, { "socket", 16, 3, 0 },
    { "socketpair", 1, 1, 0, ("\0"):rep(8) }, { "connect", 0, ("\0"):rep(16), 16 }, { "bind", 0, ("\0"):rep(16), 16 },
    { "sendmsg", 1, ("\0"):rep(56), 0 }, { "sendto", 1, "x", 1, 0, ("\1\0"):rep(8), 16 },
    { "execve", "/bin/true", 0, 0 }, { "execveat", -100, "/bin/true", 0, 0, 0 },
    { "clone", 17 }, { "kill", 1, 0 }, { "kill", main, 0 }, { "kill", -1, 0 }, { "tgkill", main, main, 0 },
    { "pidfd_open", pid, 0 }, { "ptrace", 0 }, { "process_vm_readv", pid, 0, 0, 0, 0, 0 },
    { "io_uring_setup", 1, ("\0"):rep(120) }, { "bpf", 0, ("\0"):rep(120), 120 }, { "unshare", 1 << 28 },
    { "mount", "none", "/tmp", "tmpfs", 0, 0 }, { "personality", 0 }, { "ioctl", 0, 0x5412, "x" },
    { "prctl", 4, 1 },
  }
  local wrong = {}
  for _, c in ipairs(calls) do
    local e = native.call(table.unpack(c))
    if e ~= 1 then wrong[#wrong + 1] = ("%s: errno %d"):format(c[1], e) end
  end
  local new_process = native.call("clone3", ("\0"):rep(88), 88)
  if new_process ~= 38 then wrong[#wrong + 1] = "clone3: errno " .. new_process end
  if native.call "getpid" ~= 0 then wrong[#wrong + 1] = "getpid" end
  return table.concat(wrong, ", ")
]]

describe("walls", function()
  it("hold code of C", function()
    local out, err = kinds.run(([[
      local native = require "native"
      print(conrun.process.start({ sandbox = true }, function(main) %s end, conrun.current().pid):result())
    ]]):format(CALLS), nil, helpers.with_native)
    assert.are.equal("\n", out, err)
  end)

  it("hold the threads of the process, and the processes that it starts", function()
    local told = conrun.process.start({ sandbox = true }, function()
      local made = require "conrun"
      local function try() return (select(3, io.open "/etc/hostname")) end
      return { made.thread.start(try):result(), made.process.start(try):result(),
        made.process.start({ sandbox = true, libs = { "io" } }, try):result(),
        made.pool.processes(1):apply(try), made.pool.threads(1):apply(try) }
    end):result(LONG)
    assert.are.same({ 1, 1, 1, 1, 1 }, told)
  end)

  it("hold what Lua's own libraries ask for, and all else works", function()
    assert.is_truthy(pcall(require, "lpeg"))
    local path = os.tmpname()
    os.remove(path)
    local told = conrun.process.start({ sandbox = true }, function()
      local made = require "conrun"
      local q, told = made.queue.new(), {}
      for name, f in pairs {
        open = function() return select(3, io.open "/etc/hostname") end,
        write = function() return select(3, io.open(path, "w")) end,
        remove = function() return select(3, os.remove(path)) end,
        rename = function() return select(3, os.rename(path, path .. "-other")) end,
        program = function() return os.execute "true" end,
        pipe = function() return (pcall(io.popen, "true")) and not io.popen "true" and 1 end,
        module = function() return pcall(require, "lpeg") end,
      } do
        told[name] = f()
      end
      told.buffer = pcall(made.shared.buffer, 8, { name = "conrun-spec" })
      local thread = made.thread.start(function() q:put "from a thread" return 1 end)
      told.thread, told.item = thread:result(), q:get(30)
      local p <close> = made.pool.new { workers = 2, kind = "process" }
      told.pool = p:map(function(x) return x * x end, { 1, 2, 3 })
      told.date = os.date "%z"
      return told
    end):result(LONG)
    for _, name in ipairs { "open", "write", "remove", "rename" } do assert.are.equal(1, told[name], name) end
    assert.is_nil(io.open(path))
    assert.is_nil(told.program)
    assert.are.equal(1, told.pipe)
    assert.is_false(told.module)
    assert.is_false(told.buffer)
    assert.are.equal(1, told.thread)
    assert.are.equal("from a thread", told.item)
    assert.are.same({ 1, 4, 9 }, told.pool)
    assert.are.equal(os.date "%z", told.date)
  end)

  it("stand around each worker of a pool, when its initializer runs, too", function()
    local function try() return (select(3, io.open "/etc/hostname")) end
    local p <close> = kinds.pool("process", 2, {
      sandbox = true,
      initializer = function() at_first = select(3, io.open "/etc/hostname") end, -- luacheck: ignore
    })
    assert.are.same({ 1, 1, 1, 1 }, p:map(try, { 1, 2, 3, 4 }, { chunksize = 1 }))
    assert.are.equal(1, p:apply(function() return at_first end)) -- luacheck: ignore
    assert.are.equal("number", type(p:apply(function(f) return f() end, math.random)))
  end)

  it("come after the modules that the function names", function()
    local lpeg = require "lpeg"
    local function match(text) return lpeg.match(lpeg.C(lpeg.R "az" ^ 1), text) end
    assert.are.equal("abc", conrun.process.start({ sandbox = true }, match, "abc1"):result(LONG))
    local p <close> = kinds.pool("process", 1, { sandbox = true, initializer = function() return lpeg.R ~= nil end })
    assert.are.equal("abc", p:apply(match, "abc1"))
  end)

  it("make of what leaves them data", function()
    local w = conrun.process.start({ sandbox = true }, function() return function() end end)
    local e = kinds.raised_kind("transfer", w.result, w, LONG)
    assert.matches("cannot send a function of a sandbox", e.message)
    local open <close> = kinds.pool("process", 1)
    local ok, message = conrun.process.start({ sandbox = true }, function(p)
      local good, m = pcall(p.submit, p, tostring, 1)
      return good, tostring(m)
    end, open):result(LONG)
    assert.is_false(ok)
    assert.matches("cannot submit to pool", message)
  end)

  it("are not left by asking", function()
    local told = conrun.process.start({ sandbox = true }, function()
      local made, told = require "conrun", {}
      for i, options in ipairs { { sandbox = false }, { sandbox = false, libs = {} } } do
        told[i] = tostring(select(2, pcall(made.process.start, options, print)))
      end
      told[3] = tostring(select(2, pcall(made.pool.new, { sandbox = false, kind = "process" })))
      return told
    end):result(LONG)
    for i = 1, 3 do assert.matches("bad option 'sandbox' %(this worker is in one itself%)", told[i]) end
  end)

  it("are for processes", function()
    for _, call in ipairs {
      function() conrun.thread.start({ sandbox = true }, print) end,
      function() conrun.pool.new { sandbox = true } end,
      function() conrun.pool.new { sandbox = true, kind = "thread", libs = {} } end,
    } do
      assert.matches("bad option 'sandbox' %(a thread shares its process", tostring(kinds.raised(call)))
    end
    conrun.thread.start({ sandbox = false }, function() end):join()
    assert.matches("bad option 'sandbox' %(boolean expected", tostring(kinds.raised(conrun.process.start,
      { sandbox = "yes" }, print)))
  end)

  it("let the worker be ended, interrupted and told of a deadlock", function()
    local q = conrun.queue.new()
    local w = conrun.process.start({ sandbox = true }, function(go)
      go:put(1)
      require("conrun").sleep(3600)
    end, q)
    q:get(LONG)
    w:interrupt()
    kinds.raised_kind("interrupted", w.result, w, LONG)
    w = conrun.process.start({ sandbox = true }, function(go)
      go:put(1)
      require("conrun").sleep(3600)
    end, q)
    q:get(LONG)
    w:kill()
    kinds.raised_kind("worker_died", w.result, w, LONG)
    local out = kinds.run [[
      local a = conrun.process.start({ sandbox = true }, function() conrun.queue.new():get() end)
      print(pcall(a.result, a))
    ]]
    assert.matches("deadlock", out)
  end)

  it("need libseccomp, and say so", function()
    local folder = os.tmpname()
    os.remove(folder)
    helpers.run("mkdir " .. folder)
    local script = [[
      print(pcall(conrun.process.start, { sandbox = true }, print))
      print(pcall(conrun.pool.new, { sandbox = true, kind = "process" }))
      print(conrun.process.start(function() return "without walls" end):result())
    ]]
    local environment = "LD_LIBRARY_PATH=" .. helpers.quote(folder)
    helpers.run("echo nothing >" .. folder .. "/libseccomp.so.2")
    local out = kinds.run(script, nil, environment)
    local missing = "false\t[^\n]*cannot make a sandbox: the library libseccomp.so.2 is not installed[^\n]*\n"
    assert.matches("^" .. missing .. missing .. "without walls\n$", out)
    helpers.run(("cp %snative.so %s/libseccomp.so.2"):format(helpers.native, folder))
    out = kinds.run(script, nil, environment)
    assert.matches("the library libseccomp.so.2 is another than Debian's", out)
    helpers.run("rm -rf " .. folder)
  end)

  for _, missing in ipairs { "landlock", "landlock=EPERM", "seccomp" } do
    it("stand on kernels without the call " .. missing, function()
      local out, err = kinds.run([[
        print(conrun.process.start({ sandbox = true }, function()
          return (select(3, io.open "/etc/hostname"))
        end):result())
      ]], nil, helpers.quote(helpers.native .. "deny") .. " " .. missing)
      assert.are.equal("1\n", out, err)
    end)
  end
end)
