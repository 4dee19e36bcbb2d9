-- SPDX-License-Identifier: MIT
--
-- The module conrun itself: lazy parts, clock, sleep, current, range.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

describe("conrun", function()
  it("gives its parts lazily", function()
    for _, name in ipairs { "thread", "process", "lock", "condition", "semaphore", "event", "barrier",
      "queue", "pipe", "future", "pool", "shared", "select", "log", "errors" } do
      assert.are.equal(require("conrun." .. name), conrun[name])
    end
  end)

  it("does not invent parts", function()
    local ok, value = pcall(function() return conrun.no_such_part end)
    assert.is_true(not ok or value == nil)
  end)

  it("loads its parts only when they are asked for", function()
    local out = kinds.run [[
      for name in pairs(package.loaded) do
        if name == "conrun.pool" then print("loaded") end
      end
    ]]
    assert.are.equal("", out)
  end)

  it("has a version and counts processors", function()
    assert.matches("^%d+%.%d+", conrun.version)
    assert.are.equal("integer", math.type(conrun.cpu_count()))
    assert.is_true(conrun.cpu_count() >= 1)
  end)

  it("has a clock that does not go back", function()
    local last = conrun.clock()
    for _ = 1, 1000 do
      local now = conrun.clock()
      assert.is_true(now >= last)
      last = now
    end
  end)

  it("sleeps at least as long as asked for", function()
    local start = conrun.clock()
    conrun.sleep(0.05)
    assert.is_true(conrun.clock() - start >= 0.05)
    conrun.sleep(0)
    kinds.bad_argument(1, conrun.sleep, -1)
    kinds.bad_argument(1, conrun.sleep, 0 / 0)
    kinds.bad_argument(1, conrun.sleep, "x")
    kinds.bad_argument(1, conrun.sleep)
  end)

  it("knows the strand that asks", function()
    local main = conrun.current()
    assert.is_string(main.name)
    assert.are.equal("integer", math.type(main.pid))
    assert.is_true(kinds.process_alive(main.pid))
  end)

  it("has no environment to leak: a program sees only conrun's own require", function()
    local out = kinds.run [[
      local known = {}
      for _, name in ipairs { "_G", "_VERSION", "arg", "assert", "collectgarbage", "coroutine", "debug",
        "dofile", "error", "getmetatable", "io", "ipairs", "load", "loadfile", "math", "next", "os",
        "package", "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "require",
        "select", "setmetatable", "string", "table", "tonumber", "tostring", "type", "utf8", "warn",
        "xpcall" } do known[name] = true end
      for name in pairs(_G) do if not known[name] then print(name) end end
    ]]
    assert.are.equal("", out)
  end)
end)

describe("conrun.range", function()
  it("counts, indexes and iterates", function()
    local r = conrun.range(3, 7)
    assert.are.equal(5, #r)
    assert.are.equal(3, r[1])
    assert.are.equal(7, r[5])
    assert.is_nil(r[6])
    assert.is_nil(r[0])
    local seen = {}
    for i, v in ipairs(r) do
      seen[i] = v
    end
    assert.are.same({ 3, 4, 5, 6, 7 }, seen)
  end)

  it("steps up and down", function()
    local up, down = conrun.range(1, 10, 3), conrun.range(10, 1, -4)
    assert.are.equal(4, #up)
    assert.are.equal(10, up[4])
    assert.are.equal(3, #down)
    assert.are.equal(2, down[3])
    assert.are.equal(0, #conrun.range(2, 1))
    assert.are.equal(0, #conrun.range(1, 2, -1))
  end)

  it("refuses wrong arguments", function()
    kinds.bad_argument(1, conrun.range, "x", 2)
    kinds.bad_argument(2, conrun.range, 1, {})
    kinds.bad_argument(3, conrun.range, 1, 2, 0)
  end)

  for _, kind in ipairs(kinds) do
    it("is sent to a worker (" .. kind .. ")", function()
      local sum = kinds.finish(kinds.start(kind, function(r)
        local total = 0
        for i = 1, #r do
          total = total + r[i]
        end
        return total
      end, conrun.range(1, 100)))
      assert.are.equal(5050, sum)
    end)
  end
end)
