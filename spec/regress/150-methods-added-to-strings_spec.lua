-- SPDX-License-Identifier: MIT
--
-- What a program, or a library, adds to Lua's own libraries was not in a worker: a method
-- of strings (pl.stringx.import, string.trim) was "a nil value" there, and math.round.

local kinds = require "spec.lib.kinds"

-- Compiled by load, so that they see this state's own globals.
local function compile(source, ...)
  return assert(load(source, "=chunk"))(...)
end

for _, kind in ipairs(kinds) do
  describe("what a program has added to a library of Lua's (" .. kind .. ")", function()
    local pool
    setup(function()
      pool = kinds.pool(kind, 1)
      compile [[
        local suffix = "!"
        function string.spec_trim(s) return s:match "^%s*(.-)%s*$" end
        function string.spec_shout(s) return s:spec_trim():upper() .. suffix end
        function math.spec_round(x) return math.floor(x + 0.5) end
        function table.spec_sum(t) local sum = 0 for _, v in ipairs(t) do sum = sum + v end return sum end
      ]]
    end)
    teardown(function()
      compile "string.spec_trim, string.spec_shout, math.spec_round, table.spec_sum = nil, nil, nil, nil"
      pool:terminate()
      pool:join(kinds.LONG)
    end)

    it("goes along with the function that uses it, as a method or by its name", function()
      assert.are.equal("x", pool:apply(compile "return function(s) return s:spec_trim() end", " x "))
      assert.are.equal("A!", pool:apply(compile "return function(s) local t = s:spec_shout() return t end", " a "))
      assert.are.equal(2, pool:apply(compile "return function() return math.spec_round(1.6) end"))
      local sum = compile "local table = table return function(t) return table.spec_sum(t) end"
      assert.are.equal(6, pool:apply(sum, { 1, 2, 3 }))
      assert.are.equal("x", pool:apply(compile "return function(s) return string.spec_trim(s) end", " x "))
      assert.are.equal("y", pool:apply(compile "return function(f, s) return f(s) end",
        compile "return function(s) local function inner() return s:spec_trim() end return inner() end", " y "))
    end)

    it("is that of the moment", function()
      local f = compile "return function() return math.spec_round(1.6) end"
      compile "function math.spec_round() return 'another' end"
      assert.are.equal("another", pool:apply(f))
      compile "function math.spec_round(x) return math.floor(x + 0.5) end"
      assert.are.equal(2, pool:apply(f))
    end)

    it("is no reason to copy the library", function()
      local same = compile "return function(l) local _ = l.spec_sum return l == table and #table.pack(1, 2) end"
      assert.are.equal(2, pool:apply(same, table))
      assert.is_nil((pool:apply(compile "return function() return rawget(string, 'spec_' .. 'never') end")))
      assert.are.equal(math.pi, pool:apply(compile "return function() return math.pi end"))
    end)

    it("is kept by main, which has it", function()
      local f = pool:apply(compile [[return function()
        function string.spec_trim() return "worker's" end
        function string.spec_new() return "new" end
        return function(s) return s:spec_trim() .. s:spec_new() end
      end]])
      assert.are.equal("xnew", f " x ")
      compile "string.spec_new = nil"
    end)

    it("may be a library's", function()
      if not pcall(require, "pl.stringx") then
        return
      end
      compile "require 'pl.stringx'.import()"
      assert.is_true(pool:apply(compile "return function(s) local a = s:startswith 'a' return a end", "abc"))
    end)
  end)
end
