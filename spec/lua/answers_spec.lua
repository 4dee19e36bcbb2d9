-- SPDX-License-Identifier: MIT
--
-- What hands type first: names of other languages, modules that are called, shapes of calls.

local conrun = require "conrun"
local core = require "conrun.core"

-- One live object of each type, by the owner's name in the table.
local function objects(pool)
  return {
    queue = conrun.queue.new(), future = conrun.future.new(), pool = pool, lock = conrun.lock.new(),
    worker = conrun.thread.start(function() end), condition = conrun.condition.new(),
    semaphore = conrun.semaphore.new(), event = conrun.event.new(), barrier = conrun.barrier.new(1),
    pipe = (conrun.pipe.new()), list = conrun.shared.list(), value = conrun.shared.value("i64", 0),
    array = conrun.shared.array("i64", 1),
  }
end

local function index(object, name) return object[name] end

local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe("names that other languages have", function()
  local pool = conrun.pool.new { workers = 1 }
  local owners = objects(pool)
  for _, answer in ipairs(core.answers()) do
    local owner, name, use = answer.owner, answer.name, answer.use
    if owner == "option" or owner == "type" then
      goto continue -- of pool.new and shared.value, below
    end

    it(("are answered: %s, '%s'"):format(owner, name), function()
      local object = owners[owner] or require(owner)
      local message = message_of(index, object, name)
      assert.matches("^spec/lua/answers_spec%.lua:%d+: ", message)
      assert.is_truthy(message:find(("%s has no "):format(owner), 1, true))
      assert.is_truthy(message:find(("'%s': use %s"):format(name, use), 1, true))
    end)

    it(("get advice that works: %s"):format(use), function()
      for path in use:gmatch "conrun%.[%w_.]+" do
        local at = conrun
        for part in path:sub(8):gmatch "[%w_]+" do
          at = at[part]
          assert.is_not_nil(at, path)
        end
      end
      for variable, method in use:gmatch "%f[%w](%a+):([%w_]+)%(" do
        local object = variable == "pool" and pool or owners[owner]
        if object then assert.is_function(object[method], use) end
      end
    end)
    ::continue::
  end

  it("are answered where they are options", function()
    for _, answer in ipairs(core.answers()) do
      if answer.owner == "option" then
        local message = message_of(conrun.pool.new, { [answer.name] = 1 })
        local hint = ("option '%s' (did you mean '%s'?)"):format(answer.name, answer.use)
        assert.is_truthy(message:find(hint, 1, true), message)
      end
    end
  end)

  it("are answered where they are types", function()
    for _, answer in ipairs(core.answers()) do
      if answer.owner == "type" then
        for _, make in ipairs { conrun.shared.value, conrun.shared.array } do
          local message = message_of(make, answer.name, 1)
          local hint = ("unknown type '%s': use %s ("):format(answer.name, answer.use)
          assert.is_truthy(message:find(hint, 1, true), message)
          assert.is_truthy(make(answer.use, 1))
        end
      end
    end
    assert.matches("unknown type 'z' %(i8 to", message_of(conrun.shared.value, "z"))
  end)

  it("are understood as levels of the log", function()
    local before = conrun.log.level()
    assert.are.equal("info", conrun.log.level "INFO")
    assert.are.equal("warn", conrun.log.level "WARNING")
    assert.are.equal("error", conrun.log.level "critical")
    conrun.log.level(before)
    assert.matches("'debug', 'info'.-got 'loud'", message_of(conrun.log.level, "loud"))
  end)

  it("leave other names nil, so that a program may ask", function()
    for _, object in pairs(owners) do
      assert.is_nil(object.no_such_method)
    end
    assert.is_nil(conrun.no_such_part)
    assert.is_nil(conrun.pool.no_such_function)
  end)

  it("are keys like all others in a shared dict", function()
    local d = conrun.shared.dict { values = 1 }
    assert.are.equal(1, d.values)
    assert.is_nil(d.setdefault)
  end)

  teardown(function()
    owners = nil
    pool:shutdown()
  end)
end)

