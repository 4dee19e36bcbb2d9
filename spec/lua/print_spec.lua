-- SPDX-License-Identifier: MIT
--
-- print and conrun.log write whole lines, whoever else writes.

local kinds = require "spec.lib.kinds"

local function assert_whole(out, pattern, expected)
  local n = 0
  for line in out:gmatch("[^\n]*\n") do
    n = n + 1
    if not line:find(pattern) then
      error("not a whole line: " .. line)
    end
  end
  assert.are.equal(expected, n)
end

describe("print", function()
  it("behaves as Lua's", function()
    local out = kinds.run [[
      print()
      print(1, nil, true, "x")
      print(setmetatable({}, { __tostring = function() return "object" end }))
      print("a\0b")
    ]]
    assert.are.equal("\n1\tnil\ttrue\tx\nobject\na\0b\n", out)
    local text = kinds.run [[
      local ok, message = pcall(print, setmetatable({}, { __tostring = function() return {} end }))
      print(ok, message)
    ]]
    assert.are.equal("false\t'__tostring' must return a string\n", text)
  end)

  it("writes whole lines from threads and processes at once", function()
    local out, err, status = kinds.run [[
      io.stdout:setvbuf("full")
      local start = require("conrun.barrier").new(7)
      local workers = {}
      for i = 1, 6 do
        workers[i] = conrun[i % 2 == 0 and "thread" or "process"].start(function(letter, b)
          b:wait()
          for _ = 1, 400 do
            print(letter:rep(50), letter:rep(50))
          end
        end, string.char(96 + i), start)
      end
      start:wait()
      for _ = 1, 400 do
        print(("z"):rep(50), ("z"):rep(50))
      end
      for _, w in ipairs(workers) do w:join() end
    ]]
    assert.are.equal("", err)
    assert.are.equal(0, status)
    for line in out:gmatch("[^\n]*\n") do
      local letter = line:sub(1, 1)
      assert.are.equal(letter:rep(50) .. "\t" .. letter:rep(50) .. "\n", line)
    end
    assert_whole(out, "^%a+\t%a+\n$", 2800)
  end)

  it("keeps the order of one strand and loses nothing at the end", function()
    for _, kind in ipairs(kinds) do
      local out = kinds.run(([[
        require("conrun.%s").start(function() for i = 1, 1000 do print(i) end end)
      ]]):format(kind))
      local expected = {}
      for i = 1, 1000 do
        expected[i] = i
      end
      assert.are.equal(table.concat(expected, "\n") .. "\n", out)
    end
  end)
end)

describe("conrun.log", function()
  it("writes whole lines with the strand's name, from any strand", function()
    local out, err, status = kinds.run [[
      local workers = {}
      for i = 1, 4 do
        workers[i] = conrun[i % 2 == 0 and "thread" or "process"].start({ name = "writer-" .. i },
          function()
            for n = 1, 200 do
              require("conrun.log").warn("message %d of %s", n, ("x"):rep(60))
            end
          end)
      end
      for _, w in ipairs(workers) do w:join() end
    ]]
    assert.are.equal("", out)
    assert.are.equal(0, status)
    assert_whole(err, "writer%-%d.*message %d+ of x+\n$", 800)
  end)

  it("writes nothing below its level", function()
    local _, err = kinds.run [[
      local log = conrun.log
      log.level("error")
      log.debug("no %d", 1)
      log.info("no")
      log.warn("no")
      log.error("yes %s", "indeed")
    ]]
    assert.matches("yes indeed", err)
    assert.is_nil(err:find("no", 1, true))
  end)

  it("writes to a file and to a function", function()
    local path = os.tmpname()
    local out = kinds.run(([[
      local log = conrun.log
      log.level("info")
      log.to(%q)
      log.info("to the file")
      log.to(function(line) print("got: " .. line) end)
      log.info("to the function")
    ]]):format(path))
    local file = assert(io.open(path))
    local text = file:read("a")
    file:close()
    os.remove(path)
    assert.matches("to the file\n$", text)
    assert.matches("got: .*to the function", out)
  end)
end)
