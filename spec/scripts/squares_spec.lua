-- SPDX-License-Identifier: MIT
-- scripts/squares.lua: the main job and its options.

local helpers = require "spec.helpers"

local line = "^Pool Size: (%d+), Results: (%[.*%]), Time Taken: %d+%.%d%d%d%d seconds$"
local squares = "[1, 4, 9, 16, 25, 36, 49, 64, 81, 100]"

describe("scripts/squares.lua", function()
  it("prints a line for pools of 2, 4 and 8, then a table, a plot and a verdict", function()
    local out, err, code = helpers.script("squares", "--work=40")
    assert.are.equal("", err)
    assert.are.equal(0, code)
    local lines = helpers.lines(out)
    for i, size in ipairs { "2", "4", "8" } do
      local given, results = lines[i]:match(line)
      assert.are.equal(size, given)
      assert.are.equal(squares, results)
    end
    assert.matches("side +median +spread +speed%-up +efficiency\n", out)
    assert.matches("\npool of 2 +%d[^\n]+\npool of 4 +%d[^\n]+\npool of 8 +%d", out)
    assert.matches("\nspeed%-up over [^\n]+\n\nplain loop  [^\n]+ 1%.00 x\n +pool of 2  [^\n]+ x\n", out)
    assert.matches("\ntime:\n\nplain loop  [^\n]+s\n +pool of 2  [^\n]+s\n +pool of 4  [^\n]+s\n +pool of 8 ", out)
    assert.matches("A pool of processes uses the cores it has: .* x on %d+ usable cores", lines[#lines])
  end)

  it("takes sizes, count and kind", function()
    local out, err, code = helpers.script("squares", "--light --sizes=1,3 --count=4 --kind=thread")
    assert.are.equal("", err)
    assert.are.equal(0, code)
    local lines = helpers.lines(out)
    assert.are.equal(2, #lines)
    assert.are.same({ "1", "[1, 4, 9, 16]" }, { lines[1]:match(line) })
    assert.are.same({ "3", "[1, 4, 9, 16]" }, { lines[2]:match(line) })
  end)

  it("draws in ASCII where the locale is not UTF-8", function()
    local out = helpers.run(
      ("LC_ALL=C %s scripts/squares.lua --sizes=1 --work=20"):format(helpers.quote(helpers.conrun))
    )
    assert.is_nil(out:find "[\128-\255]")
    assert.matches("pool of 1  #+ ", out)
  end)

  it("survives a closed stdout", function()
    local _, _, code = helpers.script("squares", "--light >&-")
    assert.are.equal(0, code)
  end)

  for arguments, complaint in pairs {
    ["--sizes=0"] = "squares.lua: --sizes needs a whole number from 1 to 1000, got '0'\n",
    ["--sizes=2,x"] = "squares.lua: --sizes needs a whole number from 1 to 1000, got 'x'\n",
    ["--sizes=99999"] = "squares.lua: --sizes needs a whole number from 1 to 1000, got '99999'\n",
    ["--count=1e11"] = "squares.lua: --count needs a whole number from 1 to 100000, got '1e11'\n",
    ["--count=-3"] = "squares.lua: --count needs a whole number from 1 to 100000, got '-3'\n",
    ["--kind=fibre"] = "squares.lua: --kind needs one of process, thread, got 'fibre'\n",
    ["--light=yes"] = "squares.lua: --light takes no value\n",
    ["extra"] = "squares.lua: unexpected argument 'extra'; try --help\n",
    ["--size=2"] = "squares.lua: unknown option '--size=2'; it knows "
      .. "--count --help --kind --light --sizes --work; did you mean '--sizes'?\n",
  } do
    it("refuses " .. arguments, function()
      local out, err, code = helpers.script("squares", arguments)
      assert.are.equal("", out)
      assert.are.equal(complaint, err)
      assert.are.equal(1, code)
    end)
  end
end)
