-- SPDX-License-Identifier: MIT
--
-- The reference is true: it has every public function and nothing else, its
-- options and fields are the real ones, and its examples print what they say.
--
-- Nobody keeps a list of functions here.  What is public is found out: the parts
-- of `conrun`, the Lua parts whose file does not call itself internal, and the
-- method tables that the modules carry.  Only how to get one object of each class
-- has to be said, in `classes`.

local conrun = require "conrun"
local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"
local reference = require "conrun.reference"

--------------------------------------------------------------- what there is

-- The lazy parts of conrun, by name: functions that load them.
local function parts()
  local index = getmetatable(conrun).__index
  for i = 1, math.huge do
    local name, value = debug.getupvalue(index, i)
    assert(name, "conrun's parts are not an upvalue of its __index any more")
    if name == "parts" then
      return value
    end
  end
end

-- Names of all public modules.
local function public_modules()
  local names = { conrun = true }
  for name in pairs(parts()) do
    if type(conrun[name]) == "table" then
      names["conrun." .. name] = true
    end
  end
  for _, path in ipairs(helpers.lines((helpers.run "ls lua/conrun/*.lua"))) do
    local name = path:match "([%w_]+)%.lua$"
    if name ~= "init" and not helpers.slurp(path):find "\n%-%- Internal" then
      names["conrun." .. name] = true
    end
  end
  return names
end

-- The functions of a module, as a set; conrun's own parts count as its.
local function functions_of(name)
  local found = {}
  for key, value in pairs(require(name)) do
    found[key] = type(value) == "function" or nil
  end
  for key in pairs(name == "conrun" and parts() or {}) do
    found[key] = type(conrun[key]) == "function" or nil
  end
  return found
end

-- Every class with methods: where its method table is (module, path), and one
-- object of it.
local classes = {
  ["conrun.Lock"] = { "lock", "methods", conrun.lock.new },
  ["conrun.Guard"] = { "guard", nil, function() return (conrun.lock.new():hold()) end },
  ["conrun.Condition"] = { "condition", "methods", conrun.condition.new },
  ["conrun.Semaphore"] = { "semaphore", "methods", conrun.semaphore.new },
  ["conrun.Event"] = { "event", "methods", conrun.event.new },
  ["conrun.Barrier"] = { "barrier", "methods", function() return conrun.barrier.new(1) end },
  ["conrun.Queue"] = { "queue", "methods", conrun.queue.new },
  ["conrun.Selector"] = { "selector", nil, conrun.select.new },
  ["conrun.Pipe"] = { "pipe", "methods", conrun.pipe.new },
  ["conrun.Future"] = { "core.future", "methods", conrun.future.new },
  ["conrun.Pool"] = { "core.pool", "methods", function() return conrun.pool.threads(1) end },
  ["conrun.Worker"] = { "core.worker", "methods", function() return conrun.thread.start(math.abs, 1) end },
  ["conrun.SharedValue"] = { "shared", "value_methods", function() return conrun.shared.value "i64" end },
  ["conrun.SharedArray"] = { "shared", "array_methods", function() return conrun.shared.array("i8", 1) end },
  ["conrun.SharedList"] = { "shared", "list_methods", conrun.shared.list },
  ["conrun.SharedDict"] = { "shared", "dict_methods", conrun.shared.dict },
  ["conrun.SharedBuffer"] = { "shared", "buffer_methods", function() return conrun.shared.buffer(8) end },
  ["conrun.View"] = { "shared", "view", function() return conrun.shared.array("i8", 1):slice(1) end },
  ["conrun.Progress"] = { "progress", "methods", function() return conrun.progress.new() end },
  ["conrun.Scope"] = { "scope", "methods", function() return conrun.scope.new() end },
  ["bench.Report"] = { "bench_report", "methods", function()
    return conrun.bench.run { title = "", runs = 1, { "a", function() end } }
  end },
  ["conrun.Range"] = { "range", "methods", function() return conrun.range(1, 2) end },
}

local function method_table(class)
  local module, field, make = table.unpack(classes[class], 1, 3)
  if field == nil then
    return getmetatable(make()).__index
  end
  local methods = require("conrun." .. module)[field]
  return methods and methods.methods or methods
