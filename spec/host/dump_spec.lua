-- SPDX-License-Identifier: MIT
--
-- conrun --dump: what another program does, seen from outside.
--
-- The program that is looked at runs the command that looks, and waits for it: so each sees
-- the other at a known place, and both end together.

local cjson = require "cjson"
local helpers = require "spec.helpers"

local quote = helpers.quote
local conrun = helpers.conrun:gsub("^[^/]", helpers.absolute "%0") -- from wherever

local PREFIX = [[
  local conrun = require "conrun"
  local pid = io.open "/proc/self/stat":read "n"
  local function shell(command)
    local pipe <close> = io.popen(command .. " 2>&1")
    return pipe:read "a"
  end
  local function dump(rest) return shell(("%s --dump=%d %s"):format(arg[-2], pid, rest or "")) end
  -- Other strands may not have come to their places yet.
  local function dump_with(pattern, rest)
    local text
    repeat text = dump(rest) until text:find(pattern)
    return text
  end
]]

local room

--- What a program prints that may use dump.
local function run(code)
  local path = room .. "/watched.lua"
  local file <close> = assert(io.open(path, "w"))
  file:write(PREFIX, code)
  file:close()
  local out, err, status = helpers.run(("%s -- %s"):format(quote(helpers.conrun), path))
  assert.same({ "", 0 }, { err, status })
  return out
end

setup(function() room = helpers.run("mktemp -d"):gsub("\n", "") end)
teardown(function() os.execute("rm -rf " .. quote(room)) end)

local HELD = [[
  local lock, queue, go = conrun.lock.new(), conrun.queue.new(3), conrun.event.new()
  local function wait(event) event:wait() end
  local function acquire(l) l:acquire() l:release() end
  lock:acquire()
  queue:put "item"
  local waiter = conrun.process.start({ name = "waiter" }, wait, go)
  local taker = conrun.thread.start({ name = "täker" }, acquire, lock)
  local pool = conrun.pool.new { name = "squares", workers = 2 }
  pool:apply(math.abs, -1)
  pcall(pool.apply, pool, error, "bad")
  local tasks = { pool:submit(wait, go), pool:submit(wait, go), pool:submit(wait, go) }
  local function finish()
    lock:release()
    go:set()
    taker:join() waiter:join()
    for _, task in ipairs(tasks) do task:result() end
  end
  local ALL = "event %d+ %(wait%).*lock %d+ %(acquire%).*event %d+ %(wait%).*event %d+ %(wait%)"
]]

