-- SPDX-License-Identifier: MIT
--
-- A named buffer was whatever file had its name, also one of another user or one that
-- everybody may open; and where the folder was full, to write into a buffer was SIGBUS.

local conrun = require "conrun"
local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

local REFUSED = "cannot open the shared buffer '[^']*': its file is another user's, or open to others"

local name = "spec-of-others-" .. conrun.current().pid
local path = "/dev/shm/conrun." .. name

describe("a named buffer", function()
  after_each(function()
    collectgarbage()
    os.remove(path)
  end)

  for _, mode in ipairs { "666", "640", "604", "660" } do
    it("is refused if its file is open to others (" .. mode .. ")", function()
      local b = conrun.shared.buffer(100, { name = name })
      b:write(0, ("x"):rep(100))
      os.execute(("chmod %s %s"):format(mode, path))
      for _, size in ipairs { "100", "nil" } do
        local out = kinds.run(("print(pcall(conrun.shared.buffer, %s, { name = %q }))"):format(size, name))
        assert.matches(REFUSED, out)
      end
      assert.are.equal(("x"):rep(100), b:read()) -- nobody has touched it
    end)
  end

  it("is refused if its file is another user's", function()
    local b = conrun.shared.buffer(100, { name = name })
    b:write(0, ("x"):rep(100))
    local preload = ('ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" LD_PRELOAD=%s'):format(
      helpers.quote(helpers.native .. "another.so"))
    local out = kinds.run(([[
      print(pcall(conrun.shared.buffer, 100, { name = %q }))
    ]]):format(name), nil, preload)
    assert.matches(REFUSED, out)
    assert.are.equal(("x"):rep(100), b:read())
  end)

  it("for which there is no memory is an error, and nothing of it is left", function()
    local out = kinds.run(("print(pcall(conrun.shared.buffer, 600000, { name = %q }))"):format(name), nil,
      helpers.quote(helpers.native .. "deny") .. " fallocate=ENOSPC")
    assert.matches("cannot open the shared buffer '[^']*': No space left on device", out)
    assert.is_nil(io.open(path))
  end)

  it("has its memory from the beginning", function()
    local out = kinds.run(([[
      local b = conrun.shared.buffer(1 << 20, { name = %q })
      local p <close> = io.popen("stat -c %%b %s")
      print(p:read "n" * 512 >= 1 << 20)
    ]]):format(name, path))
    assert.are.equal("true\n", out)
  end)

  it("works where no memory can be reserved", function()
    local out = kinds.run(([[
      local b = conrun.shared.buffer(10, { name = %q })
      b:write(0, "x")
      print(b:read(0, 1))
    ]]):format(name), nil, helpers.quote(helpers.native .. "deny") .. " fallocate=ENOSYS")
    assert.are.equal("x\n", out)
  end)
end)
