-- SPDX-License-Identifier: MIT
--
-- An iteration that was stepped, or left, while its own step waited for a result lost
-- that result under the step's feet, and the program crashed.

local conrun = require "conrun"

local words = "cannot step an iteration from inside of its own step"

describe("an iteration that is waiting for a result", function()
  for _, name in ipairs { "imap", "imap_unordered" } do
    local pool, go, release, asked, iterator, mapping, _

    before_each(function()
      pool = conrun.pool.threads(1)
      go, release, asked = conrun.event.new(), conrun.event.new(), conrun.future.new()
      iterator, _, _, mapping = pool[name](pool, function(x)
        if x == 2 then
          go:wait() -- so that the callback comes in the second step
          asked:set_result()
          release:wait()
        end
        return x
      end, { 1, 2, 3 })
    end)

    after_each(function()
      pool:terminate()
    end)

    it("refuses to be stepped by a callback: " .. name, function()
      local good, message
      asked:on_done(function()
        good, message = pcall(iterator)
        release:set()
      end)
      assert.equal(1, iterator())
      go:set()
      assert.equal(2, iterator())
      assert.equal(3, iterator())
      assert.is_false(good)
      assert.match(words, message, 1, true)
    end)

    it("is left by a callback when the step is over: " .. name, function()
      asked:on_done(function()
        do local _ <close> = mapping end
        release:set()
      end)
      assert.equal(1, iterator())
      go:set()
      assert.equal(2, iterator())
      assert.is_nil(iterator())
    end)
  end

  it("refuses to be stepped by the function that it reads", function()
    local pool <close> = conrun.pool.threads(1)
    local iterator, good, message
    iterator = pool:imap(math.abs, function()
      if iterator then good, message = pcall(iterator) end
      return 1
    end)
    for i = 1, 50 do assert.equal(i, (iterator())) end
    assert.is_false(good)
    assert.match(words, message, 1, true)
    pool:terminate()
  end)
end)
