-- SPDX-License-Identifier: MIT
--
-- When more than 64 processes died before the zygote had buried one of them, and one had a
-- latch, nothing went on.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local function run(command) assert(os.execute(command)) end

describe("a hundred processes that die while the zygote sleeps", function()
  it("are buried", function()
    local n = 100
    local pool = kinds.pool("process", n)
    local pids, hold = conrun.shared.dict(), conrun.event.new()
    for i = 1, n do
      pool:submit(function(k)
        pids[k] = conrun.current().pid
        hold:wait()
      end, i)
    end
    while #pids < n do
      conrun.sleep(0)
    end
    local all = {}
    for i = 1, n do
      all[i] = pids[i]
    end
    local ask = assert(io.popen("ps -o ppid= -p " .. all[1]))
    local zygote = math.tointeger(ask:read "n")
    ask:close()
    hold:set()
    local t = conrun.thread.start(function()
      local list = {}
      for i = 1, 3000 do
        list[i] = i
      end
      pcall(pool.map, pool, math.abs, list, { chunksize = 1, collect_errors = true })
    end)
    run(("kill -STOP %d; kill -9 %s; kill -CONT %d"):format(zygote, table.concat(all, " "), zygote))
    pool:terminate()
    assert.is_true(pool:join(kinds.LONG))
    t:join()
  end)
end)
