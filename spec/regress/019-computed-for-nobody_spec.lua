-- SPDX-License-Identifier: MIT
--
-- When main was killed, the zygote killed the workers, and their burial started
-- successors for the tasks that were left in the pool's line; those nobody killed any
-- more, so the program went on until its line was empty.

local kinds = require "spec.lib.kinds"

local function parent(pid)
  local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
  return tonumber((file:read "a"):match "%) %a (%d+)")
end

describe("a program whose main is killed while tasks wait in a line", function()
  it("ends with it", function()
    local child = kinds.child [[
      local pids = require("conrun.queue").new()
      local pool = require("conrun.pool").new { workers = 2, kind = "process" }
      for _ = 1, 8 do
        pool:submit(function(q)
          q:put(require("conrun").current().pid)
          require("conrun.event").new():wait()
        end, pids)
      end
      print(pid, pids:get(), pids:get())
      require("conrun.event").new():wait()
    ]]
    local main, first, second = child:line():match "(%d+)%s+(%d+)%s+(%d+)"
    local zygote = parent(first)
    assert.are.equal(tonumber(main), parent(zygote))
    kinds.signal("KILL", main)
    child:finish()
    for _, pid in ipairs { first, second, zygote } do
      assert.is_true(kinds.eventually(function() return not kinds.process_alive(pid) end))
    end
  end)
end)
