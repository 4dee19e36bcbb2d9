-- SPDX-License-Identifier: MIT
--
-- The program exported all of its functions, and the linker gives a module in C those of
-- the program before the module's own: a module with a function called `encode` called
-- ours and crashed.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"
local queue = require "conrun.queue"

package.cpath = helpers.modules .. "/?.so;" .. package.cpath

--- Calls the module's functions, and conrun's beside them.
local function both(q)
  local n, text = require "clash"()
  q:put { n, text }
  return table.unpack(q:get())
end

describe("a C module whose functions have names of conrun's", function()
  it("calls its own, in main and in workers", function()
    assert.are.same({ 20, "fine" }, { both(queue.new()) })
    for _, kind in ipairs { "thread", "process" } do
      local w = kinds.start(kind, both, queue.new())
      assert.are.same({ 20, "fine" }, { w:result(kinds.LONG) })
    end
  end)
end)
