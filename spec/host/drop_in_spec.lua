-- SPDX-License-Identifier: MIT
--
-- conrun in the place of lua: the same output, the same messages, the same exit code,
-- byte for byte, over many command lines that nobody would write by hand.
--
-- cli_spec.lua has the command lines that people do write.  Here pairs of options meet
-- every kind of program, and then come the corners: what programs look like as
-- files, errors of all shapes, what happens at the end of a program.

local helpers = require "spec.helpers"
local quote = helpers.quote

local room -- a folder of this run, with both programs as ours/lua and theirs/lua

local function spill(path, text)
  local file <close> = assert(io.open(room .. "/" .. path, "wb"))
  file:write(text)
end

-- Runs a line of shell in the folder, with `program` as the command "lua".
local function invoke(program, line, input)
  spill("input", input or "")
  -- The environment of whoever runs the specs must not matter.
  local _, how, code = os.execute(([[cd %s && unset LUA_INIT LUA_INIT_5_4 LUA_PATH LUA_CPATH;
    { PATH=%s/%s:$PATH; %s
    } <input >output 2>errors]]):format(room, room, program, line))
  local function read(path) return (helpers.slurp(room .. path):gsub("0x%x+", "ADDRESS")) end
  return { out = read "/output", err = read "/errors", code = code, how = how }
end

local function same(line, input)
  local theirs, ours = invoke("theirs", line, input), invoke("ours", line, input)
  if theirs.out ~= ours.out or theirs.err ~= ours.err or theirs.code ~= ours.code or theirs.how ~= ours.how then
    error(("%s\n  lua:    %s %q %q\n  conrun: %s %q %q"):format(line, theirs.code, theirs.out, theirs.err,
      ours.code, ours.out, ours.err), 2)
  end
end

setup(function()
  room = helpers.run "mktemp -d":gsub("\n", "")
  local ours = helpers.run("readlink -f " .. quote(helpers.conrun)):gsub("\n", "")
  local theirs = helpers.run "command -v lua5.4":gsub("\n", "")
  assert(os.execute(("cd %s && mkdir ours theirs folder && ln -s %s ours/lua && ln -s %s theirs/lua"):format(
    room, quote(ours), quote(theirs))))
  spill("args.lua", [[
    local least = 0
    while arg[least - 1] do least = least - 1 end
    for i = least, #arg do io.write(i, "=", arg[i], ";") end
    print(...)]])
  spill("fails.lua", "local function f(...) error(...) end\nlocal function g(...) f(...) end\ng('failed', 1)")
  spill("bad.lua", "local x <const> = 1\nx = 2\n")
end)

teardown(function() os.execute("rm -rf " .. quote(room)) end)

local options = {
  "", "-i", "-v", "-W", "-E", "-e 'print(arg[0], ...)'", "-ex=1", "-l string", "-lm=math", "-l missing",
  "-e 'error [[from -e]]'", "-e 'x ='", "-x", "-e", "-", "--", "-vi", "-i -",
}

local further = { "", "-e 'print(arg[0], ...)'" }

local programs = { "", "args.lua", "args.lua -i '' 'a b' --help", "fails.lua", "bad.lua", "missing.lua" }

describe("every program with options", function()
  for _, first in ipairs(options) do
    it(("%q and any other"):format(first), function()
      for _, second in ipairs(further) do
        for _, program in ipairs(programs) do
          same(("lua %s %s %s"):format(first, second, program), "print('stdin', ...)\n1 + 1\n")
        end
      end
    end)
  end
end)

