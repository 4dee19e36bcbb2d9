-- SPDX-License-Identifier: MIT
--
-- series: what growth and scaling measured, as tables with bars.

local plot = require "conrun.plot"
local report = require "report"

local series = {}

-- What is said about each point besides its value.
local remarks = {
  each = function(point, points)
    return ("%.2f x the first"):format(point.value / points[1].value)
  end,
  payload = function(point)
    return report.value("rate", 2 * point.size / point.value):gsub("/s", "B/s")
  end,
  scaling = function(point, points)
    return ("%.2f x one worker"):format(point.value / points[1].value)
  end,
  bytes = function(point, points)
    return ("%.2f x the first"):format(point.value / points[1].value)
  end,
}

local units = { each = "each", payload = "each", scaling = "rate", bytes = "bytes" }

--- One block for each experiment.
---@param results { name: string, title: string, points: table[] }[]
---@param experiments { unit: string }[] as in growth.lua and scaling.lua
---@return string
function series.text(results, experiments)
  local blocks = {}
  for i, result in ipairs(results) do
    local unit, items = experiments[i].unit, {}
    for k, point in ipairs(result.points) do
      local text = ("%s  %s"):format(report.value(units[unit], point.value), remarks[unit](point, result.points))
      items[k] = { tostring(point.size), point.value, text }
    end
    blocks[i] = ("%s: %s\n%s"):format(result.name, result.title, plot.bars(items, { width = 30 }))
  end
  return table.concat(blocks, "\n\n")
end

return series
