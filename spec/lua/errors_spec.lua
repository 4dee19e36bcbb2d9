-- SPDX-License-Identifier: MIT
--
-- Error objects: their fields, how they print, how they travel, and what the
-- host prints when nobody catches one.

local errors = require "conrun.errors"
local event = require "conrun.event"
local future = require "conrun.future"
local kinds = require "spec.lib.kinds"
local lock = require "conrun.lock"

local function fail(value)
  error(value)
end

local function fail_twice(kind)
  require("conrun." .. kind).start({ name = "inner" }, function() error("innermost") end):result(30)
end

describe("errors.is", function()
  it("tells error objects by their kind", function()
    local e = kinds.raised(function() future.new():result(0) end)
    assert.is_true(errors.is(e, "timeout"))
    assert.is_false(errors.is(e, "task"))
    assert.is_true(errors.is(e))
  end)

  it("is false for anything else", function()
    for _, value in ipairs { "timeout", 5, true, {}, { kind = "timeout" }, print } do
      assert.is_false(errors.is(value, "timeout"))
      assert.is_false(errors.is(value))
    end
    assert.is_false(errors.is(nil, "timeout"))
  end)
end)

describe("an error object", function()
  it("has a kind and a message, which is all that it prints", function()
    local l = lock.new()
    l:acquire()
    local e = kinds.raised_kind("deadlock", l.acquire, l)
    l:release()
    assert.are.equal("deadlock", e.kind)
    assert.are.equal(e.message, tostring(e))
  end)

  for _, kind in ipairs(kinds) do
    it("carries what was raised (" .. kind .. ")", function()
      local w = kinds.start(kind, fail, { code = 1 })
      local e = kinds.raised_kind("task", w.result, w, kinds.LONG)
      assert.are.same({ code = 1 }, e.value)
      assert.is_string(e.message)
      assert.is_string(e.traceback)
      assert.is_string(e.strand)
    end)

    it("uses the __tostring of what was raised (" .. kind .. ")", function()
      local w = kinds.start(kind, function()
        error(setmetatable({}, { __tostring = function() return "as text" end }))
      end)
      local e = kinds.raised_kind("task", w.result, w, kinds.LONG)
      assert.are.equal("as text", e.message)
    end)

    it("keeps its kind through a second worker (" .. kind .. ")", function()
      local w = kinds.start(kind, fail_twice, kind)
      local e = kinds.raised_kind("task", w.result, w, kinds.LONG)
      assert.matches("innermost", tostring(e))
    end)

    it("travels in tables (" .. kind .. ")", function()
      local given = kinds.raised(function() future.new():result(0) end)
      local got = kinds.finish(kinds.start(kind, function(t) return { inner = t.inner } end, { inner = given }))
      assert.is_true(errors.is(got.inner, "timeout"))
      assert.are.equal(tostring(given), tostring(got.inner))
    end)

    it("is printed with the worker's traceback when nobody catches it (" .. kind .. ")", function()
      local _, err, status = kinds.run(([[
        local function deep_inside() error("boom") return 1 end
        local p <close> = require("conrun.pool").new { workers = 1, kind = "%s" }
        p:apply(function() deep_inside() return 1 end)
      ]]):format(kind))
      assert.are.equal(1, status)
      assert.matches("boom", err)
      assert.matches("deep_inside", err)
      assert.matches("stack traceback", err)
    end)
  end
end)

describe("argument errors", function()
  it("name the method, the number and both types", function()
    local e = event.new()
    local message = tostring(kinds.raised(function() e:wait({}) end))
    assert.matches("bad argument #1 to 'wait'", message)
    assert.matches("number expected, got table", message)
    message = tostring(kinds.raised(e.set, 5))
    assert.matches("event expected, got number", message)
    message = tostring(kinds.raised(e.set, lock.new()))
    assert.matches("event expected, got .*lock", message)
  end)
end)
