-- SPDX-License-Identifier: MIT
-- scripts/factorials.lua: results in order, and the overflow past 20.

local helpers = require "spec.helpers"

local function products(first, last)
  local lines, product = {}, 1
  for n = 1, last do
    product = product * n
    if n >= first then
      lines[#lines + 1] = ("The factorial of %d is %d"):format(n, product)
    end
  end
  return lines
end

local function factorial_lines(out)
  local lines = {}
  for line in out:gmatch "The factorial of [^\n]+" do
    lines[#lines + 1] = line
  end
  return lines
end

describe("scripts/factorials.lua", function()
  it("prints the factorials of 1 to 10 first, in order", function()
    local out, err, code = helpers.script "factorials"
    assert.are.equal("", err)
    assert.are.equal(0, code)
    assert.are.same(products(1, 10), table.move(helpers.lines(out), 1, 10, 1, {}))
    assert.are.same(products(1, 10), factorial_lines(out))
    assert.matches("Chunks make light tasks cheaper", out)
  end)

  it("takes a last number, and says which overflow", function()
    local out, err, code = helpers.script("factorials", "23")
    assert.are.equal("", err)
    assert.are.equal(0, code)
    local expected = products(1, 20)
    for n = 21, 23 do
      expected[n] = ("The factorial of %d: error: %d! overflows a 64-bit integer (20! is the last that fits)")
        :format(n, n)
    end
    assert.are.same(expected, factorial_lines(out))
  end)

  it("takes a range", function()
    local out = helpers.script("factorials", "3 5")
    assert.are.same(products(3, 5), factorial_lines(out))
  end)

  it("knows the factorial of 0", function()
    local out = helpers.script("factorials", "0 1")
    assert.are.same({ "The factorial of 0 is 1", "The factorial of 1 is 1" }, factorial_lines(out))
  end)

  for arguments, complaint in pairs {
    ["five"] = "factorials.lua: LAST needs a whole number from 1 to 100000, got 'five'\n",
    ["-1 3"] = "factorials.lua: FIRST needs a whole number from 0 to 100000, got '-1'\n",
    ["9 3"] = "factorials.lua: FIRST (9) is greater than LAST (3); give the smaller number first\n",
    ["1 2 3"] = "factorials.lua: unexpected argument '3'; try --help\n",
    ["--workers=0"] = "factorials.lua: --workers needs a whole number from 1 to 1000, got '0'\n",
  } do
    it("refuses " .. arguments, function()
      local out, err, code = helpers.script("factorials", arguments)
      assert.are.equal("", out)
      assert.are.equal(complaint, err)
      assert.are.equal(1, code)
    end)
  end
end)
