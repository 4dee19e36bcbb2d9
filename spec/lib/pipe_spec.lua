-- SPDX-License-Identifier: MIT
--
-- The pipe: two ends, messages in order, and what an end says when the other is
-- closed.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"
local pipe = require "conrun.pipe"

local LONG = kinds.LONG

local function answer(b)
  while true do
    local v, why = b:recv()
    if v == nil and why then
      return why
    end
    b:send { "echo", v }
  end
end

local function send_and_close(b, ...)
  for i = 1, select("#", ...) do
    b:send((select(i, ...)))
  end
  b:close()
end

describe("pipe", function()
  it("carries messages both ways", function()
    local a, b = pipe.new()
    assert.is_true(a:send(1))
    a:send("two")
    b:send { 3 }
    assert.are.equal(1, b:recv())
    assert.are.equal("two", b:recv())
    assert.are.same({ 3 }, a:recv())
  end)

  it("polls without taking, also an empty message", function()
    local a, b = pipe.new()
    assert.is_false((b:poll()))
    assert.is_false((b:poll(0)))
    a:send("")
    assert.is_true(b:poll())
    assert.is_true(b:poll(LONG))
    assert.are.equal("", b:recv())
    assert.is_false((b:poll(0)))
  end)

  it("gives up after the timeout, not before", function()
    local _, b = pipe.new()
    local start = conrun.clock()
    local v, why = b:recv(0.1)
    assert.is_true(conrun.clock() - start >= 0.1)
    assert.is_nil(v)
    assert.are.equal("timeout", why)
    kinds.bad_method(1, b, "recv", -1)
    kinds.bad_method(1, b, "poll", -1)
  end)

  it("has one direction when it is not duplex", function()
    local a, b = pipe.new { duplex = false }
    local reader, writer = a, b
    if pcall(a.send, a, 1) then
      reader, writer = b, a
    else
      b:send(1)
    end
    assert.are.equal(1, reader:recv(0))
    assert.has_error(function() reader:send(2) end)
    assert.has_error(function() writer:recv(0) end)
    assert.matches("duplx", tostring(kinds.raised(pipe.new, { duplx = true })))
  end)

  it("gives what was sent before the other end closed, then says closed", function()
    local a, b = pipe.new()
    a:send(1)
    a:close()
    assert.is_true(b:poll(0))
    assert.are.equal(1, b:recv())
    local v, why = b:recv()
    assert.is_nil(v)
    assert.are.equal("closed", why)
    local ok, reason = b:send(2)
    assert.is_falsy(ok)
    assert.are.equal("closed", reason)
    a:close()
  end)
end)

for _, kind in ipairs(kinds) do
  describe("a pipe between strands (" .. kind .. ")", function()
    it("answers until it is closed", function()
      local a, b = pipe.new()
      local w = kinds.start(kind, answer, b)
      for _, v in ipairs { 1, "x", { 2 } } do
        a:send(v)
        assert.are.same({ "echo", v }, a:recv(LONG))
      end
      a:close()
      assert.are.equal("closed", kinds.finish(w))
    end)

    it("carries 16 MB and the empty string", function()
      local a, b = pipe.new()
      local w = kinds.start(kind, send_and_close, b, ("y"):rep(1 << 24), "")
      b:close() -- the worker has an end of its own
      assert.are.equal(1 << 24, #a:recv(LONG))
      assert.are.equal("", a:recv(LONG))
      local _, why = a:recv(LONG)
      assert.are.equal("closed", why)
      kinds.finish(w)
    end)
  end)
end