--- Programs on standard input, in a file, and as one line.
local texts = {
  -- errors of all shapes
  "error()", "error(nil)", "error(false)", "error(12)", "error(1.5)", "error({})", "error(print == nil)",
  "error(setmetatable({}, { __tostring = function() return 'text' end }))",
  "error(setmetatable({}, { __tostring = function() return nil end }))",
  "error(setmetatable({}, { __tostring = function() error 'inner' end }))",
  "error(setmetatable({}, { __tostring = function() error({}) end }))",
  "error(setmetatable({}, { __tostring = 'no function' }))",
  "error(setmetatable({}, { __name = 'My.Type' }))",
  "error(io.stdout)", "error(coroutine.create(print) and 'thread')",
  "error('with level 0', 0)", "error('with level 2', 2)", "error('a\\0b')", "error(('long '):rep(1000))",
  "local function f(n) if n == 0 then error 'deep' end f(n - 1) local _ end f(50)",
  "local function f(n) if n == 0 then error 'deep' end return f(n - 1) end f(50)",
  "local n = 0 local function f() n = n + 1 return f() + 1 end print(pcall(f)) print('levels', n)",
  "string.rep('x', math.maxinteger)",
  "coroutine.wrap(function() error 'in a coroutine' end)()",
  "coroutine.wrap(function() error({}) end)()",
  "print(coroutine.resume(coroutine.create(function() error 'x' end)))",
  "print(xpcall(error, debug.traceback, 'handled'))",
  "print(select('#', pcall(error)))",
  "local t <close> = setmetatable({}, { __close = function() error 'in close' end }) error 'first'",
  "local t <close> = setmetatable({}, { __close = function(_, e) print(e) end }) error 'closed'",
  "goto nowhere", "break", "for i = 1, 2 do", "x = }", "x = 'unfinished", "--[[ unfinished", "return return",
  "local a <close> = 42", "a.b.c = 1", "(nil)()", "local s = 'x' s.y.z()", "#nil", "return #nil", "1 < 'x'",
  "local t = setmetatable({}, { __index = function(_, k) error('no ' .. k) end }) return t.field",
  "require 'no.such.module'", "dofile 'missing.lua'", "dofile 'fails.lua'", "dofile 'bad.lua'", "assert(false)",
  "assert(nil, { 1 })", "assert(loadfile 'bad.lua')", "load(function() error 'reader' end)()",
  -- the end
  "os.exit()", "os.exit(0)", "os.exit(77)", "os.exit(-1)", "os.exit(256 + 3)", "os.exit(true, true)",
  "os.exit(false, true)", "os.exit(3.0)", "os.exit(3.5)", "os.exit('3')", "os.exit('x')", "os.exit(nil, true)",
  "return 5", "return false", "return nil, 'x'",
  "io.write 'no newline'", "io.stdout:setvbuf('full') io.write 'buffered' os.exit(1)",
  "io.stdout:setvbuf('full', 100000) io.write 'buffered' os.exit(1, true)",
  "io.stdout:write 'a' io.stderr:write 'b' io.stdout:write 'c'",
  "io.stdout:close() print 'x'", "io.stdout:close() io.write 'x'", "io.stderr:close() error 'x'",
  "print(io.stdout:close())", "io.output():close() os.exit(0, true)",
  "setmetatable({}, { __gc = function() print 'end' end })",
  "for i = 1, 3 do _G['x' .. i] = setmetatable({}, { __gc = function() print(i) end }) end",
  "setmetatable({}, { __gc = function() error 'in gc' end })",
  "setmetatable({}, { __gc = function() os.exit(9) end }) setmetatable({}, { __gc = function() print 'first' end })",
  "setmetatable({}, { __gc = function() print 'last' end })"
    .. " setmetatable({}, { __gc = function() os.exit(9, true) end })",
  "setmetatable({}, { __gc = function() local x <close> = setmetatable({}, { __close = print }) error 'x' end })",
  "local x <close> = setmetatable({}, { __close = function() print 'closed' end }) os.exit(1, true)",
  "local x <close> = setmetatable({}, { __close = function() print 'not closed' end }) os.exit(1)",
  "local co = coroutine.wrap(function() os.exit(4, true) end) co()",
  "local f <close> = io.popen('exit 3') print(f:read 'a', f:close())",
  "print(os.execute 'exit 3')", "print(os.execute 'kill -9 $$')", "print(os.execute())",
  "io.popen('cat >&2', 'w'):write 'x'",
  -- warnings and the collector
  "warn '@on' warn 'one' warn('t', 'w', 'o') warn '@off' warn 'three'",
  "warn '@on' setmetatable({}, { __gc = function() error 'in gc' end }) collectgarbage()",
  "warn '@on' setmetatable({}, { __gc = function() error({}) end }) collectgarbage()",
  "warn '@on' setmetatable({}, { __gc = function() error 'at the end' end })",
  "warn '@unknown' warn('@on', '') warn '@on' warn('', '@off') warn 'still on'",
  "warn()", "warn({})", "warn(1)",
  "print(collectgarbage 'generational', collectgarbage 'incremental')",
  "print(collectgarbage 'isrunning', collectgarbage('setpause', 100), collectgarbage('setstepmul', 200))",
  -- what a script sees of its program
  "print(arg[0], arg[-1], #arg, ...)", "print(debug.getinfo(1, 'S').source, debug.getinfo(1, 'S').short_src)",
  "print(debug.traceback 'here')", "print(package.path, package.cpath, package.config)",
  "for _, n in ipairs { 'string', 'table', 'math', 'io', 'os', 'utf8', 'coroutine', 'debug', 'package' } do"
    .. " local names = {} for k in pairs(_G[n]) do names[#names + 1] = k end table.sort(names)"
    .. " print(n, table.concat(names, ' ')) end",
  "local names = {} for k in pairs(_G) do names[#names + 1] = k end table.sort(names) print(table.concat(names, ' '))",
  "local names = {} for k in pairs(package.loaded) do names[#names + 1] = k end table.sort(names)"
    .. " print(table.concat(names, ' '))",
  "print(_VERSION, math.maxinteger, math.pi, #string.dump(function() end))",
  "print(io.read 'n', io.read 'l', io.read 'a')", "for line in io.lines() do print(#line, line) end",
  "print(io.read(0), io.read(1), io.read 'L')", "print(debug.gethook())",
  "print(os.getenv 'HOME', os.getenv 'NO_SUCH')",
  "print(tostring(print):match '^builtin: ' or tostring(print):match '^function: ')",
  "print(pcall(string.format, '%d', 1.5))", "print(('x'):bad())", "print(os.setlocale(), os.setlocale 'C')",
  "debug.sethook(function() error 'from a hook' end, 'l')\nlocal x = 1",
  "debug.debug()",
}

