-- SPDX-License-Identifier: MIT
--
-- A thread that was interrupted before its function began has an error object without
-- a traceback, and that was reported as "(null)".

local helpers = require "spec.helpers"

describe("an uncaught error object without a traceback", function()
  it("is reported with its words", function()
    local program = [[
      local conrun = require "conrun"
      for _ = 1, 40 do
        local w = conrun.thread.start(function() while true do local _ = {} end end)
        w:interrupt()
        w:join()
      end]]
    local _, complaints = helpers.run(("%s -e %s"):format(helpers.quote(helpers.conrun), helpers.quote(program)))
    assert.match("uncaught error in thread 'Thread-40': ", complaints, 1, true)
    assert.not_match("(null)", complaints, 1, true)
  end)
end)
