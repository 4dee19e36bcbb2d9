-- SPDX-License-Identifier: MIT
-- scripts/bench/: the form of what it prints, and that wrong work gets no ratio;
-- never how fast anything was.

local cjson = require "cjson"
local helpers = require "spec.helpers"

-- The benchmark, with the floor where this build has one.
local function bench(arguments)
  return helpers.run(("%s scripts/bench/run.lua %s"):format(helpers.quote(helpers.conrun), arguments))
end

local function rows_of(arguments)
  local out, _, code = bench("--quick --json " .. arguments)
  assert.are.equal(0, code)
  local decoded = cjson.decode(out)
  local by_name = {}
  for _, row in ipairs(decoded.rows) do
    by_name[row.name] = row
  end
  return by_name, decoded
end

describe("scripts/bench/run.lua", function()
  it("explains itself", function()
    local out, err, code = bench "--help"
    assert.are.equal("", err)
    assert.are.equal(0, code)
    assert.matches("^conrun scripts/bench/run%.lua", out)
  end)

  it("lists its rows, for threads and for processes", function()
    local out = bench "--list"
    for _, name in ipairs { "start", "queue", "queue.table", "pingpong", "counter", "map", "submit", "string" } do
      assert.matches("\n?" .. name:gsub("%.", "%%.") .. "%.thread ", out)
      assert.matches("\n" .. name:gsub("%.", "%%.") .. "%.process ", out)
    end
  end)

  it("prints a table with one line for each row", function()
    local out, err, code = bench "--quick --only=lock.free,array.get"
    assert.are.equal(0, code)
    assert.matches("1 of 3: lock%.free\n", err)
    local lines = helpers.lines(out)
    assert.matches("^metric +what +conrun +python3 +ratio +floor +of floor +target +verdict +spread %%$", lines[1])
    assert.matches("^lock%.free +lock: acquire %+ release, free +%d", lines[3])
    assert.matches("^lock%.free%.process +", lines[4])
    assert.matches("^array%.get +shared array: get +%d", lines[5])
    assert.matches("quick: the counts are too small", lines[#lines])
  end)

  it("finds conrun's own work right in every group", function()
    local rows, decoded =
      rows_of "--only=start.thread,queue.many,counter,value.add,map,submit,floats,array.process,dict"
    assert.is_true(decoded.about.quick)
    for name, row in pairs(rows) do
      assert.is_nil(row.sides.conrun.failure, name)
      assert.are.equal(1, #row.sides.conrun.values)
      assert.are.equal(row.sides.conrun.values[1], row.sides.conrun.median)
      assert.is_true(row.sides.conrun.median > 0)
      assert.are.equal(row.ratio ~= nil, row.sides.python ~= nil and row.sides.python.median ~= nil)
    end
    assert.is_truthy(rows["map.thread"] and rows["map.process"] and rows["dict.get"])
  end)

  it("draws the ratios", function()
    local picture = os.tmpname()
    local _, _, code = bench("--quick --only=lock.free --svg=" .. picture)
    local svg = helpers.slurp(picture)
    os.remove(picture)
    assert.are.equal(0, code)
    assert.matches("^<svg .*</svg>\n$", svg)
  end)

  it("measures what each part brings", function()
    local out, err, code = bench "--switches --quick"
    assert.are.equal(0, code, err)
    for _, part in ipairs { "image", "heap", "words", "prove", "near", "spare", "crew", "spin" } do
      assert.matches("\n" .. part .. " +%S+ +%S.* %-?%d+%%", out)
    end
  end)

  it("measures growth and scaling", function()
    local out, _, code = bench "--growth --quick --only=growth.queue,growth.map.thread"
    assert.are.equal(0, code)
    assert.matches("growth%.queue: .*\n +1  .* x the first", out)
    assert.matches("growth%.map%.thread: ", out)
    local json = cjson.decode((bench "--scaling --quick --runs=1 --json --only=scaling.value"))
    assert.are.equal(2, #json.series)
    assert.are.equal(1, json.series[1].points[1].size)
  end)

  for arguments, complaint in pairs {
    ["--only=nonsense"] = "run.lua: --only: nothing is called 'nonsense'; --list has the names\n",
    ["--runs=0"] = "run.lua: --runs needs a whole number from 1 to 1000, got '0'\n",
    ["--fast"] = "run.lua: unknown option '--fast'; it knows --growth --help --json --list --only --quick "
      .. "--runs --scaling --svg --switches\n",
  } do
    it("refuses " .. arguments, function()
      local out, err, code = bench(arguments)
      assert.are.equal("", out)
      assert.are.equal(complaint, err)
      assert.are.equal(1, code)
    end)
  end
end)

-- The measuring itself, with a row that does not exist and a side that lies.
describe("scripts/bench/measure.lua", function()
  local folder = "scripts/bench/"
  local path, measure, real
  setup(function()
    path = package.path
    package.path = folder .. "?.lua;" .. path
    real = package.loaded.sides
    package.loaded.sides = {
      start = function(kind)
        return {
          ask = function(_, name, count)
            if name == "dies" then
              return nil, "it crashed, or hung for too long"
            end
            return 2.0, tostring(name == "lies" and kind == "python" and count + 1 or count)
          end,
          close = function() end,
        }
      end,
    }
    measure = require "measure"
  end)
  teardown(function()
    package.path = path
    package.loaded.sides, package.loaded.measure = real, nil
  end)

  local function row(python, floor)
    return {
      name = "row",
      unit = "each",
      count = 10,
      quick = 10,
      expect = function(count) return count end,
      python = python,
      floor = floor,
      target = { most = function(given) return 2 * given end, text = "2 x floor" },
    }
  end
  local programs = { conrun = "c", python = "p", floor = "f" }
  local options = { quick = false, runs = 3 }

  it("forms ratios and a verdict from sides that did the work", function()
    local result = measure.row(row("works", "works"), programs, options)
    assert.are.equal(3, #result.sides.conrun.values)
    assert.are.equal(0.2, result.sides.conrun.median)
    assert.are.equal(1, result.ratio)
    assert.are.equal(1, result.of_floor)
    assert.is_true(result.reached)
  end)

  it("forms no ratio with a side whose result is wrong", function()
    local result = measure.row(row("lies", "works"), programs, options)
    assert.are.equal("wrong result: 11 instead of 10", result.sides.python.failure)
    assert.is_nil(result.sides.python.median)
    assert.is_nil(result.ratio)
    assert.is_true(result.reached)
  end)

  it("forms no verdict where the floor that it needs is unknown", function()
    local result = measure.row(row("works", "dies"), programs, options)
    assert.are.equal("it crashed, or hung for too long", result.sides.floor.failure)
    assert.is_nil(result.of_floor)
    assert.is_nil(result.reached)
  end)

  it("leaves out a side that is not installed", function()
    local result = measure.row(row("works", "works"), { conrun = "c", floor = "f" }, options)
    assert.is_nil(result.sides.python)
    assert.is_nil(result.ratio)
    assert.are.equal(1, result.of_floor)
  end)
end)
