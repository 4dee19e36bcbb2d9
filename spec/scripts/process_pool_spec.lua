-- SPDX-License-Identifier: MIT
-- scripts/process_pool.lua: the squares, then each property with its verdict.

local helpers = require "spec.helpers"

describe("scripts/process_pool.lua", function()
  local out, err, code

  setup(function()
    out, err, code = helpers.script "process_pool"
  end)

  it("prints the five squares first", function()
    assert.are.equal("", err)
    assert.are.equal(0, code)
    assert.are.equal("[1, 4, 9, 16, 25]", helpers.lines(out)[1])
  end)

  -- These depend on nothing but the pool's being right; the times are another matter.
  for _, property in ipairs {
    "Workers are reused",
    "apply, map and starmap",
    "Results are asked for later",
    "Workers are bounded",
  } do
    it("shows: " .. property, function()
      local row = out:match(property:gsub("%-", "%%-") .. "[^\n]*")
      assert.is_truthy(row)
      assert.matches("  holds$", row)
    end)
  end

  it("measures idle workers and the gain over a process per task", function()
    assert.matches("Idle workers use no CPU +[%d.]+ %S+ of CPU time", out)
    assert.matches("A pool beats a process per task +32 tasks: [%d.]+ %S+, one each [%d.]+", out)
  end)

  it("refuses an option", function()
    local _, complaint, status = helpers.script("process_pool", "--workers=3")
    assert.are.equal("process_pool.lua: unknown option '--workers=3'; it knows --help\n", complaint)
    assert.are.equal(1, status)
  end)
end)
