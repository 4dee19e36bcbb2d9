-- SPDX-License-Identifier: MIT
-- conrun.svg: every picture is a whole document with what was asked for in it.

local svg = require "conrun.svg"

-- Raises unless every element is closed by its own name and every value is quoted.
local function check(document)
  local open, texts = {}, {}
  assert.matches("^<svg [^>]*xmlns=\"http://www.w3.org/2000/svg\"[^>]*>", document)
  for slash, name, rest in document:gmatch "<(/?)(%a+)(.-)>" do
    if slash == "/" then
      assert.are.equal(table.remove(open), name)
    else
      local bare = rest:gsub(' [%w%-:]+="[^"<]*"', "")
      assert.is_truthy(bare == "" or bare == "/", bare)
      open[#open + 1] = bare == "" and name or nil
    end
  end
  assert.are.same({}, open)
  assert.is_nil(document:find '="[^"]*nan')
  assert.is_nil(document:find '="[^"]*inf')
  assert.is_truthy(utf8.len(document))
  for text in document:gmatch "<text[^>]*>(.-)</text>" do
    texts[text] = true
  end
  return texts
end

local function count(document, name)
  return select(2, document:gsub("<" .. name .. " ", ""))
end

describe("svg", function()
  it("draws bars with their texts", function()
    local document = svg.bars({ { "one", 1 }, { "two", 2, "two!" }, { "less", -1 } }, { title = "numbers" })
    local texts = check(document)
    assert.is_true(texts.numbers and texts.one and texts["two!"] and texts["-1"])
    assert.are.equal(4, count(document, "rect"))
  end)

  it("writes any text so that it is one", function()
    local items = { { 'a < b & "c"', 1 }, { "\255\0", 2, "\27[J" }, { ("long "):rep(99), 3 } }
    local texts = check(svg.bars(items, { title = "</svg>" }))
    assert.is_true(texts["a &lt; b &amp; &quot;c&quot;"])
    assert.is_true(texts["&lt;/svg&gt;"])
  end)

  it("draws lines with a legend", function()
    local document = svg.lines({ { label = "a", { 1, 1 }, { 2, 4 } }, { label = "b", { 1, 2 } }, { { 1, 1 } } },
      { title = "t", xlabel = "x", ylabel = "y" })
    local texts = check(document)
    assert.is_true(texts.a and texts.b and texts.x and texts.y and texts.t)
    assert.are.equal(3, count(document, "polyline"))
  end)

  it("draws lanes, with what a span was as its title", function()
    local document = svg.lanes {
      { lane = "w1", from = 0, to = 1, label = "task 7" },
      { lane = "w2", from = 1, to = 2 },
    }
    assert.is_true(check(document).w2)
    assert.matches("<title>task 7</title>", document)
  end)

  it("draws a bar for each bin", function()
    assert.are.equal(1 + 4, count(svg.histogram({ 1, 2, 3, 4 }, { bins = 4 }), "rect"))
  end)

  it("draws nothing, one thing and impossible numbers too", function()
    local bad = { 0 / 0, math.huge, -math.huge }
    check(svg.bars {})
    check(svg.bars { { "a", bad[1] }, { "b", bad[2] }, { "c", bad[3] } })
    check(svg.histogram {})
    check(svg.histogram(bad))
    check(svg.lines {})
    check(svg.lines { { bad, { 1, bad[1] } }, { { 3, 3 } } })
    check(svg.lanes {})
    check(svg.lanes { { lane = "w", from = bad[1], to = 1 }, { lane = "w", from = 1, to = 1 } })
  end)
end)
