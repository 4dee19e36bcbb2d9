-- SPDX-License-Identifier: MIT
-- What all scripts have in common: --help, one clear line for a bad argument.

local helpers = require "spec.helpers"

for _, name in ipairs {
  "threads_or_processes",
  "process_pool",
  "multiprocessing",
  "shared_list",
  "sharing_data",
  "exceptions",
  "factorials",
  "squares",
} do
  describe("scripts/" .. name .. ".lua", function()
    it("explains itself", function()
      local out, err, code = helpers.script(name, "--help")
      assert.are.equal("", err)
      assert.are.equal(0, code)
      assert.matches("^conrun scripts/" .. name .. "%.lua", out)
    end)

    it("refuses an unknown option with one line and exit code 1", function()
      local out, err, code = helpers.script(name, "--no-such-thing")
      assert.are.equal("", out)
      assert.are.equal(1, code)
      assert.matches(
        "^" .. name .. "%.lua: unknown option '%-%-no%-such%-thing'; it knows [^\n]*%-%-help[^\n]*\n$",
        err
      )
    end)
  end)
end
