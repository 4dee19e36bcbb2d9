-- SPDX-License-Identifier: MIT
--
-- The ends of a pipe: who holds them, and what the other end notices.

local kinds = require "spec.lib.kinds"
local pipe = require "conrun.pipe"
local queue = require "conrun.queue"
local select = require "conrun.select"

local LONG = kinds.LONG

describe("an end of a pipe", function()
  it("is closed once and for all", function()
    local a, b = pipe.new()
    a:close()
    a:close()
    for _, method in ipairs { "send", "recv", "poll" } do
      assert.matches("closed", tostring(kinds.raised(a[method], a, 1)))
    end
    assert.matches("closed", tostring(a))
    assert.are.equal("closed", table.pack(b:recv(LONG))[2])
  end)

  it("is closed at the end of a scope", function()
    local a, b = pipe.new()
    do
      local _ <close> = a
    end
    assert.are.equal("closed", table.pack(b:recv(LONG))[2])
  end)

  it("is closed when its last handle is garbage", function()
    local ends = { pipe.new() }
    ends[1] = nil
    collectgarbage()
    collectgarbage()
    assert.are.equal("closed", table.pack(ends[2]:recv(LONG))[2])
  end)

  it("closes each direction for itself", function()
    local a, b = pipe.new { duplex = false }
    b:send("one")
    b:close()
    assert.is_true(a:poll())
    assert.are.equal("one", a:recv())
    assert.is_true(a:poll()) -- recv would not wait
    assert.are.equal("closed", table.pack(a:recv())[2])
  end)

  it("carries nil, false and empty messages", function()
    local a, b = pipe.new()
    a:send(nil)
    a:send(false)
    a:send("")
    assert.are.same({ n = 1 }, table.pack(b:recv()))
    assert.are.equal(false, b:recv())
    assert.is_true(b:poll())
    assert.is_true(b:poll())
    assert.are.equal("", b:recv())
  end)

  it("is refused by a worker that cannot have it, and stays as it is", function()
    local a, b = pipe.new()
    assert.matches("cannot send", tostring(kinds.raised(a.send, a, coroutine.create(print))))
    a:send("next")
    assert.are.equal("next", b:recv())
  end)
end)

for _, kind in ipairs(kinds) do
  describe("the other end of a pipe (" .. kind .. ")", function()
    it("is at its end when the worker that had it has ended", function()
      local a, b = pipe.new()
      local w = kinds.start(kind, function(other) other:send("last words") end, b)
      b:close()
      assert.are.equal("last words", a:recv(LONG))
      assert.are.equal("closed", table.pack(a:recv(LONG))[2])
      assert.is_false((a:send(1)))
      kinds.finish(w)
    end)

    it("is ready for select when something came, and when it is at its end", function()
      local a, b = pipe.new()
      local go = queue.new()
      local w = kinds.start(kind, function(other, q)
        q:get()
        other:send(1)
        q:get()
      end, b, go)
      b:close()
      local never = queue.new()
      assert.are.equal("timeout", table.pack(select.select({ never, a }, kinds.BRIEF))[2])
      go:put(1)
      assert.are.equal(a, (select.select({ never, a }, LONG)))
      assert.are.equal(1, a:recv(0))
      go:put(1)
      assert.are.equal(a, (select.select({ never, a }, LONG)))
      assert.are.equal("closed", table.pack(a:recv(0))[2])
      kinds.finish(w)
    end)
  end)
end

describe("a pipe whose holder was killed", function()
  it("gives what was sent, then is at its end", function()
    local a, b = pipe.new()
    local w = kinds.start("process", function(other)
      other:send("sent")
      require("conrun.event").new():wait(30)
    end, b)
    b:close()
    assert.are.equal("sent", a:recv(LONG))
    w:kill()
    assert.are.equal("closed", table.pack(a:recv(LONG))[2])
  end)

  it("wakes a receiver that waits", function()
    local a, b = pipe.new()
    local holder = kinds.start("process", function() require("conrun.event").new():wait(30) end, b)
    b:close()
    local reader = kinds.start("thread", function(p) return table.pack(p:recv(30))[2] end, a)
    holder:kill()
    assert.are.equal("closed", kinds.finish(reader))
  end)
end)
