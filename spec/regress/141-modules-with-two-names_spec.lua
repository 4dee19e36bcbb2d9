-- SPDX-License-Identifier: MIT
--
-- A table that is two modules (socket.lua adds its functions to the table of socket.core
-- and returns it) travelled by the one of its two names that `pairs` happened to give
-- first: in some runs a worker loaded the core alone and missed the rest.  The order of
-- pairs differs from process to process, so each program is run many times.

local helpers = require "spec.helpers"

local RUNS = 8

-- Files of modules in a folder of their own, which is taken away afterwards.
local function with_modules(files, use)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir -p " .. folder .. "/part"))
  for name, text in pairs(files) do
    local file <close> = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
  end
  local ok, e = pcall(use, folder)
  os.execute("rm -r " .. folder)
  if not ok then
    error(e, 0)
  end
end

local function run_often(folder, program)
  local code = ("package.path = '%s/?.lua;' .. package.path %s"):format(folder, program)
  for _ = 1, RUNS do
    local output, complaints, status = helpers.run(helpers.quote(helpers.conrun) .. " -e " .. helpers.quote(code))
    assert.are.equal("", complaints)
    assert.are.equal("extra base field 1\n", output)
    assert.are.equal(0, status)
  end
end

local program = [[
  local conrun = require "conrun"
  local m = require "%s"
  for _, kind in ipairs { "thread", "process" } do
    local a, b, c = conrun[kind].start(function() return m.extra(), m.base(), m.shared.word end):result()
    local d = conrun[kind].start(m.extra):result()
    assert(d == a and conrun[kind].start(function() return m.shared.f() end):result() == 1)
    if kind == "process" then print(a, b, c, 1) end
  end]]

local core = [[local m = { shared = { f = function() return 1 end } }
function m.base() return "base" end return m]]
local outer = [[local m = require "%s"
function m.extra() return "extra" end m.shared.word = "field" return m]]

describe("a module with two names", function()
  local function prints(name)
    return (program:format(name):gsub("print%((.-)%)", "io.write(table.concat({ %1 }, ' '), '\\n')"))
  end

  it("is loaded whole in a worker, the part by a longer name", function()
    with_modules({ ["part/core.lua"] = core, ["part.lua"] = outer:format "part.core" }, function(folder)
      run_often(folder, prints "part")
    end)
  end)

  it("is loaded whole whatever the names are like", function()
    with_modules({ ["a.lua"] = core, ["b.lua"] = outer:format "a" }, function(folder)
      run_often(folder, prints "b")
    end)
    with_modules({ ["core.lua"] = core, ["part/facade.lua"] = outer:format "core" }, function(folder)
      run_often(folder, prints "part.facade")
    end)
  end)

  it("is LuaSocket, where it is installed", function()
    if not pcall(require, "socket") then
      return
    end
    local code = [[
      local conrun, socket = require "conrun", require "socket"
      print(conrun.thread.start(function()
        local server = assert(socket.bind("127.0.0.1", 0))
        server:close()
        return "bound"
      end):result())]]
    for _ = 1, RUNS do
      local output, complaints = helpers.run(helpers.quote(helpers.conrun) .. " -e " .. helpers.quote(code))
      assert.are.equal("bound\n", output .. complaints)
    end
  end)
end)