describe("the same program", function()
  for i, text in ipairs(texts) do
    it(("as -e, as a file and on stdin: %s"):format(text:gsub("\n", " "):sub(1, 70)), function()
      spill("program.lua", text)
      same(("lua -e %s arg"):format(quote(text):gsub("arg$", "")), "1 line\n2")
      same("lua program.lua arg", "1 line\n2")
      if i % 3 == 0 then same("lua - arg <program.lua") end
      if i % 3 == 1 then same("lua <program.lua") end
      if i % 3 == 2 then same("lua -W -i program.lua", "1\n") end
    end)
  end
end)

describe("a file is taken for what it is:", function()
  local files = {
    ["an empty one"] = "",
    ["only a first line that is a comment"] = "#!/usr/bin/env lua",
    ["a comment, then an error in line 2"] = "# comment\nerror 'here'",
    ["a byte order mark"] = "\xEF\xBB\xBFprint 'bom'",
    ["a byte order mark and a comment"] = "\xEF\xBB\xBF# x\nprint(debug.getinfo(1, 'l').currentline)",
    ["half a byte order mark"] = "\xEF\xBBprint 'half'",
    ["lines that end as elsewhere"] = "print 'a'\r\nprint 'b'\rerror 'c'",
    ["a zero byte"] = "print 'a\0b' --\0\nprint(#'a\0b')",
    ["a zero byte between words"] = "print\0'x'",
    ["bytes beyond ASCII"] = "print '\xff\xfe' local \xe4 = 1",
    ["bytecode"] = string.dump(load "print('compiled', ...)"),
    ["bytecode after a comment"] = "#!lua\n" .. string.dump(load "print('compiled', ...)"),
    ["cut bytecode"] = string.dump(load "print 'compiled'"):sub(1, 40),
    ["bytecode of another version"] = "\27Lua\x53" .. ("\0"):rep(60),
    ["a very long line"] = "print(#'" .. ("x"):rep(300000) .. "')",
  }
  for name, text in pairs(files) do
    it(name, function()
      spill("program", text)
      same("lua program x")
      same("lua - x <program")
      same("lua <program")
      same("LUA_INIT=@program lua -e 'print(2)'")
      same("lua -e 'print(loadfile [[program]]) dofile [[program]]'")
    end)
  end

  it("a folder, nothing, or one that may not be read", function()
    same "lua folder"
    same "lua folder/"
    same "lua ''"
    same "lua folder/none"
    same "lua ./args.lua/x"
    same "lua - <folder"
    same "lua <folder"
  end)

  it("a pipe", function()
    same "mkfifo fifo; echo 'print [[from a pipe]]' >fifo & lua fifo; rm fifo"
  end)
end)

