-- SPDX-License-Identifier: MIT
--
-- A task whose future was settled while it was computed: if the task had done that itself, its
-- function and arguments were given back under it, and an error for want of memory crashed the
-- worker; if another strand had, and the worker was killed then, nobody ever gave them back.

local conrun = require "conrun"
local helpers = require "spec.helpers"

describe("a task whose future is settled while it is computed", function()
  for _, kind in ipairs { "thread", "process" } do
    it("may have done that itself, and fail for want of memory then: " .. kind, function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind, memory_limit = 16 << 20 }
      local own, go = conrun.shared.list(), conrun.event.new()
      local future = pool:submit(function(list, event)
        event:wait()
        list[1]:set_result("mine")
        return ("x"):rep(1 << 30)
      end, own, go)
      own:append(future)
      local pid = pool:submit(function() return require("conrun").current().pid end)
      go:set()
      assert.are.equal("mine", future:result())
      assert.are.equal("number", type(pid:result()))
    end)
  end

  it("leaves nothing behind when its worker is killed", function()
    local script = [[
      local conrun = require "conrun"
      local function round()
        local began, never = conrun.event.new(), conrun.event.new()
        local pid, own = conrun.shared.value("i64", 0), conrun.shared.list()
        local pool <close> = conrun.pool.new { workers = 1, kind = "process" }
        local future = pool:submit(function(own, bytes, pid, began, never)
          pid:set(require("conrun").current().pid)
          began:set()
          never:wait()
        end, own, conrun.shared.array("u8", 1 << 18), pid, began, never)
        own:append(future)
        began:wait()
        future:set_result(1)
        os.execute("kill -9 " .. pid:get())
        pool:close()
        pool:join()
      end
      for _ = 1, 7 do
        round()
        collectgarbage()
      end
      print "enough"
    ]]
    local binary, quoted = helpers.quote(helpers.conrun), helpers.quote(script)
    local out, err = helpers.run(("%s --memory-limit=2M -e %s"):format(binary, quoted))
    assert.are.same({ "enough\n", "" }, { out, err })
  end)
end)
