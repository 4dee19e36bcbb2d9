-- SPDX-License-Identifier: MIT
--
-- The options that are conrun's own, --word or --word=value, from the command line
-- and from CONRUN_OPTIONS.
--
-- The program is called under its own name through a link: under the name of Lua it
-- has none of them, which cli_spec.lua shows.

local helpers = require "spec.helpers"
local quote = helpers.quote

local room -- a folder of this run, with bin/conrun and scripts in share/
local program

local function spill(path, text)
  local file <close> = assert(io.open(room .. "/" .. path, "w"))
  file:write(text)
end

--- Runs the program with these arguments, as one types them.
---@return table out, err, code
local function conrun(line, environment)
  local out, err, code = helpers.run(("cd %s; %s %s %s"):format(room, environment or "", program, line))
  return { out = out, err = err:gsub(room .. "/bin/", ""), code = code }
end

setup(function()
  local pipe <close> = assert(io.popen("mktemp -d"))
  room = pipe:read "l"
  program = room .. "/bin/conrun"
  local binary = helpers.conrun:sub(1, 1) == "/" and quote(helpers.conrun) or '"$PWD"/' .. quote(helpers.conrun)
  -- A copy, since examples are looked for beside the program itself.
  assert(os.execute(("mkdir -p %s/bin %s/share/conrun/scripts && cp %s %s"):format(room, room, binary, program)))
  local scripts, licence = "share/conrun/scripts/", "-- SPDX-License-Identifier: MIT\n--\n"
  spill(scripts .. "squares.lua", licence .. "-- What squares are.\nprint(arg[0], ...)\n")
  spill(scripts .. "pi.lua", licence .. "-- Where pi hides,\n-- and how.\nos.exit(9)\n")
  spill(scripts .. "bare.lua", "print 'no comment'\n")
  spill(scripts .. "notes.txt", "-- Not a script.\n")
end)

teardown(function() os.execute("rm -rf " .. quote(room)) end)

