-- SPDX-License-Identifier: MIT
--
-- The prompt as a person at a terminal meets it.  Off a terminal it is lua's, which
-- cli_spec.lua compares.

local helpers = require "spec.helpers"
local terminal = require "spec.host.terminal"

local function open(options)
  local t = terminal.open(options)
  t:ends ">"
  return t
end

describe("the prompt", function()
  it("shows results as Lua and keeps the last one in _", function()
    local t <close> = open()
    t:type('{ 3, b = "x", a = { true } }'):ends '{ 3, a = { true }, b = "x" }\n>'
    t:type("_[1] + 1"):ends "\n4\n>"
    t:type("_, nil, 'two'"):ends '\n4\tnil\t"two"\n>'
    t:type("=_ + 1"):ends "\n5\n>"
  end)

  it("tells errors and goes on", function()
    local t <close> = open()
    t:type("x ="):press "C-c"
    t:type("x = = 1"):shows "[1]:1: unexpected symbol near '='"
    t:type("error({})"):shows "(error object is a table value)"
    t:type("error('ou' .. 'ch')"):shows "ouch"
    t:type("6 * 7"):ends "\n42\n>"
  end)

  it("names each block by its number", function()
    local t <close> = open()
    t:type("function f() error 'here' end"):type("1 + f()"):shows "[1]:1: here"
    t:shows "[2]:1: in main chunk"
  end)

  it("says once that a local ends with its block", function()
    local t <close> = open()
    t:type("local x = 1"):ends "(a local ends with the block that it was typed in; without `local` it stays)\n>"
    t:type("local y = 2"):ends "> local y = 2\n>"
    t:type("x"):ends "\nnil\n>"
  end)

  it("says how one leaves it", function()
    local t <close> = open()
    t:type("exit"):ends "\nCtrl-D ends, and so does os.exit()\n>"
    t:type("quit()"):ends "\nCtrl-D ends, and so does os.exit()\n>"
    t:type("exit = 5"):type("exit"):ends "\n5\n>"
  end)

  it("says whom it waits for at the end", function()
    local t <close> = open()
    t:type("go = conrun.event.new()")
    t:type("w = conrun.thread.start({ name = 'patient' }, function() go:wait() end)"):ends "\n>"
    t:press("C-d"):shows "waiting for 1 worker to end: patient (Ctrl-C ends them)"
    t:press("C-c"):shows "ended 130"
  end)

  it("is edited", function()
    local t <close> = open()
    t:type("10 + 3", false):press("Left", "BSpace"):type("-", false)
    t:press("C-a"):type("-", false):press("C-e"):type("1"):ends "\n-41\n>"
    t:type("'", false):press("BSpace"):type("7"):ends "\n7\n>"
  end)

  it("takes text of any alphabet", function()
    local t <close> = open()
    t:type("'häßlich 日本語'", false):press("Left", "Left", "BSpace", "C-e")
    t:press("Enter"):ends '\n"häßlich 日語"\n>'
    t:type("#_"):ends "\n16\n>"
  end)

  it("takes a statement over several lines, and recalls it as one block", function()
    local t <close> = open()
    t:type("for i = 1, 2 do"):type("  print('line', i)"):type("end"):ends "line\t1\nline\t2\n>"
    t:type("'between'"):ends '"between"\n>'
    t:press("Up", "Up"):ends "> for i = 1, 2 do …\n  print('line', i) …\nend"
    t:press("Up", "C-e", "BSpace"):type(" * 10)", false):press("Down", "C-e", "Enter")
    t:ends "line\t10\nline\t20\n>"
  end)

  it("has a dim mark behind each line that goes on, until the block is over", function()
    local t <close> = open()
    t:type("do"):ends "> do …"
    t:type("long = 5", false):ends "> do …\nlong = 5"
    assert.is_truthy(helpers.eventually(function()
      return t:tmux("capture-pane -p -e -t 0"):find("do\27[2m …", 1, true)
    end))
    t:press("Enter"):ends "> do …\nlong = 5 …"
    t:press("BSpace"):ends "> do …\nlong = 5"
    t:press("Up", "C-e"):type(" --", false):ends "> do -- …\nlong = 5"
    t:press("Down", "C-a", "BSpace", "BSpace", "BSpace", "BSpace"):type(" ", false):press("C-e")
    t:ends "> do long = 5"
    t:type(" end"):ends "> do long = 5 end\n>"
    t:type("if long then"):type("end"):ends "> if long then\nend\n>"
  end)

  it("takes a paste of several lines as one block", function()
    local t <close> = open()
    t:paste("local a = 1\nlocal b = 2\nprint(a + b)"):ends "> local a = 1 …\nlocal b = 2 …\nprint(a + b)"
    t:press("Enter"):ends "\n3\n>"
  end)

  it("is drawn again when the terminal gets another size", function()
    local t <close> = open { width = 40 }
    local text = "'" .. ("0123456789"):rep(6) .. "'"
    t:type("x = " .. text, false):shows "89'"
    t:tmux "resize-window -x 70 -y 20"
    t:ends("> x = " .. text)
    t:press("Enter"):type("#x"):ends "\n60\n>"
  end)

  it("ends with Ctrl-D, on an empty line only", function()
    local t <close> = open()
    t:type("12", false):press("Left", "C-d", "Enter"):ends "\n1\n>"
    t:press("C-d"):shows "ended 0"
  end)

  it("is what os.exit leaves, with its code", function()
    local t <close> = open()
    t:type("io.write 'last words' os.exit(7)"):shows "last words\nended 7"
  end)

  it("gives programs the terminal", function()
    local t <close> = open()
    t:type("os.execute 'test -t 0 && test -t 1 && echo a terminal'"):shows "\na terminal\n"
    t:type("io.read()"):type("some words"):ends '"some words"\n>'
  end)

  it("begins a line of its own", function()
    local t <close> = open()
    t:type("do io.write 'no end' end"):ends "\nno end\n>"
  end)
end)

