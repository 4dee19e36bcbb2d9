-- SPDX-License-Identifier: MIT
--
-- programs: whole ones, from exec to exit, with the same launcher for all.
-- Words of a command are parted by tabs; {conrun}, {python}, {lua} and {scripts}
-- are filled in by the driver, and a side whose program is not there is left out.

local python_pools = table.concat({
  "import multiprocessing as m",
  "def square(n): return n * n",
  "for size in (2, 4, 8):",
  "    with m.Pool(size) as pool: print(pool.map(square, range(1, 11)))",
}, "\n")

local squares = "[1, 4, 9, 16, 25, 36, 49, 64, 81, 100]"

-- Three lines, each with the ten squares.
local function three_lists(output)
  local count = 0
  for _ in output:gmatch((squares:gsub("[%[%]]", "%%%0"))) do
    count = count + 1
  end
  return count
end

return {
  {
    name = "seed",
    title = "pools of 2, 4, 8 processes square 1..10, whole script",
    unit = "each",
    count = { 10, python = 2 },
    quick = 1,
    expect = function() return 3 end,
    read = three_lists,
    programs = {
      conrun = "{conrun}\t{scripts}squares.lua\t--light",
      python = "{python}\t-c\texec(" .. ("%q"):format(python_pools):gsub("\\\n", "\\n") .. ")",
      floor = "{lua}\t-e\tfor _ = 1, 3 do print '" .. squares .. "' end",
    },
    target = { most = 8e-3, text = "8 ms" },
    note = "floor: a lua5.4 that only prints the lists",
  },
  {
    name = "startup",
    title = "start-up of an empty program",
    unit = "each",
    count = { 50, python = 10 },
    quick = 2,
    expect = function() return "" end,
    programs = {
      conrun = "{conrun}\t-e\t ",
      python = "{python}\t-c\tpass",
      floor = "{lua}\t-e\t ",
    },
    target = {
      most = function(floor) return 1.3 * floor end,
      text = "1.3 x lua5.4",
    },
    note = "floor: lua5.4",
  },
}
