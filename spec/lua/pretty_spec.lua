-- SPDX-License-Identifier: MIT
--
-- How values are shown at the prompt, and what Tab makes of a text; without a
-- terminal.  spec/host/repl_spec.lua has both in one.

local complete = require "conrun.repl.complete"
local conrun = require "conrun"
local help = require "conrun.repl.help"
local pretty = require "conrun.repl.pretty"

local format = pretty.format

-- Is the text Lua for an equal value?
local function read_back(text)
  return assert(load("return " .. text))()
end

describe("a value at the prompt", function()
  it("is Lua where Lua has words for it", function()
    for _, value in ipairs {
      1, -0.5, 1e100, math.mininteger, true, "text", "", "a\nb\t\"c\"\\ \0\1\1279 \27[0m", "\xff\xfehäß\u{65e5}\xc3",
      { 1, 2, { 3 } }, { a = 1, ["b c"] = 2, [3] = 3, [1.5] = 4, [true] = 5, ["end"] = 6, [-1] = 7 },
      { [2] = "hole" }, { { {} } },
    } do
      assert.are.same(value, read_back(format(value)))
    end
    assert.are.equal(math.huge, read_back(format(math.huge)))
    assert.are.equal(-math.huge, read_back(format(-math.huge)))
    assert.is_true(read_back(format(0 / 0)) ~= read_back(format(0 / 0)))
    assert.are.equal("nil", format(nil))
  end)

  it("has no byte that a terminal could take for a command", function()
    assert.is_nil(format("\27]0;title\7\r\n\x9b\u{80}" .. string.char(127)):find "[\0-\31\127]")
  end)

  it("has its list first and its keys in order", function()
    assert.are.equal("{ 1, 2, [7] = 3, [8] = 4, a = 5, b = 6, [false] = 0 }",
      format { b = 6, a = 5, [8] = 4, [7] = 3, [false] = 0, 1, 2 })
  end)

  it("shows cycles, but no table twice as one", function()
    local t = { name = "t" }
    t.self, t.list = t, { t }
    assert.are.equal('{ list = { <cycle> }, name = "t", self = <cycle> }', format(t))
    local shared = { 1 }
    assert.are.equal("{ { 1 }, { 1 } }", format { shared, shared })
  end)

  it("is limited in depth, entries and length", function()
    assert.are.equal("{ { {...} } }", format({ { { { 1 } } } }, { depth = 2 }))
    assert.are.equal("{ 1, 2, --[[3 more]] }", format({ 1, 2, 3, 4, 5 }, { entries = 2 }))
    assert.are.equal('"abc" --[[4 bytes more]]', format("abcdefg", { length = 3 }))
    assert.are.equal('"ä" --[[2 bytes more]]', format("ää", { length = 3 }))
    local wide = {}
    for i = 1, 1000 do
      wide[i] = {}
      for j = 1, 1000 do
        wide[i][j] = j
      end
    end
    assert.is_true(#format(wide) < 20000)
  end)

  it("takes several lines where one is too short", function()
    assert.are.equal('{\n  "0123456789",\n  key = "0123456789",\n}',
      format({ "0123456789", key = "0123456789" }, { width = 26 }))
    for _, line in ipairs { ("x"):rep(10), 12345, { 1, 2, 3 } } do
      local list = {}
      for i = 1, 60 do
        list[i] = line
      end
      for row in format({ deep = { list } }, { width = 50 }):gmatch "[^\n]+" do
        assert.is_true(#row <= 50, row)
      end
    end
  end)

  it("is what an object says of itself", function()
    local pool <close> = conrun.pool.new { workers = 1, name = "p1" }
    assert.are.equal(tostring(pool), format(pool))
    assert.are.equal("{ pool = " .. tostring(pool) .. " }", format { pool = pool })
    assert.are.equal("me", format(setmetatable({}, { __tostring = function() return "me" end })))
    assert.matches("^<error in __tostring: .*no", format(setmetatable({}, { __tostring = function() error "no" end })))
    assert.are.equal("<function string.rep>", format(string.rep))
    assert.are.equal("<function print>", format(print))
    assert.matches("^<function .*pretty_spec.lua:%d+>$", format(function() end))
    assert.matches("^<thread: 0x", format(coroutine.create(print)))
  end)

  it("calls no metamethod but __tostring", function()
    local function fail() error "called" end
    local t = setmetatable({ 1, 2, a = 3 },
      { __index = fail, __pairs = fail, __len = fail, __eq = fail, __lt = fail, __call = fail, __metatable = fail })
    assert.are.equal("{ 1, 2, a = 3 }", format(t))
  end)

  it("is coloured if one wants, and laid out as without", function()
    local colors = { string = "\27[32m", key = "\27[33m" }
    local value = { key = "text", list = { 1, 2, 3 } }
    local colored = format(value, nil, colors)
    assert.is_truthy(colored:find('\27[32m"text"\27[0m', 1, true))
    assert.are.equal(format(value), (colored:gsub("\27%[%d*m", "")))
  end)
end)

describe("completion", function()
  local function none() return {} end

  local function rest(text) return (complete.complete(text, none, 80)) end

  local function listed(text)
    local _, listing = complete.complete(text, none, 80)
    return listing
  end

  setup(function()
    _G.sample = { field = 1, fn = print, list = { { inner = 1 } }, ["a key"] = { found = 1 }, ["not a name"] = 1 }
    _G.called = false
    local function trap() _G.called = true end
    _G.trapped = setmetatable({ own = 1 }, { __index = trap, __pairs = trap })
    _G.child = setmetatable({}, { __index = setmetatable({ from_parent = 1 }, { __index = { from_grandparent = 1 } }) })
    _G.loop = {}
    setmetatable(_G.loop, { __index = _G.loop })
    _G.text_value = "text"
  end)

  teardown(function()
    for _, name in ipairs { "sample", "called", "trapped", "child", "loop", "text_value" } do
      _G[name] = nil
    end
  end)

  it("knows globals, fields and keywords", function()
    assert.are.equal("ple", rest "x = sam")
    assert.are.equal("eld", rest "print(sample.fi")
    assert.are.equal("(", rest "sample.fn")
    assert.are.equal("eat", rest "rep")
    assert.are.equal("ner", rest "sample.list[1].in")
    assert.are.equal("und", rest 'sample["a key"].fo')
    assert.is_nil(rest "sample.not")
    assert.is_nil(rest "x = ")
    assert.is_nil(rest "f().fi")
    assert.is_nil(rest "a.b.c.d")
    assert.is_nil(rest "1.")
    assert.is_nil(rest "'a' .. sample..fi")
  end)

  it("goes along __index as far as it is tables", function()
    assert.are.equal("from_grandparent  from_parent\n", listed "child.from_")
    assert.are.equal("rent", rest "child.from_pa")
  end)

  it("ends where tables go round", function()
    assert.is_nil(rest "loop.anything")
    assert.is_nil(rest "loop.loop.anything")
  end)

  it("knows methods of strings and of conrun's objects", function()
    assert.are.equal("er(", rest "text_value:upp")
    _G.object = conrun.shared.dict()
    assert.is_truthy(listed "object:":find "update")
    _G.object = conrun.thread.start(math.abs, 1)
    assert.is_truthy(listed "object.":find "exitcode")
    assert.is_nil(listed "object:":find "exitcode")
    _G.object = nil
  end)

  it("calls nothing of the user's", function()
    assert.are.equal("n", rest "trapped.ow")
    assert.is_nil(rest "trapped.other")
    assert.is_nil(rest "trapped.other.more")
    assert.is_false(_G.called)
  end)

  it("is silent in strings and comments", function()
    assert.is_nil(rest "x = 'sam")
    assert.is_nil(rest "x = [[ sam")
    assert.is_nil(rest "-- sam")
    assert.is_nil(rest "--[==[ ]] sam")
    assert.are.equal("ple", rest "x = 'it\\'s' .. \"\" .. [=[ ]] ]=] --[[ ]] .. sam")
    assert.are.equal("ple", rest "-- a comment\nsam")
  end)

  it("knows modules inside require", function()
    assert.are.equal('"', rest 'require "conrun.queue')
    assert.are.equal("'", rest "local q = require('conrun.queue")
    assert.is_nil(rest 'not_require "conrun.queue')
    local folders = { ["./"] = { "first_module.lua", "folder_of", "other.txt" }, ["./folder_of/"] = { "second.lua" } }
    local function list(folder) return folders[folder] or {} end
    local before = package.path
    package.path = "./?.lua"
    assert.are.equal('odule"', (complete.complete('require "first_m', list, 80)))
    assert.are.equal('nd"', (complete.complete('require "folder_of.seco', list, 80)))
    package.path = before
  end)

  it("hides names that begin with _ until one is typed", function()
    assert.is_nil((listed "sample." or ""):find "_")
    assert.are.equal("SION", rest "_VER")
  end)
end)

describe("help", function()
  it("is as wide as it may be", function()
    for _, subject in ipairs { conrun.pool, conrun.queue.new, conrun.shared.list(), conrun } do
      for line in help.text(1, subject, 60):gmatch "[^\n]+" do
        assert.is_true(utf8.len(line) <= 60 or line:find "^    " ~= nil or line:find "^[|%-]" ~= nil
          or not line:find "%s" or line:find "[.:]%w+%(" ~= nil, line)
      end
    end
  end)

  it("finds methods, classes and functions by value", function()
    assert.matches("^pool:map%(", (help.text(1, conrun.pool.threads(1).map, 80)))
    assert.matches("^conrun.Queue\n", (help.text(1, conrun.queue.new(), 80)))
    assert.matches("^conrun.pool\n", (help.text(1, conrun.pool, 80)))
    assert.matches("^queue:put%(", (help.text(1, "queue:put", 80)))
    assert.matches("^dict:update%(", (help.text(1, conrun.shared.dict_methods.update, 80)))
    local function own(a, b, ...) return a, b, ... end
    assert.matches("^function%(a, b, %.%.%.%), defined in", (help.text(1, own, 80)))
    assert.matches("math is a library of Lua's own", (help.text(1, math, 80)))
    assert.matches("There is\n.*conrun.pool.new", (help.text(1, "nothing.new", 80)))
    assert.matches("Modules", (help.text(0, nil, 80)))
  end)

  it("finds a method by the module that makes its object, and lists its options", function()
    for _, name in ipairs { "pool.map", "pool:map", "conrun.pool.map", "Pool:map" } do
      local text = help.text(1, name, 80)
      assert.matches("^pool:map%(", text)
      assert.matches("\nFields of options\n.*  chunksize%?: integer", text)
    end
    assert.matches("\nMethods of a Pool\n.*imap_unordered", (help.text(1, conrun.pool, 80)))
    assert.are.equal("Pool:map", help.method(conrun.pool.new(1), "map").full:match "Pool.*")
    assert.is_nil(help.method(conrun.pool.new(1), "put"))
  end)

  it("searches the texts for any other word", function()
    local text, known = help.text(1, "retries", 80)
    assert.matches("PoolOptions: .*tried again", text)
    assert.is_true(known)
    text, known = help.text(1, "xyzzy", 80)
    assert.matches("nothing called 'xyzzy'; help%(%) tells", text)
    assert.is_false(known)
  end)

  it("guesses what a slip of the finger meant", function()
    assert.matches("There is\n.*Queue", (help.text(1, "qeue", 80)))
    assert.matches("did you mean 'timeout'%?\nIt is spoken of here", (help.text(1, "timeuot", 80)))
    assert.matches("did you mean 'print'%?", (help.text(1, "pritn", 80)))
    assert.matches("did you mean 'table.concat'%?", (help.text(1, "concta", 80)))
  end)

  it("knows the names of other languages", function()
    local text, known = help.text(1, "get_nowait", 80)
    assert.are.equal("A name that other languages have:\n  'get_nowait' of queue: use q:get(0)", text)
    assert.is_true(known)
    assert.matches("use q:get%(0%)", (help.text(1, "q:get_nowait", 80)))
    assert.matches("use conrun.pool.threads%(n%)", (help.text(1, "ThreadPoolExecutor", 80)))
    assert.matches("'Lock' of conrun: use", (help.text(1, "threading.Lock", 80)))
    assert.matches("an option of a pool: use task_timeout.*MapOptions: timeout", (help.text(1, "timeout", 80)))
  end)

  it("has the page of a function that alone is called so", function()
    assert.matches("^pool:imap%(", (help.text(1, "imap", 80)))
    assert.matches("^pool:map%(", (help.text(1, "p:map", 80)))
    assert.matches("^pool:map%(", (help.text(1, "Pool.map", 80)))
    assert.matches("There is\n  Lock:acquire\n", (help.text(1, "acquire", 80)))
    assert.is_nil(help.text(1, "queue.map", 80):find("^pool:map%("))
    assert.is_nil(help.text(1, "mapp", 80):find("semaphore", 1, true))
  end)

  it("does not take nil for a function", function()
    assert.matches("^nothing has that name, or its value is nil", (help.text(1, nil, 80)))
  end)
end)
