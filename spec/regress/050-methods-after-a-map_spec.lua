-- SPDX-License-Identifier: MIT
--
-- A pool's handle that arrived in a worker which had computed a part of a map with
-- collect_errors had no :map.  The module behind that option had loaded the C half of
-- conrun.pool, which registered the type, so that nobody loaded the Lua half.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

describe("a handle", function()
  for _, kind in ipairs(kinds) do
    it("has all its methods, whatever part of conrun its worker has used before (" .. kind .. ")", function()
      local pool <close> = kinds.pool(kind, 1)
      -- From a process, where no task of main has brought the module along.
      local stranger = conrun.process.start(function(p)
        p:map(math.abs, { -1 }, { collect_errors = true })
        return p:submit(function(own) return type(own.map) end, p):result()
      end, pool)
      assert.are.equal("function", stranger:result())
    end)
  end
end)
