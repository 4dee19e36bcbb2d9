-- SPDX-License-Identifier: MIT
--
-- For Lua a handle is a few bytes, whatever it stands for.  So a loop that dropped arrays of a
-- megabyte took all memory that there is, and was then told that there is none.

local helpers = require "spec.helpers"

-- Runs code with 64 MiB of shared memory, or that many; what it prints.
local function run(code, limit)
  local script = os.tmpname()
  local file <close> = assert(io.open(script, "w"))
  file:write('local conrun = require "conrun"\n', code)
  file:close()
  local out, complaints =
    helpers.run(("%s --memory-limit=%s %s"):format(helpers.quote(helpers.conrun), limit or "64M", script))
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

  -- Every type, by its handles alone.
  local made = {
    "lock.new()", "lock.recursive()", "condition.new()", "semaphore.new()", "event.new()", "barrier.new(2)",
    "queue.new()", "queue.priority()", "pipe.new()", "future.new()", 'shared.value("i64", 0)', "shared.list()",
    "shared.dict()", 'shared.array("u8", 8)', "shared.buffer(8)", "pool.new(1)", "thread.start(math.abs, 1):join()",
  }
  for _, call in ipairs(made) do
    it("many of " .. call, function()
      local code = ('collectgarbage "stop" for i = 1, %d do local _ = conrun.%s end print "enough"'):format(
        call:find "start" and 4000 or 20000, call)
      assert.are.equal("enough\n", run(code, "2M"))
    end)
  end

  it("tasks, one by one and in slices", function()
    assert.are.equal("enough\n", run([[
      local p <close> = conrun.pool.threads(1)
      collectgarbage "stop"
      for i = 1, 6000 do p:submit(math.abs, i):result() end
      local list = {}
      for i = 1, 4 do list[i] = ("x"):rep(1 << 16) end
      for i = 1, 300 do p:map(string.len, list, { chunksize = 2 }) end
      print "enough"
    ]], "2M"))
  end)

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
