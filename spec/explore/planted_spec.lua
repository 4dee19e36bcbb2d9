-- SPDX-License-Identifier: MIT
--
-- Exploration finds what is planted in small programs (planted.lua), and nothing in their
-- corrected twins.

local helpers = require "spec.helpers"
local planted = require "spec.explore.planted"

local script

setup(function() script = os.tmpname() end)
teardown(function() os.remove(script) end)

local function explore(p, which, kind, options)
  local file <close> = assert(io.open(script, "w"))
  file:write(planted.source(p, which, kind))
  file:close()
  local out, err, code = helpers.run(("timeout 250 %s --explore%s %s"):format(helpers.conrun, options, script))
  assert.equal("", err)
  return { out = out, code = code }
end

-- What is found with few preemptions by all schedules, and otherwise by chance.
local strategies = { ["bounded buffer"] = "=200 --strategy=random", ["three locks"] = "=200 --strategy=random" }

describe("exploration", function()
  for i, p in ipairs(planted) do
    local kind = i % 6 == 1 and "process" or "thread"
    it(("finds '%s' (%s) and replays it"):format(p.name, kind), function()
      local r = explore(p, "broken", kind, strategies[p.name] or "")
      assert.equal(1, r.code, r.out)
      assert.matches("^failure in schedule %d+: ", r.out)
      assert.matches("reproduced 10 of 10", r.out)
      local word = r.out:match "\nreplay: %S+ %-%-schedule=(%S+) "
      local _, err, code = helpers.run(("%s --schedule=%s %s"):format(helpers.conrun, word, script))
      assert.equal(1, code)
      assert.not_matches("recorded for another", err)
    end)

    it(("finds nothing where '%s' is mended"):format(p.name), function()
      local r = explore(p, "right", kind, "=12 " .. (strategies[p.name] or ""):gsub("=%d+ ", ""))
      assert.matches("no failure", r.out)
      assert.equal(0, r.code)
    end)
  end
end)