describe("a module that is called", function()
  it("makes what its `new` makes", function()
    assert.matches("^lock ", tostring(conrun.lock()))
    assert.matches("^event ", tostring(conrun.event()))
    assert.matches("^condition ", tostring(conrun.condition()))
    assert.matches("^future ", tostring(conrun.future()))
    assert.are.equal(3, conrun.queue(3):maxsize())
    assert.are.equal(2, conrun.semaphore(2):value())
    assert.are.equal(2, conrun.barrier(2).parties)
    local a, b = conrun.pipe()
    a:send(1)
    assert.are.equal(1, b:recv())
    local pool <close> = conrun.pool { workers = 1, name = "called" }
    assert.matches("'called'", tostring(pool))
  end)

  it("names the argument that is wrong as `new` does", function()
    assert.matches("bad argument #1 to '[%w_.]+' %(number expected, got string%)", message_of(conrun.queue, "many"))
    assert.matches("number of parties", message_of(conrun.barrier, 0))
  end)

  it("does not swallow a callable that `new` refuses", function()
    local callable = setmetatable({}, { __call = function() end })
    assert.matches("no value expected, got table", message_of(conrun.lock.new, callable))
  end)
end)

describe("what is looped over", function()
  it("a range is its own iterator", function()
    local seen = {}
    for i in conrun.range(1, 3) do seen[#seen + 1] = i end
    for i in conrun.range(10, 1, -4) do seen[#seen + 1] = i end
    for i in conrun.range(1, 0) do seen[#seen + 1] = i end
    for i in conrun.range(math.maxinteger, math.maxinteger) do seen[#seen + 1] = i end
    assert.are.same({ 1, 2, 3, 10, 6, 2, math.maxinteger }, seen)
  end)

  it("range(n) begins with 1", function()
    assert.are.equal(conrun.range(1, 4), conrun.range(4))
    assert.are.equal(0, #conrun.range(0))
  end)

  it("a range is mapped as a list, not called", function()
    local pool <close> = conrun.pool.threads(1)
    assert.are.same({ 1, 4, 9 }, pool:map(function(x) return x * x end, conrun.range(3)))
  end)

  it("a queue gives its items until it is closed", function()
    local q, seen = conrun.queue(), {}
    local t = conrun.thread.start(function()
      q:put_many { "a", "b", "c" }
      q:close()
    end)
    for item in q do seen[#seen + 1] = item end
    t:join()
    assert.are.same({ "a", "b", "c" }, seen)
  end)

  it("progress gives the items of a list", function()
    local seen = {}
    for x in conrun.progress({ "a", "b" }, { leave = false, every = 1000 }) do seen[#seen + 1] = x end
    assert.are.same({ "a", "b" }, seen)
  end)
end)

describe("shapes of calls", function()
  local pool
  setup(function() pool = conrun.pool(2) end)
  teardown(function() pool:shutdown() end)

  it("a number of workers is enough for a pool", function()
    local four <close> = conrun.pool.new(4)
    assert.matches("%(4 threads", tostring(four))
  end)

  for _, name in ipairs { "map", "starmap", "map_async", "starmap_async", "imap", "imap_unordered", "apply" } do
    it(("pool.%s with a dot says that a colon is wanted"):format(name), function()
      local message = message_of(function() local r = pool[name](math.sqrt, { 4 }) return r end)
      assert.matches("^spec/lua/answers_spec%.lua:%d+: ", message)
      assert.is_truthy(message:find("write pool:" .. name .. "(fn, ", 1, true), message)
    end)
  end

  it("several lists are a case for starmap", function()
    local message = message_of(function() local r = pool:map(math.max, { 1 }, { 2 }) return r end)
    assert.matches("^spec/lua/answers_spec%.lua:%d+: .*pool:starmap", message)
  end)

  it("a size of chunks is an option", function()
    local message = message_of(function() local r = pool:map(math.max, { 1 }, 2) return r end)
    assert.matches("write { chunksize = 2 }", message)
  end)

  it("not to block is a timeout of 0", function()
    local lock, q = conrun.lock.new(), conrun.queue.new()
    for _, call in ipairs { function() return lock:acquire(false) end, function() return q:get(true, 5) end,
      function() return q:put(1, false) end } do
      assert.matches("a timeout in seconds expected, got boolean; 0 only tries", message_of(call))
    end
  end)

  it("an unknown option is told what there is", function()
    local message = message_of(function() local r = pool:map(math.max, { 1 }, { threads = 2 }) return r end)
    local known = "'buffersize', 'chunksize', 'collect_errors', 'priority', 'progress', 'timeout'"
    assert.is_truthy(message:find(known, 1, true), message)
  end)
end)
