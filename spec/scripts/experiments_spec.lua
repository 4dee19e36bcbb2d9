-- SPDX-License-Identifier: MIT
-- The experiments of scripts/: what each must find, whatever the machine is like.
--
-- Verdicts that hang on times are the machine's business and only have to be
-- there; results are computed anew here, or are known.

local helpers = require "spec.helpers"

local verdict = "[^\n]*: %l[%l ]+ %("

local function script(name, arguments)
  local out, err, code = helpers.script(name, arguments)
  assert.are.equal("", err)
  assert.are.equal(0, code)
  return out
end

-- The refusals of a script: one line, exit code 1, nothing done.
local function refuses(name, complaints)
  for arguments, complaint in pairs(complaints) do
    it("refuses " .. arguments, function()
      local out, err, code = helpers.script(name, arguments)
      assert.are.equal("", out)
      assert.are.equal(name .. ".lua: " .. complaint .. "\n", err)
      assert.are.equal(1, code)
    end)
  end
end

for _, kind in ipairs { "thread", "process" } do
  local function run(name, arguments)
    return script(name, ("--kind=%s %s"):format(kind, arguments or ""))
  end

  describe("scripts/philosophers.lua with kind " .. kind, function()
    local out, err, code
    setup(function()
      out, err, code = helpers.script("philosophers", "--count=3 --meals=20 --kind=" .. kind)
    end)

    it("runs into a deadlock without an order, and says who waits for whom", function()
      assert.are.equal(0, code)
      assert.matches("Everybody takes the left fork first:\n  [^\n]*deadlock: main %-> Hypatia [^\n]+\n", out)
      assert.matches("  It ends in a deadlock: holds %(0 of 60 meals eaten, ", out)
      assert.matches("conrun: deadlock: main %-> Hypatia %-> Plato %-> Diotima %-> Hypatia\n", err)
      assert.matches(kind .. " 'Plato' waits for lock %d+ %(acquire%), held by 'Diotima'", err)
    end)

    it("feeds everybody with an order", function()
      assert.matches("Everybody eats: holds %(60 of 60 meals eaten, ", out)
    end)
  end)

  describe("scripts/queue_sizes.lua with kind " .. kind, function()
    it("loses nothing with any size", function()
      local out = run("queue_sizes", "--sizes=1,3,100 --items=500")
      assert.matches("size +time +per item\n[^\n]+\n +1 [^\n]+\n +3 [^\n]+\n +100 ", out)
      assert.matches("Every item arrives once: holds %(0 of 12 runs wrong%)", out)
      assert.matches("A longer queue carries more" .. verdict, out)
    end)
  end)

  describe("scripts/amdahl.lua with kind " .. kind, function()
    it("puts what the law says beside what the clock says", function()
      local out = run("amdahl", "--serial=50 --work=10 --sizes=1,2,8")
      assert.matches("50 %% of the work is serial, so no pool is more than 2 times as fast%.", out)
      assert.matches("\n *1 +1%.00 +1%.00 +[%d.]+\n *2 +1%.33 +[%d.]+ +[%d.]+\n *8 +1%.78 +[%d.]+ +[%d.]+\n", out)
      assert.matches("No pool beats the law" .. verdict, out)
    end)
  end)

  describe("scripts/false_sharing.lua with kind " .. kind, function()
    it("counts exactly at every distance", function()
      local out = run("false_sharing", "--adds=2000")
      assert.matches("\n +8 bytes  the same line", out)
      assert.matches("\n *256 bytes  lines of their own", out)
      assert.matches("All counts are exact: holds %(0 runs wrong%)", out)
      assert.matches("Neighbours slow each other down" .. verdict, out)
    end)
  end)

  describe("scripts/word_count.lua with kind " .. kind, function()
    local folder
    setup(function()
      folder = helpers.run("mktemp -d"):match "[^\n]+"
      for name, text in pairs { a = "The cat, the dog.\nthe END", b = "cat-dog größe", ["c d"] = "", e = "END\n" } do
        local file <close> = assert(io.open(folder .. "/" .. name, "w"))
        file:write(text)
      end
    end)
    teardown(function()
      helpers.run("rm -r " .. folder)
    end)

    it("counts real files, and ranks equal words by the alphabet", function()
      local out = run("word_count", ("%s/* --top=4"):format(folder))
      assert.matches("^10 words in 4 files, 5 of them different:\n\n", out)
      assert.matches("\nthe  %S+ 3\ncat  %S+ 2\ndog  %S+ 2\nend  %S+ 2\n\n", out)
      assert.matches("A plain loop counts the same: holds %(10 words%)", out)
    end)

    it("counts the others if one cannot be read, and says which, and why", function()
      local out, err, code = helpers.script("word_count", ("--kind=%s %s/a %s/none"):format(kind, folder, folder))
      assert.matches("\nthe  %S+ 3\n", out)
      assert.matches("A plain loop counts the same: holds %(6 words%)", out)
      assert.matches("^word_count%.lua: [^\n]*/none: No such file or directory\n$", err)
      assert.are.equal(1, code)
      assert.are.equal(
        ("word_count.lua: %s: Is a directory\n"):format(folder),
        (select(2, helpers.script("word_count", ("--kind=%s %s"):format(kind, folder))))
      )
    end)
  end)

  describe("scripts/pi.lua with kind " .. kind, function()
    it("finds the same points for a seed, whatever runs them", function()
      local one = run("pi", "--points=20000 --seed=7 --workers=1"):match "^[^\n]+"
      local three = run("pi", "--points=20000 --seed=7 --workers=3")
      assert.are.equal(one, three:match "^[^\n]+")
      assert.are.equal(one, script("pi", "--points=20000 --seed=7 --workers=2"):match "^[^\n]+")
      assert.matches("20000 points, %d+ in the circle: pi is about 3%.1", one)
      assert.matches("The same seed gives the same points to a plain loop: holds", three)
    end)

    it("finds others for another seed", function()
      local one, other = run("pi", "--points=20000 --seed=1"), run("pi", "--points=20000 --seed=2")
      assert.are_not.equal(one:match "^[^\n]+", other:match "^[^\n]+")
    end)

    it("can do with fewer points than tasks", function()
      assert.matches("^3 points, [0-3] in the circle", run("pi", "--points=3"))
    end)
  end)

  describe("scripts/pipeline.lua with kind " .. kind, function()
    it("finds with every crew what is known", function()
      local out = run("pipeline", "--limit=1000 --workers=1,3")
      assert.matches("^1000 numbers, the longest path from 871: 178 steps; %d+ of prime length\n", out)
      assert.matches("\na plain loop [^\n]+\n1 a stage [^\n]+\n3 a stage ", out)
      assert.matches("Every pipeline finds the same: holds %(2 of 2%)", out)
    end)
  end)

  describe("scripts/crawler.lua with kind " .. kind, function()
    it("fetches every page once, and meets the broken links", function()
      local out = run("crawler", "--pages=12 --delay=1 --workers=1,5")
      assert.matches("workers +pages +broken links +time\n[^\n]+\n +1 +12 +7 [^\n]+\n +5 +12 +7 ", out)
      assert.matches("Every page is fetched once: holds %(12 pages%)", out)
      assert.matches("5 workers are faster than 1" .. verdict, out)
    end)
  end)

  describe("scripts/queens.lua with kind " .. kind, function()
    for size, ways in pairs { 1, 0, 0, 2, 10, 4, 40, 92 } do
      it(("knows the ways of %d queens"):format(size), function()
        local out = run("queens", ("--size=%d --workers=2"):format(size))
        assert.matches(("\n%d queens: %d ways"):format(size, ways), out)
        assert.matches(("Every pool counts the same: holds %%(%d%%)"):format(ways), out)
      end)
    end

    it("draws who searched when, and loses no task", function()
      local out = run("queens", "--size=6 --workers=3")
      local tasks, drawn = tonumber(out:match "found in (%d+) tasks"), 0
      for count in out:gmatch "\nsearch%-%d [^\n]+ busy, (%d+)" do
        drawn = drawn + tonumber(count)
      end
      assert.are.equal(20, tasks)
      assert.are.equal(tasks, drawn)
    end)

    it("shows a board without a threat", function()
      local columns, board = {}, run("queens", "--size=8 --workers=2"):match "^(.-)\n\n"
      for row, line in ipairs(helpers.lines(board)) do
        columns[row] = line:find "Q" // 2
        for above = 1, row - 1 do
          local aside = math.abs(columns[row] - columns[above])
          assert.is_true(aside ~= 0 and aside ~= row - above)
        end
      end
      assert.are.equal(8, #columns)
    end)
  end)
end

describe("scripts/philosophers.lua", function()
  refuses("philosophers", {
    ["--count=1"] = "--count needs at least 2 philosophers: a fork lies between two",
    ["--order=right"] = "--order needs one of both, left, number, got 'right'",
  })

  it("shows one table only, if told so", function()
    local out = script("philosophers", "--order=number --meals=5 --count=2")
    assert.matches("^Everybody takes the fork with the lower number first:\n", out)
    assert.matches("Everybody eats: holds %(10 of 10 meals eaten, ", out)
  end)
end)

describe("scripts/amdahl.lua", function()
  refuses("amdahl", { ["--serial=101"] = "--serial is a percentage, at most 100, got 101" })

  it("knows that a job without a serial part has no limit but its workers", function()
    local out = script("amdahl", "--serial=0 --work=5 --sizes=1,4")
    assert.matches("^0 %% of the work is serial", out)
    assert.matches("\n *4 +4%.00 ", out)
  end)
end)

describe("scripts/queens.lua", function()
  refuses("queens", { ["--size=17"] = "--size=17 takes hours; 16 is the most that it tries" })

  it("says that there is no board", function()
    assert.matches("^There is no such board%.\n", script("queens", "--size=3 --workers=1"))
  end)
end)

describe("scripts/crawler.lua", function()
  it("says what it needs where it is missing", function()
    local out, err, code = helpers.run(
      ("LUA_PATH=/nowhere/? LUA_CPATH=/nowhere/? %s scripts/crawler.lua"):format(helpers.quote(helpers.conrun))
    )
    assert.are.equal("", out)
    assert.are.equal("crawler.lua: the crawler needs LuaSocket; on Debian it is in the package lua-socket\n", err)
    assert.are.equal(1, code)
  end)
end)
