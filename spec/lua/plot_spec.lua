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

describe("columns of a table", function()
  local function lines(text)
    local list = {}
    for line in text:gmatch "[^\n]+" do
      list[#list + 1] = line
    end
    return list
  end

  it("stand at the right if they are numbers", function()
    local text = lines(plot.table({ "n", "what" }, { { 1, "a" }, { 200 }, { 0 / 0, "c" }, { math.huge } }))
    assert.are.equal("   n  what", text[1])
    assert.are.equal("   1  a", text[3])
    assert.are.equal(" 200", text[4])
    assert.matches("^%-?nan  c$", text[5])
    assert.are.equal(" inf", text[6])
  end)

  it("are as wide as they look: wide characters and combining ones", function()
    local text = lines(plot.table({ "a", "b" }, { { "日本", 1 }, { "e\u{301}", 2 } }))
    assert.are.equal("日本  1", text[3])
    assert.are.equal("e\u{301}     2", text[4])
  end)

  it("fit into 80 columns", function()
    for _, line in ipairs(lines(plot.table({ "a", "b" }, { { ("word "):rep(40), ("日本 "):rep(40) } }))) do
      assert.is_true(utf8.len(line) <= 80)
    end
  end)

  it("may be none at all", function()
    assert.are.equal("a\n" .. rule(1), plot.table({ "a" }, {}))
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

-- Marks of both character sets made one, so that one text is expected.
local function ascii(text)
  local signs = {
    ["█"] = "#", ["▓"] = "=", ["│"] = "|", ["┤"] = "+", ["└"] = "+", ["─"] = "-", ["●"] = "*", ["▲"] = "o", ["·"] = ".",
    ["…"] = "..",
  }
  return (text:gsub(utf8.charpattern, signs))
end

describe("plot.bars", function()
  it("draws negative values to the left", function()
    assert.are.equal("a  ####      -1\nb      ######## 2", ascii(plot.bars({ { "a", -1 }, { "b", 2 } }, { width = 12 }))
      :gsub("####%s+%-1", "####      -1"))
  end)

  it("writes what it cannot draw", function()
    local text = plot.bars { { "a", 0 / 0 }, { "b", math.huge }, { "c", -math.huge }, { "d", 1 } }
    assert.matches("^a   nan\nb   inf\nc   %-inf\nd  [█#]+ 1$", text)
  end)

  it("cuts long labels and writes huge numbers short", function()
    local text = ascii(plot.bars({ { ("x"):rep(100), 123456789012 } }, { width = 4 }))
    assert.matches("^x+%.%.  #### 1%.235e%+11$", text)
    assert.is_true(#text < 50)
  end)
end)

describe("plot.histogram", function()
  it("counts each number once, the limits too", function()
    local text = ascii(plot.histogram({ 0, 1, 2, 3, 4, 5, 6, 7, 8, 10 }, { bins = 2, width = 5 }))
    assert.are.equal("0 to  5  ##### 5\n5 to 10  ##### 5", text)
  end)

  it("knows nothing, one number, equal numbers and what is none", function()
    assert.are.equal("", plot.histogram {})
    assert.are.equal("3 to 3  # 1", ascii(plot.histogram({ 3 }, { width = 1 })))
    assert.are.equal("3 to 3  # 2", ascii(plot.histogram({ 3, 3 }, { width = 1 })))
    assert.are.equal("(not drawn, for NaN or infinite: 2)", plot.histogram { 0 / 0, math.huge })
  end)

  it("holds out numbers as far apart as there are", function()
    local text = plot.histogram({ -1e308, 1e308 }, { bins = 2 })
    assert.matches(" 1\n[^\n]* 1$", text)
  end)
end)

describe("plot.lines", function()
  it("connects points, with marks over the lines and a legend", function()
    local text = ascii(plot.lines({
      { label = "up", { 0, 0 }, { 4, 4 } },
      { label = "down", { 0, 4 }, { 4, 0 } },
    }, { width = 9, height = 5, title = "cross", xlabel = "x", ylabel = "y" }))
    assert.are.equal("cross\ny\n" .. table.concat({
      "4 +o       *",
      "  | ..   ..",
      "2 +   ...",
      "  |  .. ..",
      "0 +*.     .o",
      "  +---------",
      "   0   2   4",
      "       x",
      "   * up   o down",
    }, "\n"), text)
  end)

  it("draws one point, equal points, negative and huge numbers", function()
    assert.matches("%*", ascii(plot.lines { { { 5, 5 } } }))
    assert.matches("%*", ascii(plot.lines { { { 5, -5 }, { 5, -5 } } }))
    assert.matches("1e%+300", plot.lines { { { -1, -1e300 }, { 1, 1e300 } } })
    assert.matches("1e%-300", plot.lines { { { 0, 0 }, { 1, 1e-300 } } })
  end)

  it("says what it left out, and that there is nothing", function()
    assert.are.equal("(nothing to draw)", plot.lines {})
    assert.are.equal("t\n(nothing to draw)", plot.lines({ { { 0 / 0, 1 } } }, { title = "t" }))
    assert.matches("\n%(not drawn, for NaN or infinite: 1%)$", plot.lines { { { 1, 1 }, { 2, math.huge } } })
  end)

  it("is at most 80 columns wide", function()
    for line in plot.lines({ { { 1, 123456789 }, { 2, -123456789 } } }):gmatch "[^\n]+" do
      assert.is_true(utf8.len(line) <= 80)
    end
  end)
end)

describe("plot.lanes", function()
  it("has a line for each lane, in the order of their names' first use", function()
    local text = ascii(plot.lanes({
      { lane = "w2", from = 0, to = 2 },
      { lane = "w1", from = 1, to = 4 },
      { lane = "w2", from = 2, to = 3 },
    }, { width = 8 }))
    assert.are.equal("w2 |####==  |  75% busy, 2\nw1 |  ######|  75% busy, 1\n    0      4", text)
  end)

  it("shows spans of no length, and nothing", function()
    assert.matches("w |#  #|", (ascii(plot.lanes({ { lane = "w", from = 0, to = 0 }, { lane = "w", from = 9, to = 9 } },
      { width = 4 })):gsub("=", "#")))
    assert.are.equal("(nothing to draw)", plot.lanes {})
    assert.are.equal("(nothing to draw)", plot.lanes { { lane = "w", from = 0 / 0, to = 1 } })
  end)
end)

describe("plot", function()
  it("draws a meter of always the same width", function()
    for _, share in ipairs { 0, 0.01, 0.5, 0.999, 1, 7, -1 } do
      assert.are.equal(10, utf8.len(plot.meter(share, 10)))
    end
    assert.are.equal("##########", ascii(plot.meter(1, 10)))
  end)


  it("prints lists", function()
    assert.are.equal("[1, 4, nine]", plot.list { 1, 4, "nine" })
    assert.are.equal("[]", plot.list {})
  end)

  it("prints times as a person reads them", function()
    assert.matches("^12%.3 .+s$", plot.seconds(12.3e-6))
    assert.are.equal("4.56 ms", plot.seconds(4.56e-3))
    assert.are.equal("1.20 s", plot.seconds(1.2))
    assert.are.equal("0 s", plot.seconds(0))
    assert.are.equal("5.0 ns", plot.seconds(5e-9))
    assert.are.equal("-1.50 ms", plot.seconds(-1.5e-3))
  end)
end)