describe("Ctrl-C at the prompt", function()
  it("stops code that runs, again and again", function()
    local t <close> = open()
    -- What runs allocates, since ThreadSanitizer lets no signal into an empty loop.
    for i = 1, 3 do
      t:type("print('run" .. "', " .. i .. ") while true do local _ = {} end"):shows("run\t" .. i)
      t:press("C-c"):ends "in main chunk\n        [C]: in ?\n>"
    end
    t:type("1 + 1"):ends "\n2\n>"
  end)

  it("says so at the third, if a C function runs that looks at nothing, and the next ends", function()
    local t <close> = open()
    t:type("print('pid', conrun.current().pid, 'end')"):shows "end\n>"
    local pid = t:screen():match "pid%s+(%d+)"
    t:type("socket = require 'socket' print('be' .. 'gun') socket.sleep(100)"):shows "\nbegun"
    -- Two that come before the program has a processor again are one signal.
    local presses = 0
    repeat
      t:press "C-c"
      presses = presses + 1
      helpers.eventually(function() return select(2, t:screen():gsub("%^C", "")) >= presses end)
    until t:screen():find "what runs does not stop" or presses == 10
    t:shows "what runs does not stop"
    t:press("C-c")
    assert.is_truthy(helpers.eventually(function() return not io.open("/proc/" .. pid .. "/cmdline") end))
  end)

  it("stops a coroutine, too", function()
    local t <close> = open()
    t:type("coroutine.wrap(function() print('in' .. 'side') while true do local _ = {} end end)()"):shows "\ninside"
    t:press("C-c"):shows "interrupted!"
    t:type("1 + 1"):ends "\n2\n>"
  end)

  it("stops a wait", function()
    local t <close> = open()
    t:type("print 'waiting' conrun.sleep(1e6)"):shows "\nwaiting"
    t:press("C-c"):shows "interrupted!"
    t:type("1 + 1"):ends "\n2\n>"
  end)

  it("clears the line", function()
    local t <close> = open()
    t:type("for i = 1, 2 do"):type("abc", false):ends "\nabc"
    t:press("C-c"):ends "\nabc\n>"
    t:press("C-c"):press("C-c"):type("1 + 1"):ends "\n2\n>"
  end)
end)

describe("Tab", function()
  it("completes globals, fields, methods and keywords", function()
    local t <close> = open()
    t:type("string.fo", false):press("Tab"):type("'%d', 5)"):ends "> string.format('%d', 5)\n\"5\"\n>"
    t:type("q = conrun.que", false):press("Tab"):type(".n", false):press("Tab"):type(")")
    t:ends "q = conrun.queue.new()\n>"
    t:type("q:task", false):press("Tab"):ends "> q:task_done("
    t:press("C-c"):type("colle", false):press("Tab"):ends "> collectgarbage("
    t:press("C-c"):type("repe", false):press("Tab"):ends "> repeat"
  end)

  it("completes options of calls and names of files", function()
    local t <close> = open()
    t:type("p = conrun.pool.new { work", false):press("Tab"):type("1 }"):ends "> p = conrun.pool.new { workers = 1 }\n>"
    t:type("p:map(print, { 1 }, { chu", false):press("Tab"):ends "{ chunksize ="
    t:press("C-c"):type("io.open '/etc/passw", false):press("Tab"):ends "> io.open '/etc/passwd"
  end)

  it("lists what there is to choose from, and keeps the line", function()
    local t <close> = open()
    t:type("conrun.queue.new():g"):press("C-c")
    t:type("l = conrun.lock.new()"):ends "\n>"
    t:type("l:", false):press("Tab"):ends "acquire  hold     locked   release  with\n> l:"
  end)

  it("completes names of modules inside require", function()
    local t <close> = open()
    t:type('require "conrun.bar', false):press("Tab"):ends '> require "conrun.barrier"'
  end)

  it("never calls an __index function", function()
    local t <close> = open()
    t:type "t = setmetatable({ field = 1 }, { __index = function() print 'called' os.exit(3) end })"
    t:ends "\n>"
    t:type("t.fi", false):press("Tab"):type(".x", false):press("Tab"):type(", 'here'", false):ends "> t.field.x, 'here'"
    assert.is_nil(t:screen():find "\ncalled")
  end)

  it("indents at the start of a line", function()
    local t <close> = open()
    t:type("if true then"):press("Tab"):type("x = 1"):type("end"):ends "> if true then\n  x = 1\nend\n>"
  end)
end)

