-- SPDX-License-Identifier: MIT
--
-- `--explore --schedule=WORD` ran every schedule as WORD, the last of the two that each run was
-- given, and `--explore -` ran an empty program: both said that there was no failure.
-- --preemptions without --explore was taken and did nothing.

local helpers = require "spec.helpers"

local function conrun(arguments)
  local out, err, code = helpers.run(("echo 'error \"found\"' | %s %s"):format(helpers.conrun, arguments))
  return { out = out, err = (err:gsub("^[^:]*conrun: ", "conrun: ")), code = code }
end

describe("an exploration", function()
  for arguments, message in pairs {
    ["--explore --schedule=seed:1 -e 'print(1)'"] = "--explore and --schedule exclude each other",
    ["--explore -"] = "--explore needs a script: conrun --explore script.lua",
    ["--preemptions=1 -e 'print(1)'"] = "option '--preemptions' belongs to --explore: write both, or neither",
  } do
    it("refuses what it would not do: " .. arguments, function()
      assert.same({ out = "", err = "conrun: " .. message .. "\n", code = 1 }, conrun(arguments))
    end)
  end

  it("takes a file that is called as standard input is", function()
    local r = conrun "--explore=1 --preemptions=0 -- -"
    assert.matches("failure in schedule 1: cannot open %-", r.out)
    assert.equal(1, r.code)
  end)
end)
