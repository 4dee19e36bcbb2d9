-- SPDX-License-Identifier: MIT
-- scripts/multiprocessing.lua: the three lines, then a demonstration per tool.

local helpers = require "spec.helpers"

describe("scripts/multiprocessing.lua", function()
  local out, err, code

  setup(function()
    out, err, code = helpers.script "multiprocessing"
  end)

  it("prints square, cube and Done! first", function()
    assert.are.equal("", err)
    assert.are.equal(0, code)
    assert.are.same({ "Square: 100", "Cube: 1000", "Done!" }, table.move(helpers.lines(out), 1, 3, 1, {}))
  end)

  for tool, figures in pairs {
    Process = "42 there, 1 here; exit code 0",
    Pool = "[1, 8, 27, 64, 125]",
    Queue = "100 items, sum 5050",
    Pipe = "sent hello, received HELLO",
    ["Shared memory"] = "[1, 4, 9, 16, 25, 36], total 91",
  } do
    it("demonstrates: " .. tool, function()
      local row = out:match("\n(" .. tool .. "  [^\n]*)")
      assert.is_truthy(row)
      assert.is_truthy(row:find(figures, 1, true))
      assert.matches("  holds$", row)
    end)
  end
end)
