-- SPDX-License-Identifier: MIT
--
-- Exploration finds what is planted in small programs (planted.lua), and nothing in their
-- corrected twins.

local helpers = require "spec.helpers"
local planted = require "spec.explore.planted"

local script

setup(function() script = os.tmpname() end)
teardown(function() os.remove(script) end)

-- As conrun --explore does, but each failure is run again only twice.
local code = [[
  local report = require "conrun.explore.report"
  local options = { strategy = "$strategy", schedules = $schedules, preemptions = 2, depth = 3, again = 2, fewer = 0 }
  local found = report.explore({ program = "conrun", words = { arg[0] } }, options)
  print(report.text(found, options, "%s"))
  os.exit(found.run and 1 or 0)
]]

local function explore(p, which, kind, options)
  local file <close> = assert(io.open(script, "w"))
  file:write(planted.source(p, which, kind))
  file:close()
  local out, err, status = helpers.run(("timeout 250 %s -e %s %s"):format(
    helpers.conrun, helpers.quote((code:gsub("%$(%w+)", options))), script))
  assert.equal("", err)
  return { out = out, code = status }
end

-- What is found with few preemptions by all schedules, and otherwise by chance.
local strategies = { ["bounded buffer"] = "random", ["three locks"] = "random" }

-- A sanitizer looks at conrun and not at schedules, and each run takes it fifty times as long:
-- there, one program of each kind.
local few = { "lost update", "two locks", "missed notify", "starved pool" }
local programs = planted
if helpers.conrun:find "[at]san/" then
  programs = {}
  for _, p in ipairs(planted) do
    for _, name in ipairs(few) do
      programs[#programs + 1] = p.name == name and p or nil
    end
  end
end

describe("exploration", function()
  for i, p in ipairs(programs) do
    local kind = i % 6 == 1 and "process" or "thread"
    it(("finds '%s' (%s) and replays it"):format(p.name, kind), function()
      local r = explore(p, "broken", kind, { strategy = strategies[p.name] or "exhaustive", schedules = 200 })
      assert.equal(1, r.code, r.out)
      assert.matches("^failure in schedule %d+: ", r.out)
      assert.matches("reproduced 2 of 2", r.out)
      local word = r.out:match "\nreplay: (%S+)"
      local _, err, status = helpers.run(("%s --schedule=%s %s"):format(helpers.conrun, word, script))
      assert.equal(1, status)
      assert.not_matches("recorded for another", err)
    end)

    it(("finds nothing where '%s' is mended"):format(p.name), function()
      local r = explore(p, "right", kind, { strategy = strategies[p.name] or "exhaustive", schedules = 4 })
      assert.matches("no failure", r.out)
      assert.equal(0, r.code)
    end)
  end
end)