end

------------------------------------------------------------- what is described

-- Names of the functions that the reference has for a module or class.
local function described(owner)
  local found = {}
  for module in reference.modules() do
    for _, entry in ipairs(module.entries) do
      found[entry.name] = entry.owner == owner or found[entry.name]
    end
  end
  return found
end

local function functions()
  local list = {}
  for module in reference.modules() do
    for _, entry in ipairs(module.entries) do
      list[#list + 1] = entry.kind == "function" and entry or nil
    end
  end
  return list
end

local function names(set)
  local list = {}
  for name, there in pairs(set) do
    list[#list + 1] = there and name or nil
  end
  table.sort(list)
  return list
end

local function is_internal(name)
  return name:find "^_"
end

local function public(set)
  for name in pairs(set) do
    set[name] = not is_internal(name) and set[name] or nil
  end
  return set
end

------------------------------------------------------------------------ specs

describe("the reference", function()
  it("has a text for every public module, and for no other", function()
    local texts = {}
    for module in reference.modules() do
      texts[module.name] = true
    end
    assert.are.same(names(public_modules()), names(texts))
    local files = {}
    for _, path in ipairs(helpers.lines((helpers.run "ls lua/conrun/reference/*.lua"))) do
      local name = path:match "([%w_]+)%.lua$"
      files[name == "conrun" and name or "conrun." .. name] = true
    end
    assert.are.same(names(files), names(texts))
  end)

  for _, short in ipairs(reference.names) do
    local name = short == "conrun" and short or "conrun." .. short
    it("has every function of " .. name .. ", and no other", function()
      assert.are.same(names(functions_of(name)), names(described(name)))
    end)
  end

  for class in pairs(classes) do
    it("has every method of " .. class .. ", and no other", function()
      local methods = method_table(class)
      local there = {}
      for key, value in pairs(methods or {}) do
        there[key] = type(value) == "function" or nil
      end
      assert.are.same(names(public(there)), names(described(class)))
    end)
  end

  it("has every class that has methods", function()
    for _, entry in ipairs(functions()) do
      assert.is_truthy(classes[entry.owner] or entry.owner == "conrun" or package.loaded[entry.owner],
        "the spec does not know objects of " .. entry.owner)
    end
    local known = {}
    for class in pairs(classes) do
      known[method_table(class) or class] = true
    end
    for name in helpers.slurp("src/lib/register.c"):gmatch '{"(conrun[%w_.]+)", luaopen' do
      for field, value in pairs(require(name)) do
        local is_methods = type(field) == "string" and field:find "methods$" and name ~= "conrun.core.barrier"
        -- A module with several types leaves the last one's table as `methods`.
        assert.is_true(not is_methods or known[value] or false, ("%s of %s has no class"):format(field, name))
      end
    end
  end)

  it("says something about every function, parameter and result", function()
    for _, entry in ipairs(functions()) do
      assert.matches("%S", entry.text, nil, nil, entry.full)
      for _, list in ipairs { entry.params, entry.returns } do
        for _, part in ipairs(list) do
          assert.matches("%S", part.type, nil, nil, entry.full)
          assert.matches("%S", part.name, nil, nil, entry.full)
        end
      end
    end
  end)

  it("has the parameters in the order of the function's list", function()
    for _, entry in ipairs(functions()) do
      local listed = {}
      for i, part in ipairs(entry.params) do
        listed[i] = part.name
      end
      assert.are.equal(entry.list, "(" .. table.concat(listed, ", ") .. ")", entry.full)
    end
  end)

  -- Lua functions tell their parameters; those of C functions are in their texts.
  it("has as many parameters as a function in Lua", function()
    for _, entry in ipairs(functions()) do
      local owner = classes[entry.owner] and method_table(entry.owner) or require(entry.owner)
      local fn = owner and owner[entry.name]
      local info = fn and debug.getinfo(fn, "Su")
      if info and info.what == "Lua" then
        local fixed = #entry.params + (entry.method and 1 or 0) - (entry.list:find "%.%.%." and 1 or 0)
        assert.are.equal(info.nparams, fixed, entry.full)
        assert.are.equal(info.isvararg, entry.list:find "%.%.%." ~= nil, entry.full)
      end
    end
  end)

  it("has fields that can be read", function()
    for class, known in pairs(classes) do
      local entry = reference.find(class)
      local fields = entry and entry.fields or {}
      local object = #fields > 0 and known[3]()
      for _, field in ipairs(fields) do
        local value = field.name ~= "[integer]" and object[field.name]
        assert.is_true(value ~= nil or field.optional, class .. "." .. field.name)
      end
    end
  end)

  it("has the fields of what conrun.current and pool:stats return", function()
    local function compare(class, object)
      local fields = {}
      for _, field in ipairs(reference.find(class).fields) do
        fields[field.name] = true
      end
      assert.are.same(names(object), names(fields))
    end
    local there = {}
    for name in pairs(conrun.current()) do there[name] = true end
    compare("conrun.Strand", there)
    local pool <close> = conrun.pool.threads(1)
    there = {}
    for name in pairs(pool:stats()) do there[name] = true end
    compare("conrun.PoolStats", there)
  end)
end)

------------------------------------------------------------------- options

-- A call with options for each class of options.
local calls = {
  ["conrun.StartOptions"] = function(options) conrun.thread.start(options, math.abs, 1):join() end,
  ["conrun.PoolOptions"] = function(options) conrun.pool.new(options):terminate() end,
  ["conrun.MapOptions"] = function(options)
    local pool <close> = conrun.pool.threads(1)
    pool:map(math.abs, { 1 }, options)
  end,
  ["conrun.AsyncOptions"] = function(options)
    local pool <close> = conrun.pool.threads(1)
    pool:map_async(math.abs, { 1 }, options)
  end,
  ["conrun.SubmitOptions"] = function(options)
    local pool <close> = conrun.pool.threads(1)
    pool:submit(options, math.abs, 1)
  end,
  ["conrun.ShutdownOptions"] = function(options) conrun.pool.threads(1):shutdown(options) end,
  ["conrun.BarrierOptions"] = function(options) conrun.barrier.new(1, options) end,
  ["conrun.BufferOptions"] = function(options) conrun.shared.buffer(8, options) end,
  ["conrun.CloseOptions"] = function(options) conrun.queue.new():close(options) end,
  ["conrun.PipeOptions"] = function(options) conrun.pipe.new(options) end,
  ["conrun.WaitOptions"] = function(options) conrun.future.wait({}, options) end,
  ["conrun.ProgressOptions"] = function(options) conrun.progress.new(options):close() end,
  ["conrun.ExploreOptions"] = function(options) conrun.explore.run(function() end, options) end,
  ["conrun.CancelOptions"] = function(options) conrun.future.new():cancel(options) end,
  ["conrun.ScopeOptions"] = function(options) conrun.scope.new(options) end,
}

-- What a call says to an option whose value is of no good kind; if it does not know
-- the option, it may tell which ones it knows.
local function complaint_of(call, option)
  local _, message = pcall(call, { [option] = io.stdout })
  return tostring(message)
end

describe("the options of the reference", function()
  it("are all looked at", function()
    for module in reference.modules() do
      for _, entry in ipairs(module.entries) do
        local taken = entry.full:find "^conrun%..*Options$"
        assert.is_true(not taken or calls[entry.full] ~= nil, "the spec does not call with " .. entry.full)
      end
    end
  end)

  for class, call in pairs(calls) do
    it("are known: " .. class, function()
      local fields = {}
      for _, field in ipairs(reference.find(class).fields) do
        fields[field.name] = true
        assert.is_nil(complaint_of(call, field.name):find "unknown option", class .. "." .. field.name)
      end
      local complaint = complaint_of(call, "zzzzzzzz")
      assert.matches("unknown option 'zzzzzzzz'", complaint)
      for name in (complaint:match "known are(.*)" or ""):gmatch "'([^']*)'" do
        assert.is_true(fields[name] or false, ("option '%s' is not in %s"):format(name, class))
      end
    end)
  end
end)

------------------------------------------------------------------- examples

local function squeeze(line)
  return (line:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

-- Every example is a program of its own; `conrun` is there without being asked for.
local function run_example(example)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write('local conrun = require "conrun" ', example.code, "\n")
  file:close()
  local command = ("timeout %d %s %s"):format(kinds.LONG, helpers.quote(helpers.conrun), path)
  local output, complaints, code = helpers.run(command)
  os.remove(path)
  return helpers.lines(output), complaints, code
end

describe("the examples of the reference", function()
  it("leave no function out", function()
    for module in reference.modules() do
      for _, entry in ipairs(module.entries) do
        if entry.kind == "function" then
          assert.is_true(#reference.examples(entry) > 0, entry.full)
        end
      end
    end
  end)

  for module in reference.modules() do
    for _, entry in ipairs(module.entries) do
      for i, example in ipairs(reference.examples(entry)) do
        it(("print what they say: %s, %d"):format(entry.full, i), function()
          local lines, complaints, code = run_example(example)
          if module.name ~= "conrun.progress" then -- whose bars are on stderr
            assert.are.equal("", complaints)
          end
          assert.are.equal(0, code)
          for n, line in ipairs(lines) do
            lines[n] = squeeze(line)
          end
          for n, line in ipairs(example.output) do
            example.output[n] = squeeze(line)
          end
          assert.are.same(example.output, lines)
        end)
      end
    end
  end
end)

describe("the pages", function()
  local folder = os.tmpname()
  local pages = {}

  setup(function()
    os.remove(folder)
    local command = "mkdir %s && %s doc/make_doc.lua %s"
    local _, complaints, code = helpers.run(command:format(folder, helpers.quote(helpers.conrun), folder))
    assert.are.equal("", complaints)
    assert.are.equal(0, code)
    pages.md = helpers.slurp(folder .. "/reference.md")
    pages.html = helpers.slurp(folder .. "/reference.html")
  end)

  teardown(function() os.execute("rm -rf " .. folder) end)

  local function anchors(page)
    local found = {}
    for id in page:gmatch '<a id="([^"]+)">' do
      assert.is_nil(found[id], "two places are called " .. id)
      found[id] = true
    end
    return found
  end

  it("have a place for every entry", function()
    for _, page in pairs(pages) do
      local found = anchors(page)
      for _, entry in ipairs(functions()) do
        assert.is_true(found[entry.full:gsub("[.:]", "-") .. ""] or false, entry.full)
      end
    end
  end)

  it("have no link without its place", function()
    local found = anchors(pages.html)
    for target in pages.html:gmatch 'href="#([^"]+)"' do
      assert.is_true(found[target] or false, target)
    end
    local places = anchors(pages.md)
    for target in pages.md:gmatch "%]%(#([^)]+)%)" do
      assert.is_true(places[target] or false, target)
    end
  end)

  it("need nothing beside them", function()
    assert.is_nil(pages.html:find "https?://")
    assert.is_nil(pages.html:find "<script")
    assert.is_nil(pages.html:find " src=")
  end)

  it("close what they open", function()
    local open = {}
    for slash, tag in pages.html:gmatch "<(/?)(%a%w*)" do
      if slash == "/" then
        assert.are.equal(table.remove(open), tag)
      elseif tag ~= "meta" then
        open[#open + 1] = tag
      end
    end
    assert.are.same({}, open)
  end)
end)

describe("the reference as a library", function()
  it("finds entries by the names that people write", function()
    assert.are.equal("conrun.Pool:map", reference.find("Pool:map").full)
    assert.are.equal("conrun.pool.new", reference.find("pool.new").full)
    assert.are.equal("conrun", reference.find("conrun").full)
    assert.is_nil(reference.find "no such thing")
    assert.is_nil(reference.module "no_such_module")
  end)

  it("tells each way in which a function is called", function()
    assert.are.same({ "conrun.process.start(options, fn, ...)", "conrun.process.start(fn, ...)" },
      reference.signatures(reference.find "process.start"))
    assert.are.same({ "queue:put(value, timeout?)", "queue:put(value, priority, timeout?)" },
      reference.signatures(reference.find "Queue:put"))
  end)

  it("is not loaded unless it is asked for", function()
    local code = 'require("conrun").pool.threads(1) print(package.loaded["conrun.reference"])'
    assert.are.equal("nil\n", (helpers.run(helpers.quote(helpers.conrun) .. " -e " .. helpers.quote(code))))
  end)
end)
