-- SPDX-License-Identifier: MIT
-- scripts/threads_or_processes.lua: every claim is tested and has a verdict.
--
-- Verdicts that hang on times are the machine's business; those that hang on
-- isolation and shared state are certain, and are checked.

local helpers = require "spec.helpers"

local claims = {
  "threads for light tasks",
  "threads for large or frequently shared state",
  "threads for I/O-bound work",
  "threads for responsiveness",
  "threads for low memory",
  "threads for low-latency hand-over",
  "threads for simple sharing",
  "threads for libraries that know only threads",
  "threads for libraries that know only one state",
  "threads for a single core",
  "processes for CPU-bound work",
  "processes for isolation",
  "processes for large data",
  "processes for independent batch tasks",
  "processes for simultaneous operations",
  "processes for safety",
  "processes for many network calls",
  "processes for scaling out over machines",
  "processes for C libraries that are not thread-safe",
}

describe("scripts/threads_or_processes.lua", function()
  local out, err, code

  setup(function()
    out, err, code = helpers.script("threads_or_processes", "--no-python --width=400")
  end)

  it("ends well", function()
    assert.are.equal("", err)
    assert.are.equal(0, code)
    assert.matches("^claim +measured +threads +processes +verdict\n", out)
  end)

  for _, claim in ipairs(claims) do
    it("tests: " .. claim, function()
      local start = out:find("\n" .. claim .. "  ", 1, true)
      assert.is_truthy(start)
      local row = out:match("[^\n]+", start)
      assert.is_truthy(row:match "  holds$" or row:match "  does not hold here$" or row:match "  not measured$"
        or row:match "  too close to call here$")
    end)
  end

  for claim, verdict in pairs {
    ["processes for isolation"] = "holds",
    ["threads for libraries that know only threads"] = "holds",
    ["threads for libraries that know only one state"] = "holds",
    ["processes for C libraries that are not thread-safe"] = "holds",
    ["processes for safety"] = "holds",
  } do
    it("is certain that " .. claim .. ": " .. verdict, function()
      local start = assert(out:find("\n" .. claim .. "  ", 1, true))
      assert.matches("  " .. verdict .. "$", out:match("[^\n]+", start))
    end)
  end

  it("counts what holds among all nineteen", function()
    local held = 0
    for line in out:gmatch "[^\n]+" do
      held = held + (line:find "  holds$" and 1 or 0)
    end
    assert.is_truthy(out:find(("\n%d of 19 claims hold on this machine.\n"):format(held), 1, true))
  end)

  it("recommends", function()
    assert.matches("\nyour work looks like %.%.%. +use %.%.%.\n", out)
  end)

  it("runs a single claim", function()
    local one, complaint, status = helpers.script("threads_or_processes", "--only=safety")
    assert.are.equal("", complaint)
    assert.are.equal(0, status)
    assert.matches("processes for", one)
    assert.is_nil(one:find "isolation")
  end)

  it("refuses a claim that is not there", function()
    local _, complaint, status = helpers.script("threads_or_processes", "--only=magic")
    assert.are.equal("threads_or_processes.lua: no claim has 'magic' in it; try --only=memory\n", complaint)
    assert.are.equal(1, status)
  end)
end)
