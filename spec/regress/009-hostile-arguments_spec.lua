-- SPDX-License-Identifier: MIT
--
-- Arguments that nobody expects: each was taken, miscounted, or refused with words
-- that named nothing.

local conrun = require "conrun"

---What the call raised, without its place.
---@param f function
---@return string
local function raised(f, ...)
  local good, message = pcall(f, ...)
  assert.is_false(good)
  return (tostring(message):gsub("^[^ ]+:%d+: ", ""))
end

describe("hostile arguments", function()
  it("a semaphore does not count beyond the integers", function()
    local s = conrun.semaphore.new(0)
    s:release(math.maxinteger)
    assert.equal("semaphore released more often than acquired", raised(s.release, s))
    assert.equal(math.maxinteger, s:value())
  end)

  it("a range does not have more integers than can be counted", function()
    local words = "bad argument #2 to 'conrun.range' (more integers than can be counted)"
    assert.equal(words, raised(conrun.range, math.mininteger, math.maxinteger))
    assert.equal(words, raised(conrun.range, math.maxinteger, math.mininteger, -1))
    assert.equal(0, #conrun.range(0, 1, -1))
    assert.equal(1, #conrun.range(1, 1, -1))
  end)

  it("initargs cannot claim to be more than there is room for", function()
    local words = raised(conrun.pool.new, { workers = 1, initializer = print, initargs = { n = 1000000000 } })
    assert.match("too many initargs", words, 1, true)
  end)

  it("an option's name is compared to its end", function()
    assert.match("unknown option 'duplex", raised(conrun.pipe.new, { ["duplex\0"] = false }), 1, true)
  end)

  it("what is called under a lock is looked at before the lock is taken", function()
    for _, x in ipairs { conrun.lock.new(), conrun.lock.recursive(), conrun.condition.new(), conrun.semaphore.new() } do
      local words = raised(function() x:with(5) end)
      assert.equal("bad argument #1 to 'with' (function expected, got number)", words)
    end
    local d = conrun.shared.dict()
    assert.equal("bad argument #2 to 'update' (function expected, got number)",
      raised(function() d:update("k", 5) end))
  end)

  it("an update without a key names the key", function()
    local d = conrun.shared.dict()
    assert.equal("bad argument #1 to 'update' (a key must not be NaN)",
      raised(function() d:update(0 / 0, print) end))
    assert.equal("bad argument #1 to 'update' (a key is a string, number or boolean, not a nil)",
      raised(function() d:update(nil, print) end))
  end)

  it("an error object is made of a table", function()
    assert.equal("bad argument #1 to 'conrun.errors.new' (table with kind and message expected, got 5)",
      raised(conrun.errors.new, 5))
  end)

  it("a name has no zero bytes", function()
    assert.equal("bad option 'name' (string without zero bytes expected, got 'a')",
      raised(conrun.shared.buffer, 16, { name = "a\0b" }))
  end)

  it("the caller's line is named, not one of conrun's own", function()
    for name, call in pairs {
      threads = function() conrun.pool.threads(0) end,
      apply = function() local p <close> = conrun.pool.threads(1) p:apply(5) end,
      error = function() conrun.log.error("%d", 1.5) end,
    } do
      local _, message = pcall(call)
      assert.match("^spec/regress/[^:]+:%d+: bad argument #%d to '[%w.]*" .. name .. "'", message)
    end
  end)

  it("an item for starmap is a list", function()
    local pool <close> = conrun.pool.threads(1)
    assert.equal("an item for starmap is a list of arguments, not a number",
      raised(pool.starmap, pool, print, { 5 }))
  end)
end)
