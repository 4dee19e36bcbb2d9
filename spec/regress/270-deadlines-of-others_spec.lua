-- SPDX-License-Identifier: MIT
--
-- In a controlled run a strand that did the same sixteen times in a row counted as one that
-- waits awake, and the next deadline came, though the strand came to something: the timeouts
-- of others were over while a loop filled a queue.  And one that went on without a wait, but
-- never did the same twice, kept those from running whose deadlines had come.

local helpers = require "spec.helpers"

local script -- the file that `run` writes its program to

setup(function() script = os.tmpname() end)
teardown(function() os.remove(script) end)

local function run(program)
  local file <close> = assert(io.open(script, "w"))
  file:write('local conrun = require "conrun"\n', program)
  file:close()
  local out, err, code = helpers.run(("timeout 30 %s --schedule=1-0- %s"):format(helpers.conrun, script))
  return { out = out, err = err, code = code }
end

describe("in a controlled run a deadline", function()
  for _, kind in ipairs { "thread", "process" } do
    it("does not come because another strand is busy (" .. kind .. ")", function()
      local r = run(([[
        local event, queue, results = conrun.event.new(), conrun.queue.new(), conrun.queue.new()
        local w = conrun.%s.start(function() results:put(event:wait(0.5)) end)
        conrun.sleep(0.001)
        for i = 1, 100 do queue:put(i) end
        event:set()
        w:join()
        print(results:get(), conrun.clock() < 1.1)
      ]]):format(kind))
      assert.same({ out = "true\ttrue\n", err = "", code = 0 }, r)
    end)

    it("comes though another strand never waits (" .. kind .. ")", function()
      local r = run(([[
        local value = conrun.shared.value("i64", 0)
        conrun.%s.start({ daemon = true }, function() while true do value:set(value:get() + 1) end end)
        conrun.sleep(0.01)
        print(value:get() > 1000)
      ]]):format(kind))
      assert.same({ out = "true\n", err = "", code = 0 }, r)
    end)
  end

  it("comes at last where a loop with ever new values has no end", function()
    local r = run [[
      local value = conrun.shared.value("i64", 0)
      local pool <close> = conrun.pool.new { workers = 1, kind = "thread" }
      local future = pool:submit(function()
        local i = 0
        while true do
          i = i + 1
          value:set(i)
        end
      end)
      print(pcall(future.result, future, 10))
      future:cancel()
      pool:terminate()
    ]]
    assert.equal(0, r.code, r.err)
    assert.truthy(r.out:find("^false\t"), r.out)
  end)
end)
