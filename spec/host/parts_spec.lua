-- SPDX-License-Identifier: MIT
--
-- The parts that only make the program faster (src/base/part.c) can be turned off one by
-- one, and all at once; the program does the same without them.

local helpers = require "spec.helpers"

local parts = { "image", "heap", "words", "prove", "near", "spare", "crew", "spin", "first" }

-- Uses what each part is for, and prints what came out.
local code = [[
  local conrun = require "conrun"
  local long = {}
  for i = 1, 70000 do long[i] = i * 0.5 end
  local sums = {}
  for _, kind in ipairs { "thread", "process" } do
    local q, r = conrun.queue.new(), conrun.queue.new()
    local w = conrun[kind].start(function(q, r)
      for x in q:items() do r:put { key = x, list = { x, x } } end
      r:close()
    end, q, r)
    for i = 1, 500 do q:put(i) end
    q:close()
    local sum = 0
    for t in r:items() do sum = sum + t.key + #t.list end
    w:join()
    for i = 1, 20 do sum = sum + conrun[kind].start(function(n) return #("x"):rep(n) end, i):result() end
    local p <close> = conrun.pool.new { kind = kind, workers = 2, memory_limit = 64 << 20 }
    for _, y in ipairs(p:map(function(x) return { value = x, text = "a" .. x } end, conrun.range(1, 200))) do
      sum = sum + y.value + #y.text
    end
    local back = p:apply(function(t) return t end, long)
    sums[#sums + 1] = ("%d %.1f"):format(sum, back[1] + back[#back] + #back)
  end
  print(table.concat(sums, ", "))
]]

local function without(off)
  return helpers.run(("CONRUN_OFF=%s %s --audit -e %s"):format(off, helpers.quote(helpers.conrun), helpers.quote(code)))
end

describe("without the part", function()
  local wanted = without ""
  parts[#parts + 1] = table.concat(parts, ",")
  for _, part in ipairs(parts) do
    it(part .. " everything comes out the same", function()
      local output, complaints, status = without(part)
      assert.are.equal(wanted, output)
      assert.are.equal(0, status, complaints)
      assert.matches("audit: clean", complaints)
    end)
  end

  it("that there is not, the program does not begin", function()
    local output, complaints, status = without "image,imagination"
    assert.are.equal("", output)
    assert.matches("CONRUN_OFF='image,imagination'", complaints)
    assert.are.equal(1, status)
  end)
end)
