-- SPDX-License-Identifier: MIT
-- conrun.bench: the arithmetic and the order of the runs; never how long they took.

local bench = require "conrun.bench"

describe("bench", function()
  it("finds the median of odd and even counts and leaves the list alone", function()
    local numbers = { 5, 1, 3 }
    assert.are.equal(3, bench.median(numbers))
    assert.are.same({ 5, 1, 3 }, numbers)
    assert.are.equal(2.5, bench.median { 4, 1, 2, 3 })
    assert.has_error(function() bench.median {} end)
  end)

  it("gives the time of a call and its values, nils too", function()
    local got = table.pack(bench.time(function(a, b) return a, nil, b end, 1, 2))
    assert.are.equal(4, got.n)
    assert.is_true(got[1] >= 0)
    assert.are.same({ 1, nil, 2 }, { got[2], got[3], got[4] })
  end)

  it("lets the sides take turns, and does not count the warm-up", function()
    local order = {}
    local sides = bench.compare({
      b = function() order[#order + 1] = "b" end,
      a = function() order[#order + 1] = "a" end,
    }, { runs = 2, warmup = 1 })
    assert.are.equal("ababab", table.concat(order))
    assert.are.equal(2, #sides.a.times)
    assert.is_true(sides.a.low <= sides.a.median and sides.a.median <= sides.a.high)
  end)

  it("finds a size that takes long enough", function()
    local function spin(size)
      local sum = 0
      for i = 1, size do
        sum = sum + i
      end
      return sum
    end
    assert.is_true(bench.calibrate(spin, 0.01) >= 1)
  end)
end)