describe("the environment:", function()
  for _, line in ipairs {
    "LUA_INIT= lua -e 'print(1)'",
    "LUA_INIT='print(#arg, arg[0], ...)' lua args.lua x",
    "LUA_INIT='arg = nil' lua args.lua x",
    "LUA_INIT='os.exit(8)' lua args.lua",
    "LUA_INIT='error(nil)' lua -e 'print(1)'",
    "LUA_INIT='local x <close> = 1' lua -e 'print(1)'",
    "LUA_INIT='return 1, 2' lua -e 'print(1)'",
    "LUA_INIT='warn [[@on]]' lua -e 'warn [[x]]'",
    "LUA_INIT=@ lua -e 'print(1)'",
    "LUA_INIT=@folder lua -e 'print(1)'",
    "LUA_INIT=@fails.lua lua -e 'print(1)'",
    "LUA_INIT=@bad.lua lua -v",
    "LUA_INIT='print(1)' lua -v -i </dev/null",
    "LUA_INIT_5_4= LUA_INIT='print(1)' lua -e 'print(2)'",
    "LUA_INIT_5_4='error [[x]]' lua",
    "LUA_INIT='print(1)' lua -E",
    "LUA_INIT='print(1)' lua -x",
    "LUA_INIT='print(1)' lua missing.lua",
    "LUA_PATH=';;a' LUA_CPATH='b;;' lua -e 'print(package.path, package.cpath)'",
    "LUA_PATH=';;;;' lua -e 'print(package.path)'",
    "LUA_PATH= LUA_CPATH= lua -e 'print(package.path, package.cpath)'",
    "LUA_PATH_5_4=x LUA_CPATH_5_4=y LUA_PATH=a LUA_CPATH=b lua -e 'print(package.path, package.cpath)'",
    "LUA_PATH_5_4=x LUA_CPATH=b lua -E -e 'print(package.path, package.cpath)'",
    "LUA_PATH='./?.lua' lua -l args -e 'print(package.loaded.args)'",
    "LUA_PATH='./?.lua' lua -l fails",
    "LUA_PATH='./?.lua' lua -l bad -e 'print(1)'",
    "LUA_PATH='./?.lua' lua -l a.b.c=args -e 'print(1)'",
    "lua -l '=string' -e 'print(_G[\"\"])'",
    "lua -l '' -e 'print(1)'",
    "CONRUN_OPTIONS=--nonsense lua -e 'print(1)'",
    "env -i \"$(command -v lua)\" -e 'print(package.path, os.getenv [[PATH]])'",
  } do
    it(line, function() same(line) end)
  end
end)

describe("the name of the program:", function()
  for _, line in ipairs {
    "PATH=$PATH:; cd ours 2>/dev/null; cd ../theirs; true", -- changes nothing for the next
    "$(command -v lua | sed s,$PWD/,,) -e 'error [[x]]' 2>&1 | sed 's,^ours,theirs,'",
    "$(command -v lua | sed s,$PWD/,,) -x 2>&1 | sed 's,ours,theirs,g'",
  } do
    it(line, function() same(line) end)
  end
end)

describe("many and large arguments", function()
  it("reach the script", function()
    same "lua -e 'print(#arg, select(\"#\", ...), #arg[#arg])' - $(seq 5000) </dev/null"
    same "lua args.lua $(seq 300)"
    same "lua args.lua \"$(seq 20000)\" | md5sum"
  end)

  it("that cannot be pushed are an error", function()
    same "lua -e 'for i = 1, 2000000 do arg[i] = i end' args.lua"
  end)
end)

describe("streams that are closed or full", function()
  for _, line in ipairs {
    "lua -e 'print(1) print(2)' >/dev/full", "lua -v >/dev/full", "lua -i </dev/null >/dev/full", "lua -v >&-",
    "lua -e 'io.stderr:write [[x]]' 2>/dev/full", "lua -e 'error [[x]]' 2>/dev/full", "lua -x 2>&-", "lua <&-",
    "lua - <&-", "lua -i <&-", "lua -e 'print(io.write [[x]])' >&-", "lua -e 'print(io.stdout:seek())' >&-",
    "lua -e 'io.stdout:write(1)' <&- >&- 2>&-; echo $?", "lua -e 'print(io.read(0), io.read(1))' </dev/null",
  } do
    it(line, function() same(line) end)
  end
end)
