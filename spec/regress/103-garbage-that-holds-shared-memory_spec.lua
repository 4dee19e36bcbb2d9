-- SPDX-License-Identifier: MIT
--
-- For Lua a handle is a few bytes, whatever it stands for.  So a loop that dropped arrays of a
-- megabyte took all memory that there is, and was then told that there is none.

local helpers = require "spec.helpers"

-- Runs code with 64 MiB of shared memory; what it prints.
local function run(code)
  local script = os.tmpname()
  local file <close> = assert(io.open(script, "w"))
  file:write('local conrun = require "conrun"\n', code)
  file:close()
  local out, complaints =
    helpers.run(("%s --memory-limit=64M %s"):format(helpers.quote(helpers.conrun), script))
  os.remove(script)
  return out .. complaints
end

describe("garbage that holds shared memory is collected before there is not enough:", function()
  local cases = {
    arrays = 'for i = 1, 100 do conrun.shared.array("u8", 1 << 20):fill(1) end',
    buffers = 'for i = 1, 100 do conrun.shared.buffer(1 << 20):write(0, "x") end',
    ["queues with a long string"] = 'local s = ("x"):rep(1 << 20) for i = 1, 100 do conrun.queue.new():put(s) end',
    ["queues with a table"] = 'local t = { ("x"):rep(1 << 20) } for i = 1, 100 do conrun.queue.new():put(t) end',
    lists = 'local s = ("x"):rep(1 << 20) for i = 1, 100 do conrun.shared.list { s } end',
    dicts = 'local s = ("x"):rep(1 << 20) for i = 1, 100 do conrun.shared.dict { s } end',
    values = 'local s = ("x"):rep(1 << 20) for i = 1, 100 do conrun.shared.value("any", s) end',
    ["without the collector"] = 'collectgarbage "stop" for i = 1, 100 do conrun.shared.array("u8", 1 << 20) end',
  }
  for name, code in pairs(cases) do
    it(name, function() assert.are.equal("enough\n", run(code .. ' print "enough"')) end)
  end

  it("and what is no garbage stays", function()
    assert.matches(
      "not enough memory",
      run 'local t = {} for i = 1, 100 do t[i] = conrun.shared.array("u8", 1 << 20) end'
    )
  end)
end)

describe("a loop that drops what holds much shared memory", function()
  it("stays flat", function()
    local code = [[
      local function resident()
        local file <close> = io.open "/proc/self/status"
        return file:read "a":match "RssShmem:%s*(%d+)" // 1024
      end
      local most = 0
      for i = 1, 200 do
        conrun.shared.array("u8", 1 << 20):fill(1)
        conrun.queue.new():put(("x"):rep(1 << 20))
        most = math.max(most, resident())
      end
      print(most < 40 or most)
    ]]
    assert.are.equal("true\n", run(code))
  end)
end)
