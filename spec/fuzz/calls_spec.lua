-- SPDX-License-Identifier: MIT
--
-- Every function and metamethod that can be reached, called with anything: a few rounds of
-- spec/fuzz/calls.lua for each kind of worker, from fixed seeds.

local helpers = require "spec.helpers"

-- A build with a sanitizer needs the addresses for itself.
local program = helpers.quote(helpers.conrun) .. " --memory-limit=1G spec/fuzz/calls.lua "

describe("calls with anything", function()
  for _, kind in ipairs { "process", "thread" } do
    it("end in an error at worst (" .. kind .. ")", function()
      local _, complaints, code = helpers.run(program .. "--seed=1 --rounds=3 --calls=600 --kind=" .. kind)
      assert.are.equal(0, code, complaints)
      assert.matches("3 passed, 0 failed", complaints)
    end)
  end
end)
