-- SPDX-License-Identifier: MIT
--
-- imap lost the results before an error of its iterator; cancelling what map_async returned
-- left its tasks in the line; as_completed kept all futures until its end, took lists only,
-- and gave those that were final before in the order of the list.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"

local function same(x) return x end

for _, kind in ipairs(kinds) do
  describe("imap (" .. kind .. ")", function()
    for _, name in ipairs { "imap", "imap_unordered" } do
      for _, size in ipairs { 1, 3 } do
        it(("gives the results before an error of the iterator: %s, chunks of %d"):format(name, size), function()
          local p <close> = kinds.pool(kind, 2)
          local i, given = 0, 0
          local function source()
            i = i + 1
            if i == 9 then error("no item 9", 0) end
            return i
          end
          local e = kinds.raised(function()
            for _ in p[name](p, same, source, { chunksize = size }) do given = given + 1 end
          end)
          assert.are.equal("no item 9", e)
          assert.are.equal(8, given)
        end)
      end
    end

    it("gives the results before an item that cannot be sent", function()
      local p <close> = kinds.pool(kind, 2)
      local given = 0
      local e = kinds.raised(function()
        for _ in p:imap(same, { 1, 2, 3, coroutine.create(print), 5 }) do given = given + 1 end
      end)
      assert.matches("coroutine", tostring(e))
      assert.are.equal(3, given)
    end)
  end)

  describe("cancel of map_async (" .. kind .. ")", function()
    it("cancels the tasks that have not been begun", function()
      local p <close> = kinds.pool(kind, 1)
      local n, go = conrun.shared.value("i64"), conrun.event.new()
      local m = p:map_async(function()
        n:add(1)
        go:wait()
      end, conrun.range(1, 20), { chunksize = 1 })
      repeat until n:get() == 1
      assert.is_true(m:cancel())
      go:set()
      p:shutdown()
      assert.are.equal(1, n:get())
    end)

    it("with running=true stops those that run", function()
      local p <close> = kinds.pool(kind, 1)
      local n = conrun.shared.value("i64")
      local m = p:map_async(function()
        n:add(1)
        conrun.event.new():wait()
      end, conrun.range(1, 3), { chunksize = 1 })
      repeat until n:get() == 1
      assert.is_true(m:cancel { running = true })
      p:shutdown()
      assert.are.equal(1, n:get())
    end)
  end)
end

describe("as_completed", function()
  it("keeps nothing that it has given", function()
    local weak, list = setmetatable({}, { __mode = "k" }), {}
    for i = 1, 5 do
      list[i] = conrun.future.new()
      list[i]:set_result(i)
      weak[list[i]] = true
    end
    local iterate = conrun.future.as_completed(list)
    list = nil -- luacheck: ignore
    for _ = 1, 3 do iterate() end
    collectgarbage()
    collectgarbage()
    local n = 0
    for _ in pairs(weak) do n = n + 1 end
    assert.are.equal(2, n)
  end)

  it("takes an iterator, and gives what is final already in the order of completion", function()
    local futures, order = {}, { 4, 2, 5, 1, 3 }
    for i = 1, 5 do futures[i] = conrun.future.new() end
    for _, i in ipairs(order) do futures[i]:set_result(i) end
    local i, seen = 0, {}
    local function each()
      i = i + 1
      return futures[i]
    end
    for f in conrun.future.as_completed(each) do seen[#seen + 1] = f:result() end
    assert.are.same(order, seen)
    local done = conrun.future.wait(futures)
    for k, f in ipairs(done) do assert.are.equal(order[k], f:result()) end
  end)
end)
