-- SPDX-License-Identifier: MIT
--
-- Workers that may use only some of the standard libraries.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"
local pool = require "conrun.pool"

local LONG = kinds.LONG

-- What there is in a worker, in a form that can be sent.
local function inventory()
  local there = {}
  for _, name in ipairs { "package", "coroutine", "table", "io", "os", "string", "math", "utf8", "debug",
    "dofile", "loadfile", "load", "require", "print", "pcall", "setmetatable" } do
    there[name] = _G[name] ~= nil
  end
  return there
end

local function bytecode_of_a_constant()
  return string.dump(function() return 1 end)
end

for _, kind in ipairs(kinds) do
  describe("libs (" .. kind .. ")", function()
    local function run(libs, fn, ...)
      return kinds.start(kind, { libs = libs }, fn, ...):result(LONG)
    end

    it("opens only what is listed", function()
      local there = run({ "string", "math" }, function()
        return { string = string ~= nil, math = math ~= nil, io = io ~= nil, os = os ~= nil,
          package = package ~= nil, debug = debug ~= nil, coroutine = coroutine ~= nil,
          table = table ~= nil, utf8 = utf8 ~= nil }
      end)
      assert.are.same({ string = true, math = true, io = false, os = false, package = false,
        debug = false, coroutine = false, table = false, utf8 = false }, there)
    end)

    it("keeps the base functions but for those that read files", function()
      local there = run({}, inventory)
      for _, name in ipairs { "load", "require", "print", "pcall", "setmetatable" } do
        assert.is_true(there[name], name)
      end
      for _, name in ipairs { "package", "coroutine", "table", "io", "os", "string", "math", "utf8",
        "debug", "dofile", "loadfile" } do
        assert.is_false(there[name], name)
      end
      assert.is_true(run({ "io" }, inventory).dofile)
    end)

    it("lets through nothing that comes with the call", function()
      local open = io.open
      assert.is_false((pcall(run, {}, open, "/etc/hostname")))
      assert.is_false((pcall(run, {}, function() return open("/etc/hostname") end)))
      assert.is_false((pcall(run, {}, function() return io.open("/etc/hostname") end)))
    end)

    it("finds conrun's modules by require and no others", function()
      assert.is_true(run({}, function()
        local q = require("conrun.queue").new()
        q:put(1)
        return q:get() == 1
      end))
      assert.is_false((run({}, function() return pcall(require, "io") end)))
      assert.is_false((run({}, function() return pcall(require, "cjson") end)))
      assert.is_false((run({}, function() return pcall(require, "spec.lib.kinds") end)))
    end)

    it("loads text and no bytecode", function()
      assert.are.equal(3, run({}, function() return load("return 1 + 2")() end))
      assert.are.equal(5, run({}, function() return load("return x", "chunk", "t", { x = 5 })() end))
      assert.is_nil((run({}, function(code) return load(code) end, bytecode_of_a_constant())))
      assert.is_nil((run({}, function(code) return load(code, "c", "b") end, bytecode_of_a_constant())))
    end)

    it("logs, but to no file", function()
      local ok, message = run({}, function()
        return pcall(require("conrun.log").to, "somewhere")
      end)
      assert.is_false(ok)
      assert.matches("may not use the library 'io'", message)
    end)

    it("goes on to the workers that the worker starts", function()
      for _, inner in ipairs(kinds) do
        local there = run({ "math" }, function(k, f)
          return require("conrun." .. k).start(f):result()
        end, inner, inventory)
        assert.is_false(there.io)
        assert.is_true(there.math)
      end
      local ok, message = run({ "math" }, function(k)
        return pcall(require("conrun." .. k).start, { libs = { "io" } }, print)
      end, kind)
      assert.is_false(ok)
      assert.matches("has no library 'io'", message)
      assert.is_false((run({ "math" }, function()
        return (pcall(require("conrun.pool").new, { libs = { "os" } }))
      end)))
    end)

    it("holds for the tasks of a pool, its initializer and its settings", function()
      local path = package.path
      package.path = path .. ";./?.somewhere"
      local p <close> = kinds.pool(kind, 2, {
        libs = { "math" },
        initializer = function() seen_io = io ~= nil end, -- luacheck: ignore
      })
      package.path = path
      assert.are.same({ 1, 2, 3 }, p:map(math.sqrt, { 1, 4, 9 }))
      local io_now, io_before = p:apply(function() return io ~= nil, seen_io end) -- luacheck: ignore
      assert.is_false(io_now)
      assert.is_false(io_before)
      assert.is_false((pcall(p.apply, p, os.getenv, "HOME")))
      local results = p:map(function(x) return x > 1 and error("bang") or x end, { 1, 2 },
        { collect_errors = true })
      assert.are.equal(1, results[1])
      assert.matches("bang", tostring(results[2]))
    end)

    it("sends errors and results as any other worker", function()
      local w = kinds.start(kind, { libs = {} }, function() error { code = 7 } end)
      local e = kinds.raised_kind("task", w.result, w, LONG)
      assert.are.equal(7, e.value.code)
      assert.is_string(e.traceback)
    end)

    it("is everything when everything is listed, or nothing is said", function()
      local all = { "base", "package", "coroutine", "table", "io", "os", "string", "math", "utf8", "debug" }
      for name, there in pairs(run(all, inventory)) do
        assert.is_true(there, name)
      end
      for name, there in pairs(run(nil, inventory)) do
        assert.is_true(there, name)
      end
    end)
  end)
end

describe("libs", function()
  it("is a list of known names", function()
    for _, start in ipairs { conrun.thread.start, conrun.process.start } do
      assert.matches("unknown library 'oi'", tostring(kinds.raised(start, { libs = { "oi" } }, print)))
      assert.matches("list of library names", tostring(kinds.raised(start, { libs = "io" }, print)))
    end
    assert.matches("unknown library 'oi'", tostring(kinds.raised(pool.new, { libs = { "oi" } })))
  end)
end)
