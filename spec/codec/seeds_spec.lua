-- SPDX-License-Identifier: MIT
--
-- Nothing may depend on the order in which `pairs` goes through a table, which differs
-- from process to process, since Lua hashes with a seed that it makes of addresses and the
-- time.  So the codec's specs run here in many processes, each with a seed of its own.

local helpers = require "spec.helpers"

local RUNS = 6

local files = { "spec/codec/functions_spec.lua", "spec/codec/handles_spec.lua",
  "spec/regress/140-environments-of-functions_spec.lua", "spec/regress/142-class-identity_spec.lua",
  "spec/regress/143-nil-is-kept_spec.lua" }

describe("under many hash seeds", function()
  it("what is sent arrives", function()
    local command = ("%s spec/busted.lua %s"):format(helpers.quote(helpers.conrun), table.concat(files, " "))
    for _ = 1, RUNS do
      local output, complaints, code = helpers.run(command)
      assert.are.equal(0, code, output .. complaints)
      assert.matches(" 0 failures / 0 errors", output)
    end
  end)

  it("a function is shown by the same name", function()
    local names = {}
    for _ = 1, 2 * RUNS do
      local output = helpers.run(helpers.quote(helpers.conrun) .. [[ -e '
        package.loaded.zebra, package.loaded.a_longer_name, package.loaded.yak = os, os, os
        local pretty = require "conrun.repl.pretty"
        print(pretty.format(os.time))']])
      names[output] = true
    end
    assert.are.same({ ["<function os.time>\n"] = true }, names)
  end)
end)