describe("--help", function()
  it("fits a terminal, begins with examples and goes to stdout", function()
    local r = conrun "--help"
    assert.same({ 0, "" }, { r.code, r.err })
    assert.matches("^  conrun script%.lua", r.out)
    for row in r.out:gmatch "[^\n]+" do
      assert.is_true(#row < 80, row)
    end
  end)

  it("names every option", function()
    local r = conrun "--help"
    for _, name in ipairs {
      "audit", "color", "dump", "example", "examples", "explore", "help", "json", "memory-limit", "on-deadlock",
      "outcomes", "preemptions", "schedule", "seed", "stacks", "strategy", "top", "trace", "trace-size", "unasked",
      "version", "workers",
    } do
      assert.truthy(r.out:find("\n  --" .. name, 1, true), name)
    end
  end)

  it("says what the reference says about a name or a word", function()
    local r = conrun "--help=pool.map"
    assert.same({ 0, "" }, { r.code, r.err })
    assert.matches("^pool:map%(fn, xs", r.out)
    assert.matches("It is spoken of here:.*PoolOptions", conrun("--help=retries").out)
    assert.same({ 1, "conrun's reference has nothing called 'xyzzy'; help() tells what there is\n" },
      { conrun("--help=xyzzy").code, conrun("--help=xyzzy").out })
    assert.matches("bad value '' of option '%-%-help'", conrun("--help=").err)
  end)

  it("fails when nobody can read it", function()
    local full = conrun("--help >/dev/full")
    assert.equal(1, full.code)
    assert.equal("conrun: cannot write: No space left on device\n", (full.err:gsub("^[^:]*conrun", "conrun")))
  end)
end)

it("--version names both versions", function()
  local r = conrun "--version"
  assert.equal(0, r.code)
  assert.matches("^conrun %d+%.%d+%.%d+ %(Lua 5%.4%.%d+%)\n$", r.out)
end)

describe("a wrong option gets one line:", function()
  for line, message in pairs {
    ["--adit"] = "unrecognized option '--adit' (did you mean '--audit'?)",
    ["--wrokers=3"] = "unrecognized option '--wrokers=3' (did you mean '--workers'?)",
    ["--ondeadlock=off"] = "unrecognized option '--ondeadlock=off' (did you mean '--on-deadlock'?)",
    ["--nothing-like-it"] = "unrecognized option '--nothing-like-it'",
    ["--audit=yes"] = "option '--audit' takes no value",
    ["--workers"] = "option '--workers' needs a value: --workers=VALUE, an integer from 1 to 4095",
    ["--workers="] = "bad value '' of option '--workers' (an integer from 1 to 4095 expected)",
    ["--workers=0"] = "bad value '0' of option '--workers' (an integer from 1 to 4095 expected)",
    ["--workers=4x"] = "bad value '4x' of option '--workers' (an integer from 1 to 4095 expected)",
    ["--workers=99999999999999999999"] =
      "bad value '99999999999999999999' of option '--workers' (an integer from 1 to 4095 expected)",
    ["--seed=1.5"] = "bad value '1.5' of option '--seed' (an integer expected)",
    ["--on-deadlock=maybe"] = "bad value 'maybe' of option '--on-deadlock' (error, report or off expected)",
    ["--color=red"] = "bad value 'red' of option '--color' (auto, always or never expected)",
    ["--memory-limit=1K"] =
      "bad value '1K' of option '--memory-limit' (a size from 1M, such as 512M or 2G expected)",
    ["--memory-limit=5Q"] =
      "bad value '5Q' of option '--memory-limit' (a size from 1M, such as 512M or 2G expected)",
    ["--memory-limit=-5"] =
      "bad value '-5' of option '--memory-limit' (a size from 1M, such as 512M or 2G expected)",
    ["--dump=0"] = "bad value '0' of option '--dump' (the number of a process expected)",
    ["--top=x"] = "bad value 'x' of option '--top' (the number of a process expected)",
    ["--top --dump"] = "--dump and --top exclude each other",
    ["--hub --agent=x"] = "--hub and --agent exclude each other",
    ["--json"] = "option '--json' belongs to --dump: write both, or neither",
    ["--stacks"] = "option '--stacks' belongs to --dump: write both, or neither",
    ["--strategy=pct"] = "option '--strategy' belongs to --explore: write both, or neither",
    ["--outcomes"] = "option '--outcomes' belongs to --explore: write both, or neither",
    ["--tls"] = "option '--tls' belongs to --hub: write both, or neither",
    ["--agent=x --listen=y"] = "option '--listen' belongs to --hub: write both, or neither",
    ["--hub --tags=y"] = "option '--tags' belongs to --agent: write both, or neither",
    ["--tls-ca=y"] = "option '--tls-ca' belongs to --agent: write both, or neither",
    ["--token-file=y"] = "option '--token-file' belongs to --agent: write both, or neither",
    ["--example=nowhere"] = "no example 'nowhere'; --examples lists them",
    ["--example=../conrun/scripts/pi"] = "no example '../conrun/scripts/pi'; --examples lists them",
  } do
    it(line, function()
      local r = conrun(line .. " -e 'print(1)'")
      assert.same({ out = "", err = "conrun: " .. message .. "\n", code = 1 }, r)
    end)
  end
end)

describe("CONRUN_OPTIONS", function()
  local workers = [[-e 'print(require "conrun.pool".new():stats().workers)']]

  it("holds settings", function()
    assert.equal("3\n", conrun(workers, "CONRUN_OPTIONS=' --color=never  --workers=3 '").out)
  end)

  it("gives way to the command line", function()
    assert.equal("5\n", conrun("--workers=5 " .. workers, "CONRUN_OPTIONS=--workers=3").out)
  end)

  it("is hidden by -E, wherever that is", function()
    local r = conrun("-e 'print(1)' -E", "CONRUN_OPTIONS=--nonsense")
    assert.same({ out = "1\n", err = "", code = 0 }, r)
  end)

  it("may be empty", function()
    assert.equal("1\n", conrun("-e 'print(1)'", "CONRUN_OPTIONS=").out)
  end)

  for value, message in pairs {
    ["--nonsense"] = "unrecognized option '--nonsense'",
    ["--audit -e"] = "unrecognized option '-e'",
    ["script.lua"] = "unrecognized option 'script.lua'",
    ["--workers=no"] = "bad value 'no' of option '--workers' (an integer from 1 to 4095 expected)",
    ["--help"] = "option '--help' belongs on the command line",
    ["--example=pi"] = "option '--example' belongs on the command line",
  } do
    it("is refused with its name: " .. value, function()
      local r = conrun("-e 'print(1)'", "CONRUN_OPTIONS=" .. quote(value))
      assert.same({ out = "", err = "conrun: CONRUN_OPTIONS: " .. message .. "\n", code = 1 }, r)
    end)
  end
end)

describe("the examples", function()
  it("are listed with what their first line says", function()
    local r = conrun "--examples"
    assert.same({ 0, "" }, { r.code, r.err })
    assert.matches("^  bare +\n  pi +Where pi hides,\n  squares +What squares are%.\nRun one", r.out)
  end)

  it("run with arguments, as a script that was named", function()
    local r = conrun "-e 'x = 1' --example=squares --audit 2"
    assert.same({ out = room .. "/share/conrun/scripts/squares.lua\t--audit\t2\n", err = "", code = 0 }, r)
  end)

  it("have their own exit code", function()
    assert.equal(9, conrun("--example=pi").code)
  end)

  it("are found beside a program that was just built", function()
    assert(os.execute(("mkdir -p %s/tree/build && cp %s %s/tree/build/conrun && cp -r %s/share/conrun/scripts %s/tree/")
      :format(room, program, room, room, room)))
    local out = helpers.run(room .. "/tree/build/conrun --examples")
    assert.matches("What squares are", out)
  end)

  it("are in the binary for a copy elsewhere", function()
    assert(os.execute(("mkdir -p %s/far/far/away && cp %s %s/far/far/away/conrun"):format(room, program, room)))
    local copy = "cd / && " .. room .. "/far/far/away/conrun "
    local list, err = helpers.run(copy .. "--examples")
    assert.equal("", err)
    assert.matches("\n  squares +Does a larger pool", list)
    assert.is_nil(list:find "lesson")
    local out, _, code = helpers.run(copy .. "--example=pi --help")
    assert.equal(0, code)
    assert.matches("pi", out)
    -- This one has modules of its own, and workers that need them.
    out, err, code = helpers.run(copy .. "--example=sharing_data --kind=process")
    assert.same({ "", 0 }, { err, code })
    assert.matches("holds", out)
    assert.matches("no example 'lib/lesson'", (select(2, helpers.run(copy .. "--example=lib/lesson"))))
  end)
end)

describe("--seed", function()
  before_each(function()
    spill("random.lua", [[
      local conrun = require "conrun"
      local function draw() return math.random(1 << 40), math.random(1 << 40) end
      print("main", draw())
      for _, kind in ipairs { "thread", "process" } do
        for i = 1, 2 do print(kind, i, conrun[kind].start(draw):result()) end
        local pool <close> = conrun.pool.new { kind = kind, workers = 3 }
        local futures = {}
        for i = 1, 20 do futures[i] = pool:submit(draw) end
        for i = 1, 20 do print(kind, "task", i, futures[i]:result()) end
        print(table.unpack(pool:map(function() return math.random(1 << 40) end, { 1, 2, 3, 4, 5, 6, 7 })))
      end]])
  end)

  it("makes every strand and task draw the same numbers in each run", function()
    local first = conrun "--seed=42 random.lua"
    assert.same({ "", 0 }, { first.err, first.code })
    for _ = 1, 3 do
      assert.equal(first.out, conrun("--seed=42 random.lua").out)
    end
  end)

  it("makes no two of them draw the same numbers as each other", function()
    local seen = {}
    for line in conrun("--seed=42 random.lua").out:gmatch "[^\n]+" do
      for number in line:gmatch "%d%d%d%d%d%d+" do
        assert.is_nil(seen[number])
        seen[number] = true
      end
    end
  end)

  it("is what math.randomseed does in the main strand", function()
    local same = "print(math.random(1 << 40))"
    assert.equal(conrun(("-e 'math.randomseed(7) %s'"):format(same)).out, conrun(("--seed=7 -e '%s'"):format(same)).out)
    assert.are_not.equal(conrun("--seed=7 random.lua").out, conrun("--seed=-7 random.lua").out)
  end)
end)

describe("--memory-limit", function()
  it("is an ordinary error where memory is asked for, and the program goes on", function()
    spill("much.lua", [[
      local conrun = require "conrun"
      local queue, n = conrun.queue.new(), 0
      local text = ("x"):rep(100000)
      local ok, e = pcall(function() while true do queue:put(text) n = n + 1 end end)
      print(ok, e, n > 5 and n < 80)
      print(pcall(conrun.shared.buffer, 16 << 20))
      while queue:size() > 0 do queue:get() end
      print(queue:put(text), conrun.thread.start(function() return "a thread" end):result())
      local pool <close> = conrun.pool.processes(2)
      print(pool:apply(math.sqrt, 16))]])
    local r = conrun "--memory-limit=8M --audit much.lua"
    local short = "false\t[^\n]*not enough memory"
    assert.matches("^" .. short .. "\ttrue\n" .. short .. "\ntrue\ta thread\n4.0\n$", r.out)
    assert.same({ "conrun: audit: clean\n", 0 }, { r.err, r.code })
  end)

  it("takes letters for powers of 1024, of either case", function()
    for _, size in ipairs { "1048576", "2048k", "8M", "1g", "1T" } do
      assert.equal("1\n", conrun(("--memory-limit=%s -e 'print(1)'"):format(size)).out)
    end
  end)
end)

describe("--on-deadlock", function()
  before_each(function()
    spill("stuck.lua", [[
      local conrun = require "conrun"
      print(select(2, pcall(function() conrun.queue.new():get() end)))]])
  end)

  it("=error reports it and raises", function()
    local r = conrun "--on-deadlock=error stuck.lua"
    assert.matches("deadlock: main waits for queue", r.out)
    assert.matches("^conrun: deadlock: main waits for queue", r.err)
  end)

  it("=report only reports, once", function()
    spill("stuck.lua", [[
      local conrun = require "conrun"
      local main = conrun.current().pid
      local alive = conrun.process.start({ daemon = true }, function(folder, pid)
        -- Busy, but holds nothing that main waits for; ends main when the report is there.
        local function report()
          local file <close> = io.open(folder .. "/err2")
          return file and file:read "a":find "deadlock"
        end
        repeat conrun.sleep(0.01) until report()
        os.execute("kill -INT " .. pid)
      end, arg[1], main)
      alive = nil
      collectgarbage()
      print(select(2, pcall(function() conrun.queue.new():get() end)))]])
    local r = conrun(("--on-deadlock=report stuck.lua %s 2>%s/err2; cat %s/err2"):format(room, room, room))
    assert.matches("stuck.lua:%d+: interrupted!", r.out)
    assert.equal(1, select(2, r.out:gsub("conrun: deadlock:", "")))
  end)

  it("=off does nothing", function()
    local r = conrun([[--on-deadlock=off -e 'local conrun = require "conrun"
      conrun.process.start({ daemon = true }, function(pid)
        conrun.sleep(0.5) -- in which a wrong program would say something
        os.execute("kill -INT " .. pid)
      end, conrun.current().pid)
      print(select(2, pcall(function() conrun.queue.new():get() end)))']])
    assert.matches("interrupted!\n$", r.out)
    assert.equal("", r.err)
  end)
end)
