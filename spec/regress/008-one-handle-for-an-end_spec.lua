-- SPDX-License-Identifier: MIT
--
-- An end of a pipe that came back to the state that made it was a second handle, so
-- closing it did not close the end.

local conrun = require "conrun"

describe("an end of a pipe that is sent to its own state", function()
  it("is the same handle", function()
    local a, b = conrun.pipe.new()
    a:send(a)
    a:send(b)
    assert.equal(a, b:recv())
    assert.equal(b, b:recv())
  end)

  it("is closed by one close", function()
    local a, b = conrun.pipe.new()
    a:send(a)
    b:recv():close()
    assert.same({ nil, "closed" }, { b:recv() })
  end)
end)
