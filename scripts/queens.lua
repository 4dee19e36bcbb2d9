-- SPDX-License-Identifier: MIT
--
-- In how many ways can n queens share a chessboard?
--
-- A search tree, cut into tasks: each placement of the queens in the first two
-- rows is one.  Some die at once and some take long; a pool evens that out because
-- its workers take the next task when they are free, and no list is dealt out
-- beforehand.  Rows are bits, so that a whole row is tested in one step.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
In how many ways can n queens share a chessboard?

conrun scripts/queens.lua [--size=11] [--workers=2,4] [--kind=thread|process]

  --size=11      queens, and rows of the board
  --workers=2,4  pool sizes to try
]]

local options = args.read(arg, usage, { size = 11, workers = "2,4", kind = { "thread", "process" } })
local size, crews = options.size, args.integers("--workers", options.workers, 1, 1000)
if size > 16 then
  args.fail("--size=%d takes hours; 16 is the most that it tries", size)
end

local full = (1 << size) - 1

-- `columns`, `left` and `right` are the squares of the next row that are under
-- threat from above and along the two diagonals.  `stop` limits the depth.
local function place(row, columns, left, right, stop, found)
  if row == stop then
    return found(columns, left, right)
  end
  local sum, free = 0, full & ~(columns | left | right)
  while free ~= 0 do
    local queen = free & -free
    free = free ~ queen
    sum = sum + place(row + 1, columns | queen, (left | queen) << 1, (right | queen) >> 1, stop, found)
  end
  return sum
end

local function one()
  return 1
end

local function solve(depth, columns, left, right)
  return place(depth, columns, left, right, size, one)
end

local depth, tasks = math.min(2, size), {}
place(0, 0, 0, 0, depth, function(columns, left, right)
  tasks[#tasks + 1] = { depth, columns, left, right }
  return 0
end)

local function alone()
  return solve(0, 0, 0, 0)
end

local function with(pool)
  local sum = 0
  for _, count in ipairs(pool:starmap(solve, tasks, { chunksize = 1 })) do
    sum = sum + count
  end
  return sum
end

-- The first solution that the same search meets, row by row.
local function first_board(row, columns, left, right, rows)
  if row == size then
    return rows
  end
  local free = full & ~(columns | left | right)
  while free ~= 0 do
    local queen = free & -free
    free = free ~ queen
    local squares = {}
    for square = 1, size do
      squares[square] = queen == 1 << square - 1 and "Q" or "."
    end
    rows[row + 1] = table.concat(squares, " ")
    local board = first_board(row + 1, columns | queen, (left | queen) << 1, (right | queen) >> 1, rows)
    if board then
      return board
    end
  end
end

local counts = {}
local experiment = { title = "time", runs = 3, { "plain loop", function() counts[1] = alone() end } }
local known = {}
for _, crew in ipairs(crews) do
  local side = #experiment + 1
  experiment[side] = not known[crew] and {
    crew .. " workers",
    function(pool) counts[side] = with(pool) end,
    workers = crew,
    setup = function() return conrun.pool.new { workers = crew, kind = options.kind } end,
    teardown = function(pool) pool:shutdown() end,
  } or nil
  known[crew] = true
end
local report = bench.run(experiment)

local board = first_board(0, 0, 0, 0, {})
print(board and table.concat(board, "\n") or "There is no such board.")
print(("\n%d queens: %d ways, found in %d tasks\n"):format(size, counts[1], #tasks))
print(report)

-- Who searched when: a task in one pool more, with its worker and its times.
local pool <close> = conrun.pool.new { workers = crews[#crews], kind = options.kind, name = "search" }
local spans = pool:starmap(function(...)
  local from = conrun.clock()
  local count = solve(...)
  return { lane = conrun.current().name, from = from, to = conrun.clock(), count = count }
end, tasks, { chunksize = 1 })
print(("\ntasks of %d workers:\n\n%s"):format(crews[#crews], plot.lanes(spans, { format = plot.seconds })))

local sum = 0
for _, span in ipairs(spans) do
  sum = sum + span.count
end
counts[#counts + 1] = sum

local same = true
for _, count in ipairs(counts) do
  same = same and count == counts[1]
end
print(("\nEvery pool counts the same: %s (%d)"):format(plot.verdict(same), counts[1]))
