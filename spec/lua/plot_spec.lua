-- SPDX-License-Identifier: MIT
-- conrun.plot: what it lays out, character by character.  Rules and bars depend
-- on the locale, so the expected text is built for the one that the spec runs in.

local plot = require "conrun.plot"

local dash = plot.unicode() and "─" or "-"

local function rule(...)
  local parts = {}
  for i, columns in ipairs { ... } do
    parts[i] = dash:rep(columns)
  end
  return table.concat(parts, "  ")
end

describe("plot.table", function()
  it("aligns columns", function()
    local text = plot.table({ "name", "n" }, { { "a", 1 }, { "longer", 100 } }, { align = { "left", "right" } })
    assert.are.equal("name      n\n" .. rule(6, 3) .. "\na         1\nlonger  100", text)
  end)

  it("counts characters and not bytes", function()
    assert.are.equal("ä  x\n" .. rule(1, 1) .. "\nµ  y", plot.table({ "ä", "x" }, { { "µ", "y" } }))
  end)

  it("shows missing cells as empty and bytes that are no UTF-8 as they are", function()
    assert.are.equal("a   b\n" .. rule(2, 1) .. "\n\255\254", plot.table({ "a", "b" }, { { "\255\254" } }))
  end)

  it("wraps words in the widest column, and sets such rows apart", function()
    local text = plot.table({ "a", "b" }, { { "one two three", "x" }, { "four", "y" } }, { width = 12 })
    assert.are.equal("a          b\n" .. rule(9, 1) .. "\none two    x\nthree\n\nfour       y", text)
  end)

  it("cuts a word that no column can hold", function()
    local text = plot.table({ "a" }, { { "abcdefghijkl" } }, { width = 8 })
    assert.are.equal("a\n" .. rule(8) .. "\nabcdefgh\nijkl", text)
  end)
end)

describe("plot.bars", function()
  it("draws to one scale", function()
    local full = plot.unicode() and "█" or "#"
    assert.are.equal(
      " a  " .. full:rep(2) .. " 1\nbb  " .. full:rep(4) .. " two",
      plot.bars({ { "a", 1 }, { "bb", 2, "two" } }, { width = 4 })
    )
  end)

  it("draws nothing for zero, and for no items", function()
    assert.are.equal("a   0", plot.bars { { "a", 0 } })
    assert.are.equal("", plot.bars {})
  end)
end)

describe("plot", function()
  it("prints lists", function()
    assert.are.equal("[1, 4, nine]", plot.list { 1, 4, "nine" })
    assert.are.equal("[]", plot.list {})
  end)

  it("prints times as a person reads them", function()
    assert.matches("^12%.3 .+s$", plot.seconds(12.3e-6))
    assert.are.equal("4.56 ms", plot.seconds(4.56e-3))
    assert.are.equal("1.20 s", plot.seconds(1.2))
  end)
end)
