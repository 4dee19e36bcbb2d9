-- SPDX-License-Identifier: MIT
-- The command line: what Lua's own program does with a list of invocations,
-- conrun does too (output, messages, exit code); then what is conrun's own.
--
-- Both programs are called under the same name, "lua", through links in two folders,
-- so that messages, which begin with argv[0], can be compared as they are.  Under
-- that name conrun adds nothing of its own; "conrun" is a third link.

local CONRUN = os.getenv "CONRUN" or "build/conrun"

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local function capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function spill(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local room -- a folder of this run, with the two links and what tests need

-- Runs a line of shell in the folder, with `program` as the command "lua".
local function invoke(program, line, input)
  spill(room .. "/input", input or "")
  local _, how, code = os.execute(("cd %s && (PATH=%s/%s:$PATH; %s) <input >output 2>errors"):format(
    room, room, program, line))
  return { out = slurp(room .. "/output"), err = slurp(room .. "/errors"), code = code, how = how }
end

local function conrun(line, input) return invoke("ours", line, input) end

local function lua(line, input) return invoke("theirs", line, input) end

setup(function()
  room = capture("mktemp -d"):gsub("\n", "")
  local binary = CONRUN:sub(1, 1) == "/" and CONRUN or capture("pwd"):gsub("\n", "/") .. CONRUN
  local theirs = capture("command -v lua5.4"):gsub("\n", "")
  os.execute(("cd %s && mkdir ours theirs modules && ln -s %s ours/lua && ln -s lua ours/conrun"):format(
    room, quote(binary)))
  os.execute(("ln -s %s %s/theirs/lua"):format(quote(theirs), room))
  spill(room .. "/args.lua", [[
    for i = -9, 9 do if arg[i] and i ~= 0 then print(i, arg[i]) end end
    print(arg[0], #arg, ...)]])
  spill(room .. "/fails.lua", "local function f() error 'oops' end\nlocal function g() f() end\ng()")
  spill(room .. "/bad.lua", "x = = 1")
  spill(room .. "/shebang.lua", "#!/usr/bin/env lua\nprint 'after the first line'")
  spill(room .. "/-", "print 'a file named -'")
  spill(room .. "/init.lua", "print('init', ...)")
  spill(room .. "/modules/mine.lua", "print('loaded', ...) return { name = 'mine' }")
end)

teardown(function() os.execute("rm -rf " .. quote(room)) end)

-- Each is a line of shell, or { line, input }.
local same = {
  -- code, modules, warnings, in their order
  "lua -e 'print(1)'",
  "lua '-eprint(2)'",
  "lua -e 'x = 1' -e 'print(x)'",
  "lua -e 'print(...)'",
  "lua -e 'return 5'",
  "lua -e ''",
  "lua -l string -e 'print(string == require [[string]])'",
  "lua -lmath -e 'print(math.pi)'",
  "lua -l m=math -e 'print(m.pi, m == math)'",
  "LUA_PATH='modules/?.lua' lua -l mine -e 'print(mine.name)'",
  "LUA_PATH='modules/?.lua' lua -l it=mine -e 'print(it.name, mine)'",
  "lua -l no_such_module",
  "lua -W -e 'warn [[x]]'",
  "lua -e 'warn [[unseen]]' -W -e 'warn [[seen]]'",
  "lua -e 'warn([[@on]]) warn([[a]], [[b]])'",
  -- version
  "lua -v",
  "lua -v -e 'print(1)'",
  "lua -v args.lua",
  -- scripts and arg
  "lua args.lua",
  "lua args.lua a -x --audit '' 'two words'",
  "lua -W -e 'x = 1' -- args.lua b",
  "lua -E args.lua",
  "lua -e 'arg[1] = 7' args.lua a",
  "lua -e 'arg = 1' args.lua a",
  "lua -e 'arg = {[1] = 1, [2] = 2, [3] = 3}' args.lua a",
  "lua -e 'print(arg[0], arg[-1], #arg)'",
  "lua shebang.lua",
  "lua no_such_script.lua",
  "lua .",
  "lua -- no_such_script.lua",
  "lua -- -",
  "lua bad.lua",
  "lua fails.lua",
  { "lua", "print('from stdin', ...)" },
  { "lua -", "print('from stdin', ...)" },
  { "lua - a b", "print('from stdin', ..., arg[0])" },
  { "lua -e 'print(1)'", "print 'not run'" },
  { "lua -v", "print 'not run'" },
  { "lua -e 'print(1)' -", "print 'run'" },
  { "lua", "error 'in stdin'" },
  { "lua", "x = = 1" },
  { "lua --", "print 'run'" },
  -- the environment
  "LUA_INIT='print(1)' lua -e 'print(2)'",
  "LUA_INIT_5_4='print(54)' LUA_INIT='print(1)' lua -e 'print(2)'",
  "LUA_INIT=@init.lua lua -e 'print(2)'",
  "LUA_INIT=@no_such_file.lua lua -e 'print(2)'",
  "LUA_INIT='error [[in init]]' lua -e 'print(2)'",
  "LUA_INIT='x = = 1' lua -e 'print(2)'",
  "LUA_INIT='print(1)' lua -E -e 'print(2)'",
  "LUA_PATH='x;;' LUA_CPATH='y' lua -e 'print(package.path, package.cpath)'",
  "LUA_PATH='x;;' LUA_CPATH='y' lua -E -e 'print(package.path, package.cpath)'",
  "LUA_PATH_5_4='z' LUA_PATH=x lua -e 'print(package.path, os.getenv [[LUA_PATH]])'",
  "LUA_PATH=x lua -E -e 'print(os.getenv [[LUA_PATH]])'",
  -- errors
  "lua -e 'error()'",
  "lua -e 'error(nil)'",
  "lua -e 'error({})'",
  "lua -e 'error(print)'",
  "lua -e 'error(42)'",
  "lua -e 'error [[text]]'",
  "lua -e 'error([[text]], 0)'",
  "lua -e 'error(setmetatable({}, { __tostring = function() return [[described]] end }))'",
  "lua -e 'error(setmetatable({}, { __tostring = function() return 5 end }))'",
  "lua -e 'error(setmetatable({}, { __tostring = function() error [[again]] end }))'",
  "lua -e 'error(setmetatable({}, { __name = [[Thing]] }))'",
  "lua -e 'local function f() return f() + 1 end f()' 2>&1 | head -4",
  "lua -e 'x =='",
  "lua -e 'local t = nil; t.x = 1'",
  "lua -e 'print(1)' -e 'error [[stop]]' -e 'print(2)'",
  "lua -e 'coroutine.wrap(function() error [[in coroutine]] end)()'",
  "lua -e 'string.rep([[x]], -1, {})'",
  -- the end
  "lua -e 'os.exit(3)'",
  "lua -e 'os.exit(true)'",
  "lua -e 'os.exit(false)'",
  "lua -e 'os.exit(300)'",
  "lua -e 'io.write [[unflushed]] os.exit(0)'",
  "lua -e 'os.exit({})'",
  "lua -e 'setmetatable({}, { __gc = function() print [[gc]] end }) os.exit(4, true)'",
  "lua -e 'setmetatable({}, { __gc = function() print [[gc]] end }) os.exit(4)'",
  "lua -e 'setmetatable({}, { __gc = function() print [[gc]] end })'",
  "lua -e 'local x <close> = setmetatable({}, { __close = print }) os.exit(5, true)' | cut -c 1-5",
  "lua -e 'setmetatable({}, { __gc = function() os.exit(6) end })'",
  "lua -e 'print(collectgarbage [[incremental]])'",
  "lua -e 'print(1)' >&-",
  "lua -e 'io.stderr:write(tostring(io.write [[x]] ~= nil), tostring(select(2, io.stdout:flush())))' >&-",
  "lua -e 'print(io.read())' <&-",
  "lua -e 'error [[unheard]]' 2>&-",
  "lua -e 'os.execute [[echo heard by nobody]]' >&-",
  -- the interactive mode
  { "lua -i", "1 + 1\n=3\nx = 5\nx\nfor i = 1, 2 do\nprint(i)\nend\n'a', nil\n" },
  { "lua -i", "error 'x'\nerror({})\nlocal function\nf() return 1 end\nx y\n" },
  { "lua -i", "_PROMPT = 'p '\n_PROMPT2 = 'c '\nif true then\nprint(4) end\n" },
  { "lua -i", "_PROMPT = 7\n_PROMPT = setmetatable({}, { __tostring = function() return '?' end })\n1\n" },
  { "lua -i", "print = nil\n1\n" },
  { "lua -i", "print = function() error 'no' end\n1\n" },
  { "lua -i", "--\n;\nreturn\nreturn 1, 2" },
  { "lua -i", "f = function() error 'deep' end\nf()\n" },
  { "lua -i", "s = [[one\ntwo]]\ns\n" },
  { "lua -i", "os.exit(9)\nprint 'not run'\n" },
  { "lua -i -e 'x = 8'", "x\n" },
  { "lua -i args.lua a", "arg[1]\n" },
  { "lua -i fails.lua", "1\n" },
  { "lua -e 'x = 8' -i", "x\n" },
}

describe("conrun, as lua,", function()
  for _, case in ipairs(same) do
    local line, input = case, nil
    if type(case) == "table" then
      line, input = case[1], case[2]
    end
    local name = line .. (input and (" <<< %q"):format(input):gsub("\n", "n") or "")
    it("does the same for " .. name, function()
      assert.same(lua(line, input), conrun(line, input))
    end)
  end
end)

describe("the conversation", function()
  it("tells of a statement that the end of input cut off", function()
    local r = conrun("lua -i", "if true then\n")
    assert.equal("stdin:1: 'end' expected near <eof>\n", r.err)
    assert.equal(0, r.code)
  end)

  it("takes empty lines and long ones", function()
    local long = "#'" .. ("x"):rep(100000) .. "'\n"
    local r = conrun("lua -i", "\n\n" .. long)
    assert.equal("", r.err)
    assert.matches("> \n> \n> " .. long .. "100000\n> \n$", r.out)
  end)
end)

describe("a wrong option", function()
  for _, line in ipairs {
    "lua -x", "lua -vi", "lua -ix", "lua -Ex", "lua -vW", "lua -e", "lua -l", "lua -e -v", "lua -l -v",
    "lua -e 'print(1)' -x", "lua --x", "lua -v --x", "lua -1",
  } do
    it("is refused as by lua: " .. line, function()
      local theirs, ours = invoke("theirs", line), conrun(line)
      assert.equal(theirs.code, ours.code)
      assert.equal(theirs.out, ours.out)
      assert.equal(theirs.err, ours.err)
    end)
  end

  it("is refused as by lua also where conrun has it", function()
    for _, option in ipairs { "--help", "--version", "--audit", "--workers=2", "--examples" } do
      local line = "lua " .. option .. " -e 'print(1)'"
      assert.same(invoke("theirs", line), conrun(line))
    end
  end)
end)

describe("the program", function()
  it("leaves options after the script's name to the script", function()
    assert.matches("1\t%-%-help", conrun("conrun args.lua --help").out)
  end)

  it("--audit finds nothing after a script that uses nothing", function()
    local r = conrun "conrun --audit -e 'print(1)'"
    assert.equal("1\n", r.out)
    assert.equal("conrun: audit: clean\n", r.err)
    assert.equal(0, r.code)
  end)

  it("--audit keeps the exit code of a failing script", function()
    assert.equal(7, conrun("conrun --audit -e 'os.exit(7)'").code)
  end)
end)

-- A script's own process id; os.execute would shield the script from SIGINT
-- while the shell runs, a pipe does not.
local prelude = [[
  local pid = io.open "/proc/self/stat":read "n"
  local function interrupt() io.popen("kill -INT " .. pid):close() end ]]

describe("SIGINT", function()
  local function both(code, check)
    spill(room .. "/interrupt.lua", prelude .. code)
    check(invoke("theirs", "lua interrupt.lua"))
    check(conrun "lua interrupt.lua")
  end

  it("raises 'interrupted!' in running code", function()
    both("interrupt() while true do end", function(r)
      assert.equal(1, r.code)
      assert.matches("^lua: [^\n]*interrupted!\nstack traceback:\n", r.err)
    end)
  end)

  it("can be caught, once", function()
    both("print(pcall(function() interrupt() while true do end end)) print 'on'", function(r)
      assert.equal(0, r.code)
      assert.matches("^false\t[^\n]*interrupted!\non\n$", r.out)
    end)
  end)

  it("ends the program when it comes twice", function()
    both("pcall(function() interrupt() while true do end end) print 'once' io.stdout:flush()"
      .. " interrupt() while true do end", function(r)
      assert.equal("once\n", r.out)
      assert.equal(130, r.code)
    end)
  end)

  it("ends a wait", function()
    spill(room .. "/interrupt.lua", prelude .. [[
      local conrun = require "conrun"
      io.popen("kill -INT " .. pid)
      conrun.sleep(3600)]])
    local r = conrun "lua interrupt.lua"
    assert.equal(1, r.code)
    assert.matches("^lua: [^\n]*interrupted!\n", r.err)
  end)

  it("is the exit code 130 unless the program is called lua", function()
    for _, code in ipairs {
      "interrupt() while true do end",
      "local ok, e = pcall(function() interrupt() while true do end end) error('gave up: ' .. e)",
      "io.popen('kill -INT ' .. pid) require 'conrun'.sleep(3600)",
    } do
      spill(room .. "/interrupt.lua", prelude .. code)
      for _, line in ipairs { "conrun interrupt.lua", "conrun - <interrupt.lua", "conrun <interrupt.lua" } do
        local r = conrun(line)
        assert.equal(130, r.code)
        assert.matches("^conrun: [^\n]*interrupted!\n", r.err)
        assert.equal(1, select(2, r.err:gsub("stack traceback", "")))
      end
    end
  end)

  it("that was caught leaves other exit codes alone", function()
    local caught = "pcall(function() interrupt() while true do end end) "
    for code, rest in pairs { [0] = "", [1] = "error 'another'", [7] = "os.exit(7)" } do
      spill(room .. "/interrupt.lua", prelude .. caught .. rest)
      assert.equal(code, conrun("conrun interrupt.lua").code)
    end
  end)

  it("in a wait is one error, not two", function()
    spill(room .. "/interrupt.lua", prelude .. [[
      local conrun = require "conrun"
      print(pcall(function() io.popen("kill -INT " .. pid) conrun.sleep(3600) end))
      for i = 1, 1000 do conrun.sleep(0) end
      print 'on']])
    local r = conrun "lua interrupt.lua"
    assert.equal("", r.err)
    assert.matches("^false\t[^\n]*interrupted!\non\n$", r.out)
  end)

  -- As Ctrl-C does: the whole process group gets it, workers too.
  for _, kind in ipairs { "thread", "process" } do
    it("to the group of a mapping pool is one message: " .. kind, function()
      spill(room .. "/group.lua", [[
        local function task(i)
          if i == 4 then io.popen "kill -INT 0" end
          while true do local _ = {} end -- a sanitizer lets no signal into an empty loop
        end
        require "conrun.pool".new { kind = arg[1], workers = 4 }:map(task, { 1, 2, 3, 4 })]])
      local r = conrun("setsid -w conrun --audit group.lua " .. kind)
      assert.equal(130, r.code)
      assert.equal(1, select(2, r.err:gsub("interrupted!", "")))
      assert.equal(1, select(2, r.err:gsub("stack traceback", "")))
      assert.matches("conrun: audit: clean\n$", r.err)
    end)
  end

  it("in a conversation is an error like others", function()
    spill(room .. "/interrupt.lua", "print 'set up'")
    local r = conrun("lua -i", (prelude:gsub("local ", ""):gsub("\n", " "))
      .. "interrupt() while true do end\n'on'\n")
    assert.equal(0, r.code)
    assert.matches("interrupted!", r.err)
    assert.matches("> 'on'\non\n> \n$", r.out)
  end)
end)

describe("the end of the main script", function()
  it("waits for workers that are no daemons", function()
    local r = conrun [[lua -e 'require "conrun.thread".start(function()
      require "conrun".sleep(0.05) print "worker" end) print "main"']]
    assert.same({ "main\nworker\n", "", 0 }, { r.out, r.err, r.code })
  end)

  it("by an error or os.exit does not", function()
    for _, last in ipairs { "error([[no]], 0)", "os.exit(1)", "os.exit(1, true)" } do
      for _, kind in ipairs { "thread", "process" } do
        local r = conrun(([[lua -e 'require "conrun.%s".start(function()
          require "conrun".sleep(3600) end) %s']]):format(kind, last))
        assert.equal(1, r.code)
      end
    end
  end)
end)

describe("the program", function()
  it("does not take shared memory for a standard file that is closed", function()
    local r = conrun [[conrun --audit -e 'print(("x"):rep(10000)) io.stdout:flush()
      require "conrun.pool".processes(2):map(print, { 1, 2, 3 })' >&- ]]
    assert.equal("conrun: audit: clean\n", r.err)
    assert.equal(0, r.code)
  end)

  it("is one file: a copy elsewhere has all its parts", function()
    os.execute(("mkdir -p %s/copy && cp %s %s/copy/lua"):format(room, quote(CONRUN), room))
    local r = invoke("copy", [[cd / && lua -e 'print(require "conrun".version, require "conrun.pool".new)']])
    assert.equal(0, r.code)
    assert.matches("^%d+%.%d+%.%d+\tfunction: ", r.out)
  end)

  for _, module in ipairs { "lpeg", "cjson", "socket", "lfs" } do
    it("loads the C module " .. module, function()
      local r = conrun(("lua -e 'print(type(require [[%s]]))'"):format(module))
      assert.same({ "table\n", "", 0 }, { r.out, r.err, r.code })
    end)
  end

  it("prints the worker's traceback of an uncaught error", function()
    local r = conrun [[lua -e 'local t = require "conrun.thread".start(function()
      local function inner() error "deep inside" end inner() end) t:result()']]
    assert.equal(1, r.code)
    assert.matches("deep inside", r.err)
    assert.matches("stack traceback:\n.-inner", r.err)
  end)
end)
