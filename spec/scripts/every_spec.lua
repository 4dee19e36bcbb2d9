-- SPDX-License-Identifier: MIT
-- What all scripts have in common: --help, one clear line for a bad argument, one line that
-- says what they are, a length that reads as a lesson, and no need of a certain folder,
-- locale or terminal.

local helpers = require "spec.helpers"

-- Arguments with which each is quick.
local scripts = {
  threads_or_processes = "--only=isolation",
  process_pool = "",
  multiprocessing = "",
  shared_list = "--fast",
  sharing_data = "--only=lock",
  exceptions = "",
  factorials = "5",
  squares = "--work=10 --sizes=1,2",
  philosophers = "--order=number --meals=5",
  queue_sizes = "--items=200 --sizes=1,8",
  amdahl = "--work=5 --sizes=1,2",
  false_sharing = "--adds=500",
  word_count = "",
  pi = "--points=5000",
  pipeline = "--limit=50 --workers=2",
  crawler = "--pages=5 --delay=1 --workers=2",
  explore = "--runs=5",
  queens = "--size=5 --workers=2",
  timeline = "--here --items=12 --slow=10 --workers=2",
}

local function line_count(path)
  return select(2, helpers.slurp(path):gsub("\n", ""))
end

for name, quick in pairs(scripts) do
  describe("scripts/" .. name .. ".lua", function()
    it("explains itself", function()
      local out, err, code = helpers.script(name, "--help")
      assert.are.equal("", err)
      assert.are.equal(0, code)
      assert.matches("^%u[^\n]+[.?]\n\nconrun scripts/" .. name .. "%.lua", out)
      for line in out:gmatch "[^\n]+" do
        assert.is_true(#line <= 80, line)
      end
    end)

    it("refuses an unknown option with one line and exit code 1", function()
      local out, err, code = helpers.script(name, "--no-such-thing")
      assert.are.equal("", out)
      assert.are.equal(1, code)
      assert.matches(
        "^" .. name .. "%.lua: unknown option '%-%-no%-such%-thing'; it knows [^\n]*%-%-help[^\n]*\n$",
        err
      )
    end)

    it("says in its third line what it is, for --examples", function()
      local line = helpers.lines(helpers.slurp("scripts/" .. name .. ".lua"))[3]
      assert.matches("^%-%- %u.*[.?]$", line)
      assert.is_true(#line <= 60, line)
    end)

    it("runs without a stdout", function()
      local _, err, code = helpers.script(name, quick .. " >&-")
      assert.are.equal("", err)
      assert.are.equal(0, code)
    end)
  end)
end

describe("the scripts", function()
  it("are all named above", function()
    local list <close> = assert(io.popen "ls scripts/*.lua")
    for path in list:lines() do
      assert.is_truthy(scripts[path:match "([%w_]+)%.lua"], path)
    end
  end)

  it("are short enough to be read as a lesson, and so are their parts", function()
    local list <close> = assert(io.popen "ls scripts/*.lua scripts/[!b]*/*.lua")
    for path in list:lines() do
      local lines = line_count(path)
      assert.is_true(lines >= 40 and lines <= 150, ("%s has %d lines"):format(path, lines))
    end
  end)

  -- A copy in a folder with a name that needs quoting, from elsewhere, and in ASCII.
  describe("elsewhere", function()
    local folder, program, root
    setup(function()
      root = helpers.run("pwd"):match "[^\n]+"
      folder = helpers.run("mktemp -d"):match "[^\n]+" .. "/it's a copy"
      program = helpers.conrun:sub(1, 1) == "/" and helpers.conrun or root .. "/" .. helpers.conrun
      helpers.run(("mkdir %s && cp -r scripts/. %s"):format(helpers.quote(folder), helpers.quote(folder)))
    end)
    teardown(function()
      helpers.run("rm -rf " .. helpers.quote(folder:match "^(.*)/"))
    end)

    for name, quick in pairs(scripts) do
      it("run as well: " .. name, function()
        local path = helpers.quote(("%s/%s.lua"):format(folder, name))
        local out, err, code =
          helpers.run(("cd / && LC_ALL=C %s %s %s"):format(helpers.quote(program), path, quick))
        assert.are.equal("", err)
        assert.are.equal(0, code)
        assert.is_nil(out:find "[\128-\255]")
        assert.is_truthy(out:find "holds" or out:find "does not hold here" or out:find "Final List"
          or out:find "The factorial of 5 is 120" or out:find "too close to call here")
      end)
    end
  end)
end)