describe("--dump", function()
  it("tells people and scripts what each strand does, what it waits for, and what there is", function()
    local out = run(HELD .. [[
      io.write(dump_with(ALL), dump "--json")
      io.write("\n", shell(("%s --dump=%d"):format(arg[-2], waiter.pid)):match "process (%d+):", " ", pid)
      finish()
    ]])
    local text, script, by_worker, main_pid = out:match "^(.-)({.*})\n\n(%d+) (%d+)$"
    assert.equal(main_pid, by_worker) -- any of its processes names a program
    assert.matches("^conrun %d+%.%d+%.%d+, process " .. main_pid .. ": [^\n]*watched%.lua\n"
      .. "up %d+%.%d s; 5 strands: 1 [^\n]+; [%d.]+[KM] of shared memory\n"
      .. "tasks: 1 queued, 2 running, 1 done, 1 failed\n\nSTRAND +KIND", text)
    assert.matches("\nmain +main +%d+ +%l+ +%d+%.%d s +[%d.]+[KM] +%-", text)
    assert.matches("\nwaiter +process +%d+ +waiting [^\n]+ event %d+ %(wait%), at [^\n]+watched.lua:%d+\n", text)
    assert.matches("\ntäker +thread +%d+ +waiting [^\n]+ lock (%d+) %(acquire%), held by 'main' since [^\n]+:%d+", text)
    assert.matches("\nsquares%-%d +thread +%d+ +waiting [^\n]+ squares #[345] ", text)
    assert.matches("\n'main' holds lock %d+, taken at [^\n]+watched.lua:%d+\n", text)
    assert.matches("\npool 'squares' +0 waiters +2 threads: 2 busy; 1 queued, 1 done, 1 failed\n", text)
    assert.matches("\nlock %d+ +1 waiter +held by 'main' since [^\n]+\n", text)
    assert.matches("\nqueue %d+ +0 waiters +1 of 3 items\n", text)

    assert.truthy(utf8.len(script))
    local seen, by_name = cjson.decode(script), {}
    for _, strand in ipairs(seen.strands) do
      by_name[strand.name] = strand
    end
    assert.same({ queued = 1, running = 2, done = 1, failed = 1 }, seen.tasks)
    assert.equal(5, #seen.strands)
    assert.is_false(seen.stopped)
    local main, taker = by_name.main, by_name["täker"]
    assert.same({ main.pid, main.pid, "main" }, { seen.pid, taker.pid, main.kind })
    assert.same({ "lock", "acquire", "main", main.holds[1].lock },
      { taker.waits.type, taker.waits.verb, taker.waits.holder, taker.waits.id })
    assert.same({ "squares", 2, 1 }, { seen.pools[1].name, seen.pools[1].running, seen.pools[1].queued })
    assert.equal(by_name["squares-1"].pool, seen.pools[1].id)
    for _, object in ipairs(seen.objects) do
      assert.is_true(object.type ~= "queue" or object.size == 1)
    end
  end)

  it("shows one that computes, and one that is in a call", function()
    local text = run [[
      local go = conrun.shared.value("i64", 0)
      local worker = conrun.thread.start({ name = "busy" }, function(v) while v:get() == 0 do end end, go)
      io.write(dump_with "\nmain +main +%d+ +calling.*\nbusy +thread +%d+ +running") -- main reads from the pipe
      go:set(1)
    ]]
    assert.matches("; 2 strands: 1 running, 1 calling; ", text)
  end)

  it("changes nothing in one that is stopped, and takes no memory of it", function()
    local before, text, after = run([[
      local lock = conrun.lock.new()
      lock:acquire()
      local memory
      for _, name in ipairs { 3, 4, 5, 6, 7, 8, 9 } do
        local link = shell(("readlink /proc/%d/fd/%d"):format(pid, name))
        memory = link:find "memfd:conrun" and ("/proc/%d/fd/%d"):format(pid, name) or memory
      end
      local sum = ("{ head -c 8M %s | cksum; stat -L -c %%b %s; }"):format(memory, memory)
      local stop = ("kill -STOP %d; while ! grep -q ') T ' /proc/%d/stat; do :; done"):format(pid, pid)
      io.write(shell(("%s; %s; %s --dump=%d; %s; kill -CONT %d"):format(stop, sum, arg[-2], pid, sum, pid)))
    ]]):match "^(%d+ %d+\n%d+\n)(.*\n)(%d+ %d+\n%d+\n)$"
    assert.equal(before, after)
    assert.matches("^conrun [^,]+, process %d+ %(stopped%): ", text)
    assert.matches("\nmain +main +%d+ +stopped [^\n]+\n\n'main' holds lock", text)
  end)

  it("shows hundreds of strands", function()
    local text = run [[
      local go, workers = conrun.event.new(), {}
      for i = 1, 200 do workers[i] = conrun.thread.start(function(e) e:wait() end, go) end
      io.write(dump_with "\nevent %d+ +200 waiters")
      go:set()
      for _, worker in ipairs(workers) do worker:join() end
    ]]
    local _, rows = text:gsub("\nThread%-%d+ +thread +%d+ +waiting ", "")
    assert.equal(200, rows)
  end)

  it("shows what a name cannot do to a terminal or to JSON", function()
    local text = run([[
      local queue, get = conrun.queue.new(), load("local q = ... q:get()", "=\27[31m\xC2\x9B")
      local worker = conrun.thread.start({ name = "a\27[2J\xFFb" }, get, queue)
      io.write(dump_with "queue %d+ %(get%)", dump "--json")
      queue:put(1)
    ]])
    assert.truthy(utf8.len(text))
    assert.is_nil(text:find("\27", 1, true))
    assert.is_nil(text:match("^(.-)\n{"):find("\xC2\x9B", 1, true))
    assert.matches('"name": "a%?%[2J\u{FFFD}b"', text)
  end)
end)

describe("--dump without a number", function()
  it("lists the programs that are running, if it is not the only one", function()
    local function say(rest)
      return ([[local pid = io.open "/proc/self/stat":read "n"
        io.popen(("%%s %s; echo pid %%d $?"):format("%s", pid), "w"):close()]]):format(rest, helpers.conrun)
    end
    -- This spec runs in another one.
    local out, err = helpers.run(("%s -e %s"):format(quote(helpers.conrun), quote(say "--dump")))
    local pid = out:match "\npid (%d+) 1\n$"
    assert.matches("^PID +UP +STRANDS +COMMAND\n", out)
    assert.matches("\n" .. pid .. " +%d+%.%d s +1 +[^\n]*conrun %-e local pid", out)
    assert.matches("conrun: %d+ programs are running; name one: %-%-dump=PID\n$", err)
    local found = cjson.decode((helpers.run(("%s -e %s"):format(quote(helpers.conrun), quote(say "--dump --json")))
      :gsub("pid %d+ 1\n$", "")))
    assert.is_true(#found.programs >= 2)
    assert.equal("number", type(found.programs[1].uptime))
  end)
end)

describe("--dump --stacks", function()
  it("makes the program print its stacks, and says where", function()
    local path = room .. "/errors"
    local out = helpers.run(("%s -e %s 2>%s"):format(quote(helpers.conrun), quote(([[
      local conrun = require "conrun"
      local pid = io.open "/proc/self/stat":read "n"
      local go = conrun.event.new()
      conrun.thread.start({ name = "other" }, function(e) e:wait() end, go)
      local function dump(rest) return io.popen(("%s --dump=%%d %%s"):format(pid, rest)):read "a" end
      repeat until dump "":find "event %%d+ %%(wait%%)" -- it may not have come so far
      io.write(dump "--stacks")
      local function heard() return io.open "/proc/self/fd/2":read "a" end
      repeat conrun.sleep(0.005) until heard():find "strand 'other'.*in method 'wait'"
      go:set()]]):format(helpers.conrun)), quote(path)))
    assert.truthy(out:find("\n\nIts Lua stacks come on its standard error, which is " .. path .. ".\n", 1, true))
  end)

  it("leaves one alone that does not listen", function()
    local code = ([[
      local pid = io.open "/proc/self/stat":read "n"
      local pipe <close> = io.popen(("%s --dump=%%d --stacks 2>&1"):format(pid))
      io.write(pipe:read "a")]]):format(conrun)
    local out, err, status = helpers.run(("cd %s && ln -s %s lua && ./lua -e %s"):format(quote(room), conrun,
      quote(code)))
    assert.same({ "", 0 }, { err, status })
    assert.matches("conrun: process %d+ does not listen for Ctrl%-\\ %(SIGQUIT%), which would end it", out)
  end)
end)

describe("--dump of what cannot be looked at:", function()
  -- The message of a failed command, without the program's name.
  local function refused(command)
    local out, err, status = helpers.run(command)
    assert.same({ "", 1 }, { out, status })
    return (err:gsub("^[^\n]*conrun: ", ""))
  end
  local function dump(pid) return refused(("%s --dump=%s"):format(quote(helpers.conrun), pid)) end

  -- A program that has a memory file with that beginning, and nothing else of conrun.
  local function impostor(face)
    local program = ([[
      require "memfile"("conrun", %s)
      print((io.open "/proc/self/stat":read "n"))
      io.stdout:flush()
      io.read()]]):format(face)
    local out, err = helpers.run(([[cd %s && mkfifo hold; %s lua5.4 -e %s <hold | { exec 4>hold; read pid
      %s --dump=$pid; }; rm hold]]):format(room, helpers.with_native, quote(program), conrun))
    assert.equal("", out)
    return (err:gsub("^[^\n]*conrun: ", ""))
  end

  it("another version", function()
    assert.matches("^process %d+ runs conrun 9%.9%.9, and this is conrun %d+%.%d+%.%d+; "
      .. "its own program can read it: /proc/%d+/exe %-%-dump=%d+\n$",
      impostor [[("I8I8I8I8i8c48"):pack(0x636f6e72756e0002, 1, 0x200000000000, 1 << 36, 0, "9.9.9")]])
    assert.matches("^process %d+ runs an older conrun, and this is ",
      impostor [[("I8I8I8I8i8c48"):pack(0x636f6e72756e0001, 1 << 36, 1 << 20, 1, 0, "")]])
  end)

  it("another build of the same version", function()
    assert.matches("^process %d+ runs another build of conrun %d+%.%d+%.%d+, which alone can read it: /proc/%d+/exe ",
      impostor(([[("I8I8I8I8i8c48"):pack(0x636f6e72756e0002, 1, 0x200000000000, 1 << 36, 0, "%s")]])
        :format(require "conrun".version)))
  end)

  it("a memory file of that name with something else, or with nothing", function()
    assert.matches("^process %d+ is no conrun, but 'lua5%.4'\n$", impostor [[("x"):rep(4096)]])
    assert.matches("^process %d+ is no conrun, but 'lua5%.4'\n$", impostor [[""]])
  end)

  it("another user's", function()
    -- As root it is somebody else who looks, where root may become that; as anybody else it
    -- is the first process, if that is root's.
    local copy, as = room .. "/conrun", ""
    if helpers.run "id -u" == "0\n" then
      as = "setpriv --reuid 65534 --regid 65534 --clear-groups "
    end
    if helpers.run(as .. "id -u") == helpers.run "stat -c %u /proc/1" or select(3, helpers.run(as .. "true")) ~= 0 then
      return
    end
    helpers.run(("cp %s %s; chmod 755 %s %s"):format(quote(helpers.conrun), copy, room, copy))
    assert.matches("^process 1 belongs to user '?[%w]+'?: only that user and root can look at it\n$",
      refused(("%s%s --dump=1"):format(as, copy)))
  end)

  it("a number that no process has", function()
    assert.equal("there is no process 2147483647\n", dump(2147483647))
  end)

  it("another program", function()
    assert.matches("^process %d+ is no conrun, but '%l+'\n$",
      refused(("sleep 60 & %s --dump=$!; code=$?; kill $!; exit $code"):format(quote(helpers.conrun))))
  end)

  it("one that has ended", function()
    local program = ([[
      local native, conrun = require "native", "%s"
      local pid = native.fork()
      if pid == 0 then native.exec(conrun, "-e", "") end
      local function ended()
        local file <close> = io.open(("/proc/%%d/stat"):format(pid))
        return file:read "a":find "%%) Z "
      end
      repeat until ended()
      io.popen(("%%s --dump=%%d 2>&1"):format(conrun, pid), "w"):close()]]):format(helpers.conrun)
    local out = helpers.run(("%s lua5.4 -e %s"):format(helpers.with_native, quote(program)))
    assert.matches("process %d+ has ended\n$", out)
  end)
end)
