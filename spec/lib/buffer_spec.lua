-- SPDX-License-Identifier: MIT
--
-- shared.buffer: bytes between strands, and under a name between programs.

local kinds = require "spec.lib.kinds"
local shared = require "conrun.shared"

local LONG = kinds.LONG

-- A name that no other run uses.
local number = 0
local function fresh_name()
  number = number + 1
  return ("spec-%d-%d"):format(require("conrun").current().pid, number)
end

local function exists(name)
  local file = io.open("/dev/shm/conrun." .. name)
  if file then file:close() end
  return file ~= nil
end

local function gone(name)
  collectgarbage()
  collectgarbage()
  return not exists(name)
end

describe("shared.buffer", function()
  it("is zeroed memory of a size", function()
    local b = shared.buffer(10)
    assert.are.equal(10, #b)
    assert.are.equal(10, b:size())
    assert.are.equal(("\0"):rep(10), b:read())
    assert.is_nil(b:name())
  end)

  it("reads what was written, wherever", function()
    local b = shared.buffer(10)
    b:write(0, "abc")
    b:write(7, "\0\255z")
    b:write(10, "")
    assert.are.equal("abc\0\0\0\0\0\255z", b:read())
    assert.are.equal("bc", b:read(1, 2))
    assert.are.equal("z", b:read(9))
    assert.are.equal("", b:read(10))
    assert.are.equal("", b:read(3, 0))
  end)

  it("refuses what is outside, and changes nothing then", function()
    local b = shared.buffer(26)
    kinds.bad_method(1, b, "read", 27)
    kinds.bad_method(1, b, "read", -1)
    kinds.bad_method(2, b, "read", 22, 5)
    kinds.bad_method(2, b, "read", 0, -1)
    kinds.bad_method(2, b, "write", 24, "abc")
    kinds.bad_method(1, b, "write", 27, "")
    kinds.bad_method(2, b, "write", 0, 5)
    assert.are.equal(("\0"):rep(26), b:read())
  end)

  it("refuses wrong sizes and options", function()
    for _, wrong in ipairs { 0, -1, 1.5, "x", math.maxinteger } do
      kinds.bad_argument(1, shared.buffer, wrong)
    end
    kinds.bad_argument(1, shared.buffer)
    assert.matches("nam", tostring(kinds.raised(shared.buffer, 8, { nam = "x" })))
    for _, wrong in ipairs { "", "a/b", ("x"):rep(100) } do
      assert.matches("bad option 'name'", tostring(kinds.raised(shared.buffer, 8, { name = wrong })))
    end
  end)

  it("prints as what it is", function()
    assert.matches("^buffer %d+ %(8 bytes%)$", tostring(shared.buffer(8)))
    local name = fresh_name()
    assert.matches("8 bytes, '" .. name:gsub("%-", "%%-") .. "'", tostring(shared.buffer(8, { name = name })))
  end)

  for _, kind in ipairs(kinds) do
    it("is written by a worker and read by another (" .. kind .. ")", function()
      local b = shared.buffer(1 << 20)
      kinds.finish(kinds.start(kind, function(c) c:write(5, "hello") end, b))
      assert.are.equal("hello", b:read(5, 5))
      assert.are.equal("hello", kinds.finish(kinds.start(kind, function(c) return c:read(5, 5) end, b)))
    end)
  end
end)

describe("a named shared.buffer", function()
  it("is the same for all who name it", function()
    local name = fresh_name()
    local a = shared.buffer(16, { name = name })
    local b = shared.buffer(16, { name = name })
    local c = shared.buffer(nil, { name = name })
    a:write(3, "x")
    assert.are.equal("x", b:read(3, 1))
    assert.are.equal(16, #c)
    assert.are.equal("x", c:read(3, 1))
    assert.are.equal(name, c:name())
  end)

  it("has the size that it was made with", function()
    local name = fresh_name()
    local b = shared.buffer(16, { name = name })
    assert.matches("has 16 bytes", tostring(kinds.raised(shared.buffer, 32, { name = name })))
    assert.are.equal(16, #b)
  end)

  it("is no buffer when nobody has made it", function()
    assert.matches("no shared buffer", tostring(kinds.raised(shared.buffer, nil, { name = fresh_name() })))
  end)

  it("is removed when the last handle goes", function()
    local name = fresh_name()
    local held = { shared.buffer(16, { name = name }), shared.buffer(16, { name = name }) }
    assert.is_true(exists(name))
    held[1] = nil
    collectgarbage()
    assert.is_true(exists(name))
    held[2] = nil
    assert.is_true(gone(name))
    assert.are.equal(0, #held)
  end)

  for _, kind in ipairs(kinds) do
    it("is handed to a worker, whose end does not harm it (" .. kind .. ")", function()
      local name = fresh_name()
      local b = shared.buffer(16, { name = name })
      kinds.finish(kinds.start(kind, function(c, n)
        c:write(0, "one")
        require("conrun.shared").buffer(16, { name = n }):write(3, "two")
      end, b, name))
      assert.are.equal("onetwo", b:read(0, 6))
      assert.is_true(exists(name))
    end)
  end

  it("stays while a worker has it that was killed", function()
    local event = require "conrun.event"
    local name, ready = fresh_name(), event.new()
    local b = shared.buffer(16, { name = name })
    local w = kinds.start("process", function(c, e)
      c:write(0, "killed")
      e:set()
      require("conrun.event").new():wait(30)
    end, b, ready)
    assert.is_true(ready:wait(LONG))
    w:kill()
    w:join(LONG)
    assert.are.equal("killed", b:read(0, 6))
    b = nil -- luacheck: ignore
    w = nil -- luacheck: ignore
    assert.is_true(kinds.eventually(function() return gone(name) end))
  end)

  it("is shared by programs that do not know each other", function()
    local name = fresh_name()
    local b = shared.buffer(64, { name = name })
    b:write(0, "ours")
    local out, err, status = kinds.run(([[
      local b = require("conrun.shared").buffer(nil, { name = "%s" })
      print(#b, b:read(0, 4))
      b:write(4, "theirs")
    ]]):format(name))
    assert.are.equal("", err)
    assert.are.equal("64\tours\n", out)
    assert.are.equal(0, status)
    assert.are.equal("ourstheirs", b:read(0, 10))
    assert.is_true(exists(name))
  end)

  it("is removed at the end of a program, whatever the end", function()
    for _, ending in ipairs { "", "os.exit(0)", "os.exit(0, true)", "error('bang')",
      "os.execute('kill -TERM ' .. pid)", "os.execute('kill -KILL ' .. pid)" } do
      local name = fresh_name()
      kinds.run(([[
        b = require("conrun.shared").buffer(64, { name = "%s" })
        b:write(0, "x")
        %s
      ]]):format(name, ending))
      assert.is_true(kinds.eventually(function() return not exists(name) end), ending)
    end
  end)

  it("is removed by the next program when nobody was left to do it", function()
    local name = fresh_name()
    local file = assert(io.open("/dev/shm/conrun." .. name, "w"))
    file:write("left behind")
    file:close()
    local other <const> = shared.buffer(8, { name = fresh_name() })
    assert.is_false(exists(name))
    assert.are.equal(8, #other)
  end)

  it("is made once by many who ask at the same time", function()
    local name = fresh_name()
    local workers = {}
    for _, kind in ipairs(kinds) do
      for _ = 1, 4 do
        workers[#workers + 1] = kinds.start(kind, function(n)
          for i = 1, 30 do
            local b = require("conrun.shared").buffer(32, { name = n })
            b:write(i, "x")
            b = nil -- luacheck: ignore
            collectgarbage()
          end
          return 32
        end, name)
      end
    end
    for _, size in ipairs(kinds.finish_all(workers)) do
      assert.are.equal(32, size)
    end
    assert.is_true(kinds.eventually(function() return gone(name) end))
  end)
end)
