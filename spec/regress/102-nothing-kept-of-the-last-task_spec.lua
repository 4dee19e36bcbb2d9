-- SPDX-License-Identifier: MIT
--
-- An idle worker kept what its last task had: arguments, the function with what it took
-- along, garbage.  A function that was encoded for a submit or a start was kept with it by
-- whoever had sent it.  So an end of a pipe that nobody used any more stayed open.

-- luacheck: globals END_OF_PIPE

local conrun = require "conrun"

-- Each lets a worker send a word through the pipe's end, and has no more of it then.
local ways = {
  ["submit, as an argument"] = function(pool, b) return pool:submit(function(out) out:send "x" end, b) end,
  ["submit, as an upvalue"] = function(pool, b) return pool:submit(function() b:send "x" end) end,
  ["apply, as an argument"] = function(pool, b) pool:apply(function(out) out:send "x" end, b) end,
  ["apply, as an upvalue"] = function(pool, b) pool:apply(function() b:send "x" end) end,
  ["map, as an upvalue"] = function(pool, b) pool:map(function(x) b:send(x) end, { "x" }) end,
  ["map, as an item"] = function(pool, b) pool:map(function(out) out:send "x" end, { b }) end,
  ["map_async, as an upvalue"] = function(pool, b)
    local f = pool:map_async(function(x) b:send(x) end, { "x" })
    f:result()
    return f
  end,
  ["imap, as an upvalue"] = function(pool, b)
    for _ in pool:imap(function(x) b:send(x) end, { "x" }) do end
  end,
  ["a global that went along"] = function(pool, b)
    END_OF_PIPE = b
    pool:apply(function() END_OF_PIPE:send "x" END_OF_PIPE = nil end)
    END_OF_PIPE = nil
  end,
  ["an error"] = function(pool, b) pcall(pool.apply, pool, function() b:send "x" error "no" end) end,
}

for _, kind in ipairs { "thread", "process" } do
  describe("an idle worker (" .. kind .. ")", function()
    for name, send in pairs(ways) do
      it("has closed the end of a pipe that it got by " .. name, function()
        local pool <close> = conrun.pool.new { workers = 1, kind = kind }
        local a, b = conrun.pipe.new()
        local kept = send(pool, b)
        b:close()
        assert.are.equal("x", a:recv())
        local x, why = a:recv()
        assert.is_nil(x)
        assert.are.equal("closed", why)
        return kept
      end)
    end

    it("has finalized what the task has made", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      local gone = conrun.queue.new()
      pool:apply(function()
        setmetatable({}, { __gc = function() gone:put "garbage" end })
      end)
      assert.are.equal("garbage", gone:get())
    end)

    it("has what its functions keep as long as their call lasts", function()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      local n = 0
      local function count()
        n = n + 1
        return n
      end
      local slow = conrun.event.new()
      local function items()
        return coroutine.wrap(function()
          for i = 1, 4 do
            coroutine.yield(i)
            slow:wait(0.02) -- the worker has nothing to do meanwhile
          end
        end)
      end
      local results = {}
      for _, x in pool:imap(count, items(), { chunksize = 1, buffersize = 1 }) do
        results[#results + 1] = x
      end
      assert.are.same({ 1, 2, 3, 4 }, results)
    end)
  end)

  describe("a worker that is started (" .. kind .. ")", function()
    it("is the only one that has what its function took along", function()
      local a, b = conrun.pipe.new()
      local go = conrun.event.new()
      local w = conrun[kind].start(function()
        b:send "x"
        b = nil
        collectgarbage()
        go:wait()
      end)
      b:close()
      assert.are.equal("x", a:recv())
      go:set()
      assert.are.same({ nil, "closed" }, { a:recv() })
      w:join()
    end)
  end)
end
