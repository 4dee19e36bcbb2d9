-- SPDX-License-Identifier: MIT
--
-- Where the system counts memory (vm.overcommit_memory = 2), shared memory that it could not
-- give was SIGBUS at the first touch.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

local function counted(megabytes)
  return ('ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" MEGABYTES=%d LD_PRELOAD=%s'):format(megabytes,
    helpers.quote(helpers.native .. "counted.so"))
end

describe("where memory is counted", function()
  it("what is too much is an ordinary error, in main and in workers", function()
    local out, err, status = kinds.run([[
      local function take() return pcall(require("conrun.shared").array, "f64", 100 << 20) end
      print(take())
      for _, kind in ipairs { "thread", "process" } do print(conrun[kind].start(take):result()) end
      local small = conrun.shared.array("f64", 1000)
      small[1000] = 1.5
      print(small[1000])
    ]], "--audit", counted(200))
    assert.are.equal(("false\tnot enough memory\n"):rep(3) .. "1.5\n", out, err)
    assert.matches("audit: clean", err)
    assert.are.equal(0, status)
  end)

  it("a program that gets not even its first pages is told so", function()
    local _, err, status = kinds.run("print 'ran'", nil, counted(1))
    assert.matches("cannot map shared memory: fallocate %(see vm.overcommit_memory%): Cannot allocate memory", err)
    assert.are.equal(1, status)
  end)
end)
