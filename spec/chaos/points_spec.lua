-- SPDX-License-Identifier: MIT
--
-- The points of src/base/point.c are in every build: a plan in the environment delays and
-- kills at them, and a program without one does not notice them.

local helpers = require "spec.helpers"

--- Runs Lua code in the conrun under test, under a plan.
local function under(plan, code)
  return helpers.run(("CONRUN_FAULT=%s %s --audit -e %s"):format(helpers.quote(plan), helpers.quote(helpers.conrun),
    helpers.quote(code)))
end

-- Programs that show a death.
local BARE = [[
  local conrun = require "conrun"
  local w = conrun.process.start(function(e) e:wait() end, conrun.event.new())
  print(w:join(), w.exitcode)
]]
local POOL = [[
  local p <close> = require("conrun.pool").new { kind = "process", workers = 2 }
  local ok, e = pcall(p.map, p, math.abs, { 1, 2, 3, 4 }, { chunksize = 1 })
  print(ok, e.kind)
]]
local shows = { start = BARE, birth = BARE, park = BARE, settle = POOL }

describe("a plan", function()
  for _, kind in ipairs { "start", "settle", "birth", "park" } do
    it("kills the worker that passes '" .. kind .. "' first, and nothing else is lost", function()
      local output, complaints, code = under(kind .. ":die:0", [[
        local p <close> = require("conrun.pool").new { kind = "process", workers = 2, retries = 3 }
        local sum = 0
        for _, x in ipairs(p:map(function(x) return x * x end, { 1, 2, 3, 4 }, { chunksize = 1 })) do sum = sum + x end
        print(sum)
      ]])
      assert.are.equal("30\n", output, complaints)
      assert.are.equal(0, code)
      local told = shows[kind] == BARE and "true\t-9\n" or "false\tworker_died\n"
      assert.are.equal(told, (under(kind .. ":die:0", shows[kind])))
    end)
  end

  it("of delays at every passage leaves the program what it computes", function()
    local output, complaints, code = under("*:delay:*", [[
      local queue = require "conrun.queue"
      for _, kind in ipairs { "thread", "process" } do
        local q, r, sum, list = queue.new(2), queue.new(), 0, {}
        for i = 1, 2 do
          list[i] = require("conrun." .. kind).start(function() for x in q:items() do r:put(2 * x) end end)
        end
        for i = 1, 50 do q:put(i) end
        q:close()
        for _, w in ipairs(list) do w:join() end
        r:close()
        for x in r:items() do sum = sum + x end
        print(sum)
      end
    ]])
    assert.are.equal("2550\n2550\n", output, complaints)
    assert.are.equal(0, code)
  end)

  it("that cannot be read ends the program", function()
    local _, complaints, code = under("use:explode:1", "print(1)")
    assert.matches("cr_plan", complaints)
    assert.are_not.equal(0, code)
  end)
end)
