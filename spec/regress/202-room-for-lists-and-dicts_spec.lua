-- SPDX-License-Identifier: MIT
--
-- A list or dict that had to grow was told that there is not enough memory, though garbage
-- held all of it.

local helpers = require "spec.helpers"

describe("where garbage holds all shared memory", function()
  for what, code in pairs {
    ["a list grows"] = "local l = conrun.shared.list() garbage() for i = 1, 5000 do l:append(i) end",
    ["a dict grows"] = "local d = conrun.shared.dict() garbage() for i = 1, 2000 do d[i] = i end",
    ["a long item is read"] = [[
      local l = conrun.shared.list { ("x"):rep(30000) }
      garbage()
      local keep = {}
      for i = 1, 10 do
        keep[i] = conrun.shared.value("string", l[1])
        garbage()
      end]],
  } do
    it(what, function()
      local script = ([[
        local conrun = require "conrun"
        collectgarbage "stop"
        local function garbage()
          for _ = 1, 26 do conrun.shared.array("u8", 1 << 16) end
          for _ = 1, 200 do conrun.shared.array("u8", 1 << 9) end
        end
        %s
        print "enough"
      ]]):format(code)
      local conrun, quoted = helpers.quote(helpers.conrun), helpers.quote(script)
      local out, err = helpers.run(("%s --memory-limit=2M -e %s"):format(conrun, quoted))
      assert.are.same({ "enough\n", "" }, { out, err })
    end)
  end
end)
