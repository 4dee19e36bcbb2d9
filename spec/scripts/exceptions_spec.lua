-- SPDX-License-Identifier: MIT
-- scripts/exceptions.lua: every technique, for both kinds.

local helpers = require "spec.helpers"

local techniques = {
  "pcall inside the worker",
  "the worker's own handler",
  "a central handler with an error queue",
  "a future carries the error",
  "logging and monitoring",
  "a crashed worker",
  "a lock is released in spite of an error",
  "an unhandled error is reported",
}

for _, kind in ipairs { "thread", "process" } do
  describe("scripts/exceptions.lua with kind " .. kind, function()
    local out, code

    setup(function()
      local _
      out, _, code = helpers.script("exceptions", "--kind=" .. kind)
    end)

    it("ends well in spite of all the errors", function()
      assert.are.equal(0, code)
    end)

    for number, technique in ipairs(techniques) do
      it("shows: " .. technique, function()
        assert.matches(("\n%d%%. %s  +[%%d.]+ %%S+  +holds\n"):format(number, technique), out)
      end)
    end

    it("catches the error that a future carries", function()
      assert.matches("Caught an exception: [^\n]*An error occurred!\n", out)
    end)

    it("names worker, task and line in the reports", function()
      assert.matches("  Reporter%-2, task 2: [^\n]*exceptions%.lua:%d+: An error occurred!", out)
      assert.matches("  handled in Careful, raised at line %d+", out)
      assert.matches("  | [^\n]*Unlucky", out)
    end)

    it("reports both crashes", function()
      local report = kind == "thread" and "  %s in a thread: the whole program ends" or "\n  %s: [^\n]+\n"
      assert.matches(report:format "SEGV", out)
      assert.matches(report:format "KILL", out)
    end)

    it("leaves shared data consistent", function()
      assert.matches("2 of 4 moves failed; 50 %+ 50 = 100; locked: false", out)
    end)
  end)
end
