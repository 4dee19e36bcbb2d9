-- SPDX-License-Identifier: MIT
--
-- An apply that Ctrl-C had ended left its task running, whose result nobody could ask for any
-- more.  And a __transfer that changed the table that was being sent gave Lua's "invalid key
-- to 'next'", which names neither.

local conrun = require "conrun"
local helpers = require "spec.helpers"

describe("an apply that is interrupted", function()
  for _, kind in ipairs { "thread", "process" } do
    it("stops its task: " .. kind, function()
      local began, never = conrun.event.new(), conrun.event.new()
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      local caller = conrun.thread.start(function()
        pool:apply(function() began:set() never:wait() end)
      end)
      began:wait()
      caller:interrupt()
      assert.are.equal("interrupted", caller:join() and select(2, pcall(caller.result, caller)).kind)
      assert.are.equal("free", pool:apply(function() return "free" end))
    end)

    it("takes its task out of the line: " .. kind, function()
      local began, go, ran = conrun.event.new(), conrun.event.new(), conrun.shared.value("i64", 0)
      local pool <close> = conrun.pool.new { workers = 1, kind = kind }
      local first = pool:submit(function() began:set() go:wait() end)
      began:wait()
      local caller = conrun.thread.start(function() pool:apply(function() ran:add(1) end) end)
      assert.is_truthy(helpers.eventually(function() return pool:stats().queued == 1 end))
      caller:interrupt()
      caller:join()
      go:set()
      first:result()
      pool:apply(math.abs, 1)
      assert.are.equal(0, ran:get())
    end)
  end
end)

describe("a table that a __transfer changes while it is sent", function()
  it("is refused with the reason", function()
    local t = {}
    for i = 1, 20 do
      t["k" .. i] = setmetatable({}, { __transfer = function()
        for j = 1, 20 do t["k" .. j] = nil end
        for j = 1, 100 do t["new" .. i .. j] = j end
        collectgarbage()
        return tostring, i
      end })
    end
    local q = conrun.queue.new()
    local ok, e = pcall(q.put, q, t)
    assert.is_false(ok)
    assert.matches("^spec/regress/212.-:%d+: cannot send a table that changes while it is sent", e)
    assert.are.equal(0, q:size())
  end)
end)
