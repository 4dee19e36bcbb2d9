-- SPDX-License-Identifier: MIT
--
-- The first values that a state sends are shown to have no name without the names of all
-- modules being collected (src/codec/names.c).  What has a name keeps it all the same.

local kinds = require "spec.lib.kinds"

local folder = os.tmpname()
os.remove(folder)
os.execute("mkdir " .. folder)
package.path = folder .. "/?.lua;" .. package.path

local function module(name, source)
  local file <close> = assert(io.open(("%s/%s.lua"):format(folder, name), "w"))
  file:write(source)
end
module("first_deep", "return { a = { b = { c = { d = {} } } }, [1] = {}, f = function() end }")
module("first_wide", "local t = {} for i = 1, 3000 do t['k' .. i] = {} end return t")
module("first_round", "local t = {} t.self, t.list = t, { t } package.loaded.first_alias = t return t")

teardown(function() os.execute("rm -r " .. folder) end)

for _, kind in ipairs(kinds) do
  describe("the first value of a " .. kind, function()
    local function result(source, ...)
      return kinds.start(kind, { name = "first" }, assert(load(source)), ...):result(kinds.LONG)
    end

    for name, source in pairs {
      ["a module of conrun"] = "conrun",
      ["a table in one"] = "conrun.errors",
      ["a standard library"] = "string",
      ["the globals' libraries"] = "math",
      ["a module of the program"] = "first_deep",
      ["a module with many tables"] = "first_wide",
      ["a module that leads to itself"] = "first_round",
    } do
      it("is what has its name: " .. name, function()
        assert.are.equal(require(source), result("return require(...)", source))
      end)
    end

    it("is what is three keys deep in a module", function()
      local deep = require "first_deep"
      assert.are.equal(deep.a, result "return require 'first_deep'.a")
      assert.are.equal(deep.a.b.c, result "return require 'first_deep'.a.b.c")
      assert.are.equal(deep.f, result "return require 'first_deep'.f")
      assert.are.equal(require("first_wide").k2999, result "return require 'first_wide'.k2999")
    end)

    it("is what is in a table that has no name", function()
      local got = result "return { string, { require 'first_deep'.a.b }, { 1 } }"
      assert.are.equal(string, got[1])
      assert.are.equal(require("first_deep").a.b, got[2][1])
      assert.are.same({ 1 }, got[3])
    end)

    it("is a copy of what has none", function()
      assert.are.same({ 1, x = { 2 } }, result "return { 1, x = { 2 } }")
      assert.are.equal(3, result "return function() return 3 end"())
      assert.are.same({ {} }, result "local t = {} string.nothing = t return { t }")
    end)

    it("is an error of conrun's class", function()
      local errors = require "conrun.errors"
      local e = select(2, pcall(result, "error({ code = 7 })"))
      assert.are.equal(errors.metatable, getmetatable(e))
    end)
  end)
end

describe("the values of a state", function()
  it("have their names however many came before", function()
    local conrun = require "conrun"
    local q, deep = conrun.queue.new(), require "first_deep"
    local worker = kinds.start("thread", function(queue)
      for i = 1, 40 do queue:put { i, require("first_deep").a } end
    end, q)
    for i = 1, 40 do
      local got = q:get(kinds.LONG)
      assert.are.equal(i, got[1])
      assert.are.equal(deep.a, got[2])
    end
    worker:join()
  end)

  it("are found by a module that came between two", function()
    local conrun = require "conrun"
    local q = conrun.queue.new()
    kinds.start("thread", function(queue)
      queue:put { 1 }
      queue:put { require "first_deep" }
    end, q):join()
    assert.are.same({ 1 }, q:get())
    assert.are.equal(require "first_deep", q:get()[1])
  end)
end)
