-- SPDX-License-Identifier: MIT
--
-- A guard that nobody closed kept its lock for ever, and the deadlock that came of it was
-- explained by the order of locks.

local helpers = require "spec.helpers"

local function run(code)
  local out, err, status = helpers.run(("%s --audit -e %s"):format(helpers.quote(helpers.conrun),
    helpers.quote([[local conrun = require "conrun"
local function gc() collectgarbage() collectgarbage() end ]] .. code)))
  return out, err:gsub("[^\n]*audit: clean\n$", ""), status
end

local complaint = "^conrun: a guard of %s %%d+, made at %%(command line%%):%d, was dropped and is released now; "
  .. "write local guard <close> = %%.%%.%%.:hold%%(%%)\n$"

describe("a guard that is dropped", function()
  for kind, make in pairs {
    lock = "conrun.lock.new()", ["lock "] = "conrun.lock.recursive()", semaphore = "conrun.semaphore.new(1)",
    condition = "conrun.condition.new()",
  } do
    it("releases at its collection, and says where it was made: " .. make, function()
      local code = "local x = %s\nx:hold()\ngc()\nprint(x.locked and x:locked() or x.value and x:value())"
      local out, err = run(code:format(make))
      assert.are.equal(kind == "semaphore" and "1\n" or "nil\n", (out:gsub("false", "nil")))
      assert.matches(complaint:format(kind:gsub(" ", ""), 3), err)
    end)
  end

  it("lets go in the middle of a deadlock that it causes", function()
    local out, err, status = run [[
      local lock = conrun.lock.new()
      lock:hold()
      conrun.thread.start(function() local g <close> = lock:hold() end):join()
      print "done"]]
    assert.are.equal("done\n", out)
    assert.matches(complaint:format("lock", 3), err)
    assert.are.equal(0, status)
  end)

  for what, code in pairs {
    ["was released by hand, and the lock taken again"] = [[
      local lock = conrun.lock.new()
      lock:hold() lock:release() lock:acquire() gc()
      assert(lock:locked()) lock:release()]],
    ["was released by hand within another acquire"] = [[
      local lock = conrun.lock.recursive()
      lock:acquire() lock:hold() lock:release() gc()
      assert(lock:locked()) lock:release() assert(not lock:locked())]],
    ["was closed"] = "local lock = conrun.lock.new() do local g <close> = lock:hold() end gc()",
    ["gave its permit back by hand"] = [[
      local s = conrun.semaphore.new(1)
      s:hold() s:release() gc() assert(s:value() == 1)]],
    ["is kept to the end"] = "KEPT = conrun.lock.new():hold()",
  } do
    it("says and does nothing if it " .. what, function()
      local out, err, status = run(code)
      assert.are.same({ "", "", 0 }, { out, err, status })
    end)
  end
end)
