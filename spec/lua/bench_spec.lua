-- SPDX-License-Identifier: MIT
-- conrun.bench: the arithmetic and the order of the runs; never how long they took.

local bench = require "conrun.bench"
local conrun = require "conrun"
local helpers = require "spec.helpers"

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

---------------------------------------------------------------------- experiments

-- A clock that the sides move by themselves: what is measured is known.
local function with_clock(fn)
  local core = require("conrun.core").public
  local clock, now = core.clock, 0
  core.clock = function() return now end
  local ok, value = pcall(fn, function(seconds) now = now + seconds end)
  core.clock = clock
  return ok and value or error(value, 0)
end

-- A side that takes these times one after the other, the last one again and again.
local function takes(pass, times)
  local run = 0
  return function()
    run = run + 1
    pass(times[math.min(run, #times)])
  end
end

-- A report of sides { name, times, workers }; the first time is the warm-up's.
local function report_of(sides, options)
  return with_clock(function(pass)
    local experiment = options or {}
    for i, side in ipairs(sides) do
      experiment[i] = { side[1], takes(pass, side[2]), workers = side.workers }
    end
    return bench.run(experiment)
  end)
end

local function has(list, text)
  for _, line in ipairs(list) do
    if line:find(text, 1, true) then
      return true
    end
  end
  return false
end

describe("bench.run", function()
  it("tells median, spread, speed-up and efficiency", function()
    local report = report_of({ { "one", { 99, 4, 5, 4, 3, 4 } }, { "two", { 99, 2, 2, 2, 2, 2 }, workers = 2 } })
    assert.are.same({ 4, 3, 5, 0 }, { report.one.median, report.one.low, report.one.high, report.one.spread })
    assert.are.same({ 2.0, 1.0, 2 }, { report.two.speedup, report.two.efficiency, report.two.workers })
    assert.are.equal(1.0, report.one.speedup)
    assert.is_nil(report.one.efficiency)
    assert.are.equal("one", report.baseline)
    assert.are.same({ 4, 5, 4, 3, 4 }, report.rows[1].times)
  end)

  it("compares with the baseline that is asked for", function()
    local report = report_of({ { "a", { 1 } }, { "b", { 2 } } }, { baseline = "b", runs = 3 })
    assert.are.same({ 2.0, 1.0 }, { report.a.speedup, report.b.speedup })
  end)

  it("names runs that are far off", function()
    local report = report_of { { "a", { 1, 1, 1.01, 9, 1.02, 1 } }, { "b", { 1, 1, 1.1, 1.2, 1.05, 1 } } }
    assert.are.same({ 3 }, report.a.outliers)
    assert.are.same({}, report.b.outliers)
    assert.matches("runs that are far off: a run 3 %(9%.00 s%)", report:text())
  end)

  it("warns of a difference that may be chance", function()
    local report = report_of({
      { "base", { 1, 1.0, 1.1, 0.9, 1.05, 0.95 } },
      { "same", { 1, 1.01, 1.08, 0.92, 1.04, 0.96 } },
      { "faster", { 1, 0.5, 0.6, 0.4, 0.55, 0.45 } },
    })
    assert.are.same({ false, true, false }, { report.base.noise, report.same.noise, report.faster.noise })
    assert.is_true(has(report.warnings, "the difference to 'base' may be chance: same"))
    assert.matches("same[^\n]*noise%?", report:text())
  end)

  it("warns of times that vary, and of more workers than processors", function()
    local many = conrun.cpu_count() + 1
    local report = report_of { { "a", { 1, 1, 2, 3, 4, 5 } }, { "b", { 1, 1 }, workers = many } }
    assert.is_true(has(report.warnings, "times vary much, more runs would help: a (67 %)"))
    assert.is_true(has(report.warnings, "so they take turns: b"))
    assert.is_false(has(report_of({ { "b", { 1 }, workers = 1 } }).warnings, "take turns"))
  end)

  it("sets up once before all runs and takes down after them, also after an error", function()
    local order = {}
    local function note(word) order[#order + 1] = word end
    local function side(name, fail)
      return {
        name,
        function(x)
          note(x)
          if fail then error("no " .. x, 0) end
        end,
        setup = function() note("+" .. name) return name end,
        teardown = function(x) note("-" .. x) end,
      }
    end
    bench.run { runs = 1, side "a", side "b" }
    assert.are.equal("+a +b a b a b -b -a", table.concat(order, " "))
    order = {}
    assert.has_error(function() bench.run { runs = 1, side "a", side("b", true) } end, "no b")
    assert.are.equal("+a +b a b -b -a", table.concat(order, " "))
  end)

  it("shows how far it is, if asked to", function()
    local code = 'require("conrun.bench").run { runs = 2, progress = "work", { "a", print }, { "b", print } }'
    local out, err = helpers.run(helpers.quote(helpers.conrun) .. " -e " .. helpers.quote(code))
    assert.are.equal(("nil\n"):rep(6), out)
    assert.matches("^work: 6/6 %(100%%%) %[[^\n]* run/s%]\n$", err)
  end)

  it("does what the readme's experiment shows", function()
    local code = helpers.slurp("doc/experiments.md"):match "\n## Your own experiment\n.-\n```lua\n(.-)\n```"
    assert.is_true(#helpers.lines(code) <= 10)
    code = code:gsub("200000", "10")
    local out, _, status = helpers.run(helpers.quote(helpers.conrun) .. " -e " .. helpers.quote(code))
    assert.are.equal(0, status)
    assert.matches("^work: median of 5 runs, [^\n]*\n\nside .*\nplain loop .*\n4 processes ", out)
  end)

  it("refuses what is no experiment", function()
    local function message(experiment)
      return (select(2, pcall(bench.run, experiment)):gsub("^[^:]*:%d+: ", ""))
    end
    local function nothing() end
    assert.are.equal("bad argument #1 to 'conrun.bench.run' (table expected, got 7)", message(7))
    assert.matches("at least one side", message {})
    assert.matches("side 1: table expected, got function", message { nothing })
    assert.matches("side 1: its name expected first, got function", message { { nothing } })
    assert.matches("side 'a': function expected after the name, got nil", message { { "a" } })
    assert.matches("two sides are called 'a'", message { { "a", nothing }, { "a", nothing } })
    assert.matches("side 'a': unknown field 'worker'", message { { "a", nothing, worker = 1 } })
    assert.matches("side 'a': field 'workers'", message { { "a", nothing, workers = 0 } })
    assert.matches("unknown option 'run' %(did you mean 'runs'%?%)", message { run = 1, { "a", nothing } })
    assert.matches("'runs' %(integer of at least 1", message { runs = 0, { "a", nothing } })
    assert.matches("no side is called 'b'", message { baseline = "b", { "a", nothing } })
  end)
end)

describe("a report", function()
  local report = report_of({
    { 'a "b", c', { 1 } },
    { "d | <e>", { 0.5 }, workers = 1 },
  }, { title = "title", runs = 3 })

  it("is text of at most 80 columns", function()
    assert.are.equal(tostring(report), report:text())
    assert.matches("^title: median of 3 runs, ", report:text())
    assert.matches("d | <e>   500%.00 ms     0 %%    2%.00 x       200 %%\n", report:text())
    for line in report:text():gmatch "[^\n]+" do
      assert.is_true(utf8.len(line) <= 80, line)
    end
  end)

  it("is CSV", function()
    assert.are.equal('name,workers,median,low,high,spread,speedup,efficiency,noise\n'
      .. '"a ""b"", c",,1,1,1,0,1,,false\nd | <e>,1,0.5,0.5,0.5,0,2,2,false\n', report:csv())
  end)

  it("is JSON", function()
    local json = report:json()
    assert.is_truthy(json:find('"name":"a \\"b\\", c"', 1, true))
    assert.is_truthy(json:find('"times":[0.5,0.5,0.5]', 1, true))
    assert.is_truthy(json:find('"title":"title"', 1, true))
    local there, cjson = pcall(require, "cjson")
    if there then
      local value = cjson.decode(json)
      assert.are.equal(2, value.rows[2].speedup)
      assert.are.equal(3, value.runs)
    end
  end)

  it("has null in JSON for what is no number", function()
    assert.is_truthy(report_of({ { "a", { 0 } } }, { runs = 1 }):json():find('"speedup":null', 1, true))
  end)

  it("is Markdown and HTML that keep their form", function()
    assert.is_truthy(report:markdown():find("| d \\| <e> |", 1, true))
    local html = report:html()
    assert.is_truthy(html:find("<td>d | &lt;e&gt;</td>", 1, true))
    assert.matches("^<!DOCTYPE html>.*<svg .*</svg>.*</html>\n$", html)
    assert.is_nil(html:gsub("http://www.w3.org/2000/svg", ""):find "https?://")
  end)

  it("may have sides that are called like its functions", function()
    local odd = report_of({ { "text", { 1 } }, { "rows", { 1 } } }, { runs = 1 })
    assert.are.equal("text", odd.rows[1].name)
    assert.are.equal("rows", odd.rows[2].name)
    assert.is_string(odd:text())
  end)
end)

describe("a verdict over two sides", function()
  it("is yes or no where every run of one is clear of every run of the other", function()
    assert.is_true(bench.decide({ 9, 10, 11 }, { 1, 2, 3 }))
    assert.is_false(bench.decide({ 1, 2, 3 }, { 9, 10, 11 }))
    assert.is_false(bench.decide({ 9, 10, 11 }, { 1, 2, 3 }, 20))
  end)

  it("is none where each is faster now and then", function()
    assert.is_nil(bench.decide({ 1, 9, 2, 8 }, { 9, 1, 8, 2 }))
    assert.is_nil(bench.decide({ 10, 11, 12 }, { 10, 11, 12 }))
  end)

  it("is never the opposite of what most pairs of runs say", function()
    local mixed = { 2, 2, 2, 2, 0.5 }
    assert.are_not.equal(false, bench.decide(mixed, { 1, 1, 1, 1, 1 }))
    assert.are_not.equal(true, bench.decide({ 1, 1, 1, 1, 1 }, mixed))
  end)
end)
