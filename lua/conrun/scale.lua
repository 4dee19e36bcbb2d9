-- SPDX-License-Identifier: MIT
--
-- scale: what a picture of numbers needs before it is drawn.
--
-- Internal; plot draws in characters what svg draws in pixels, and both must agree
-- on ranges, ticks, bins and lanes.  So these are worked out here, and each number
-- that cannot be drawn (NaN, infinite) is left out here and told by `drawable`.

local scale = {}

--- Is it a number with a place on an axis?
---@param x any
---@return boolean
function scale.drawable(x)
  return type(x) == "number" and x == x and x > -math.huge and x < math.huge
end

--- A number in few characters: 0.5, 1200, 1.5e+06.
---@param x number
---@return string
function scale.number(x)
  if math.type(x) == "integer" and math.abs(x) < 10000000 then
    return tostring(x)
  end
  return x ~= x and "nan" or (("%.4g"):format(x):gsub("^%-0$", "0"))
end

--- The smallest and largest of the numbers that can be drawn; nil if there are none.
---@param list number[]
---@return number? low
---@return number? high
function scale.range(list)
  local low, high
  for _, x in ipairs(list) do
    if scale.drawable(x) then
      low, high = math.min(low or x, x), math.max(high or x, x)
    end
  end
  return low, high
end

--- Round numbers on an axis, about `wanted` of them; the first and last enclose the range.
---@param low number
---@param high number
---@param wanted integer
---@return number[]
function scale.ticks(low, high, wanted)
  if low == high then
    local off = low == 0 and 1 or math.abs(low) / 2
    low, high = low - off, high + off
  end
  local rough = high / wanted - low / wanted
  local power = 10.0 ^ math.floor(math.log(rough, 10))
  local step = power
  for _, factor in ipairs { 1, 2, 5, 10 } do
    step = factor * power
    if step >= rough * 0.999 then
      break
    end
  end
  local ticks = {}
  for i = math.floor(low / step), math.ceil(high / step) do
    local tick = i * step
    ticks[#ticks + 1] = tick == math.floor(tick) and math.abs(tick) < 2 ^ 53 and math.floor(tick) or tick
  end
  return ticks
end

---@class scale.Bin
---@field from number
---@field to number it belongs to the next bin, but for the last
---@field count integer

--- Counts numbers in bins of equal width.
---@param numbers number[]
---@param bins integer
---@return scale.Bin[] empty if there is nothing to count
---@return integer left_out numbers that are on no axis
function scale.bins(numbers, bins)
  local low, high = scale.range(numbers)
  if not low then
    return {}, #numbers
  end
  bins = low == high and 1 or bins
  local list, left_out = {}, 0
  local wide = high / bins - low / bins
  for i = 1, bins do
    list[i] = { from = low + (i - 1) * wide, to = i == bins and high or low + i * wide, count = 0 }
  end
  for _, x in ipairs(numbers) do
    if scale.drawable(x) then
      local i = wide > 0 and math.floor((x / wide - low / wide)) + 1 or 1
      local bin = list[math.max(1, math.min(i, bins))]
      bin.count = bin.count + 1
    else
      left_out = left_out + 1
    end
  end
  return list, left_out
end

---@class scale.Axes
---@field x number[] ticks
---@field y number[]
---@field left_out integer points that are on no axis

--- The axes that hold all points of all series; nil if there is no point.
---@param series number[][][]
---@param wide integer ticks wanted
---@param high integer
---@return scale.Axes?
function scale.axes(series, wide, high)
  local xs, ys, left_out = {}, {}, 0
  for _, line in ipairs(series) do
    for _, point in ipairs(line) do
      if scale.drawable(point[1]) and scale.drawable(point[2]) then
        xs[#xs + 1], ys[#ys + 1] = point[1], point[2]
      else
        left_out = left_out + 1
      end
    end
  end
  if #xs == 0 then
    return nil
  end
  local low_x, high_x = scale.range(xs)
  local low_y, high_y = scale.range(ys)
  -- Times and speed-ups lie when their axis does not begin at zero.
  if low_y > 0 and low_y < high_y and low_y / high_y < 0.6 or low_y == high_y and low_y > 0 then
    low_y = 0
  end
  return { x = scale.ticks(low_x, high_x, wide), y = scale.ticks(low_y, high_y, high), left_out = left_out }
end

--- Where between two ticks a number is, from 0 to 1.
---@param x number
---@param ticks number[]
---@return number
function scale.place(x, ticks)
  local low, high = ticks[1], ticks[#ticks]
  return (x / 2 - low / 2) / (high / 2 - low / 2)
end

---@class scale.Lane
---@field name string
---@field spans table[] of this lane, as given
---@field busy number how long the spans are, together

--- Spans by lane, in the order in which lanes are first named, and the time they take.
---@param spans table[]
---@return scale.Lane[]
---@return number from
---@return number to
function scale.lanes(spans)
  local lanes, by_name, from, to = {}, {}, math.huge, -math.huge
  for _, span in ipairs(spans) do
    local name = tostring(span.lane)
    local lane = by_name[name]
    if not lane then
      lane = { name = name, spans = {}, busy = 0 }
      lanes[#lanes + 1], by_name[name] = lane, lane
    end
    if scale.drawable(span.from) and scale.drawable(span.to) and span.to >= span.from then
      lane.spans[#lane.spans + 1] = span
      lane.busy = lane.busy + (span.to - span.from)
      from, to = math.min(from, span.from), math.max(to, span.to)
    end
  end
  if from > to then
    from, to = 0, 0
  end
  return lanes, from, to
end

return scale