describe("the history", function()
  it("is kept between runs, for its owner only", function()
    local home = helpers.run("mktemp -d"):gsub("\n", "")
    do
      local t <close> = open { home = home }
      t:type("if true then"):type("  print 'back\\\\slash'"):type("end"):ends "back\\slash\n>"
      t:type("'se' .. 'cond'"):ends '"second"\n>'
      t:press("C-d"):shows "ended 0"
    end
    local modes = helpers.run(("cd %s/.local/state && stat -c %%a conrun conrun/history"):format(home))
    assert.are.equal("700\n600\n", modes)
    do
      local t <close> = open { home = home }
      t:press("Up"):ends "> 'se' .. 'cond'"
      t:press("Up"):ends "> if true then …\n  print 'back\\\\slash' …\nend"
      t:press("Enter"):ends "\nback\\slash\n>"
      t:press("C-r"):type("cond", false):shows "bck:cond"
      t:press("Enter"):ends '"second"\n>'
    end
    os.execute("rm -rf " .. home)
  end)

  it("is in XDG_STATE_HOME if there is one, and becomes no longer than need be", function()
    local home = helpers.run("mktemp -d"):gsub("\n", "")
    os.execute(("mkdir -p %s/state/conrun && seq 3000 > %s/state/conrun/history"):format(home, home))
    local t <close> = open { home = home, env = "XDG_STATE_HOME=" .. home .. "/state" }
    t:type("'new'"):ends '"new"\n>'
    local lines = helpers.lines(helpers.slurp(home .. "/state/conrun/history"))
    assert.are.equal(1001, #lines)
    assert.are.equal("2001", lines[1])
    assert.are.equal("'new'", lines[1001])
    assert.are.equal("600\n", (helpers.run(("stat -c %%a %s/state/conrun/history"):format(home))))
    os.execute("rm -rf " .. home)
  end)

  it("is searched by what stands before the cursor", function()
    local t <close> = open()
    t:type("abc = 1"):type("other = 2"):type("abd = 3"):type("other = 4")
    t:type("ab", false):press("Up"):ends "> abd = 3"
    t:press("Up"):ends "> abc = 1"
    t:press("Up"):ends "> abc = 1"
    t:press("Down"):ends "> abd = 3"
    t:press("Down"):ends "> ab"
    t:press("C-c"):press("Up"):ends "> other = 4"
  end)

  it("is as long as one wants, or not kept at all", function()
    local home = helpers.run("mktemp -d"):gsub("\n", "")
    os.execute(("mkdir -p %s/.local/state/conrun && seq 3000 > %s/.local/state/conrun/history"):format(home, home))
    do
      local t <close> = open { home = home, env = "CONRUN_HISTORY=10" }
      t:type("'new'"):ends '"new"\n>'
    end
    local path = home .. "/.local/state/conrun/history"
    assert.are.equal(11, #helpers.lines(helpers.slurp(path)))
    os.execute("rm " .. path)
    do
      local t <close> = open { home = home, env = "CONRUN_HISTORY=0" }
      t:type("1 + 1"):ends "\n2\n>"
    end
    assert.is_nil(io.open(path))
    os.execute("rm -rf " .. home)
  end)

  it("that cannot be kept is told of, once", function()
    local t <close> = open { env = "XDG_STATE_HOME=/dev/null" }
    t:shows "history is not kept: /dev/null/conrun/history: Not a directory"
    t:type("1 + 1"):ends "\n2\n>"
    t:press("Up"):ends "> 1 + 1"
  end)
end)

describe("help", function()
  it("is there for names, functions, modules and objects", function()
    local t <close> = open { height = 60 }
    t:type("help()"):shows "Modules, each as conrun.NAME:"
    t:type("?queue.lifo"):shows "conrun.queue.lifo(maxsize?)\n"
    t:type("help(conrun.lock.new)"):shows "conrun.lock.new()\n"
    t:type("e = conrun.event.new()")
    t:type("?e"):shows "  event:is_set()\n"
    t:type("?string.rep"):shows "string.rep is Lua's own: section 6.4 of its manual"
    t:type("p = conrun.pool.new(1)")
    t:type("?p:submit"):shows "pool:submit(fn, ...)\n"
    t:type("help(nil)"):shows "nothing has that name, or its value is nil"
    t:type("?no_such_thing"):shows "conrun's reference has nothing called 'no_such_thing'"
  end)
end)

describe("a long text of help", function()
  it("goes through the pager, which takes the keys", function()
    local t <close> = open { height = 12, env = "PAGER='less -P paged'" }
    t:type("?pool.map"):shows "\npaged"
    t:press("q"):ends "\n>"
    t:type("1 + 1"):ends "\n2\n>"
  end)

  it("is printed where there is no pager", function()
    local t <close> = open { height = 12, env = "PAGER=no-such-pager" }
    t:type("?pool.map"):shows "\nReturns\n"
  end)
end)

describe("colours", function()
  it("are shown on a terminal", function()
    local t <close> = open()
    t:type("'text'"):shows '\n"text"\n'
    assert.is_truthy(t:screen("-e"):find '\27%[32m"text"')
  end)

  it("are left out where NO_COLOR is set", function()
    local t <close> = open { env = "NO_COLOR=1" }
    t:type("'text'"):shows '\n"text"\n'
    t:type("error 'wrong'"):shows "wrong"
    assert.is_nil(t:screen("-e"):find "\27%[3%d")
  end)
end)

describe("a terminal", function()
  it("that cannot move its cursor has a plain prompt", function()
    local t <close> = open { env = "TERM=dumb" }
    t:type("for i = 1, 2 do"):ends ">>"
    t:type("print('line', i)"):ends "\n>>"
    t:type("end"):shows "line\t1\nline\t2\n"
    t:type("'a' .. 'b'"):shows '"ab"'
    t:type("while true do local _ = {} end"):shows "do local _ = {} end\n"
    t:press("C-c"):shows "interrupted!"
    t:type("abc", false):press("C-c"):type("1 + 1"):shows "\n2\n"
    t:press("C-d"):shows "ended 0"
  end)

  it("without libedit has one too, and says why", function()
    local folder = helpers.run("mktemp -d"):gsub("\n", "")
    os.execute(": > " .. folder .. "/libedit.so.2")
    local t <close> = open { env = "LD_LIBRARY_PATH=" .. folder }
    t:shows "(no line editing: the library libedit is not installed)"
    t:type("1 + 1"):shows "\n2\n"
    os.execute("rm -r " .. folder)
  end)

  it("has lua's own prompt under the name lua", function()
    local folder = helpers.run("mktemp -d"):gsub("\n", "")
    os.execute(("ln -s %s %s/lua"):format(helpers.quote(terminal.conrun), folder))
    local t <close> = open { command = folder .. "/lua" }
    t:type("'text', help, _"):shows "\ntext\tnil\tnil\n"
    assert.is_nil(t:screen():find "conrun")
    os.execute("rm -r " .. folder)
  end)

  it("is as it was when the program is ended by a signal", function()
    local t <close> = terminal.open { command = "sh" }
    t:type(helpers.quote(terminal.conrun) .. "; stty -a | tr ' ' '\\n' | grep icanon"):shows "Ctrl-D ends"
    t:type "'pid ' .. io.open('/proc/self/stat'):read 'n'"
    local pid = t:shows '"pid ':match '"pid (%d+)'
    t:type("typed", false):ends "> typed"
    os.execute("kill -TERM " .. pid)
    t:shows "\nicanon\n"
  end)

  it("has job control: Ctrl-Z and fg", function()
    local t <close> = terminal.open { command = "sh -i" }
    t:type(helpers.quote(terminal.conrun)):ends "\n>"
    t:type("x = 'half", false):ends "> x = 'half"
    t:press("C-z"):shows "Stopped"
    t:type("stty -a | tr ' ' '\\n' | grep icanon"):shows "\nicanon\n"
    t:type("fg"):ends "\n> x = 'half"
    t:type(" and half'"):type("x"):ends '"half and half"\n>'
  end)

  it("that is closed ends the program and its workers", function()
    local t = open()
    t:type "w = conrun.process.start(function() while true do conrun.sleep(1) end end)"
    t:type "'pid ' .. w.pid"
    local pid = t:shows '"pid ':match '"pid (%d+)'
    t:close()
    assert.is_truthy(helpers.eventually(function() return not io.open("/proc/" .. pid .. "/cmdline") end))
  end)
end)
