-- SPDX-License-Identifier: MIT
--
-- conrun.on_error: where uncaught errors of workers go.

local kinds = require "spec.lib.kinds"

for _, kind in ipairs(kinds) do
  describe("conrun.on_error (" .. kind .. ")", function()
    it("gets the error object of a worker that nobody asked", function()
      local out, err, status = kinds.run(([[
        conrun.on_error(function(e) print("handler:", e.kind, e.strand, tostring(e):match("boom")) end)
        local w = require("conrun.%s").start({ name = "unlucky" }, function() error("boom") end)
        w:join()
        conrun.sleep(0.01)
      ]]):format(kind))
      assert.are.equal("", err)
      assert.are.equal(0, status)
      assert.matches("handler:\ttask\tunlucky\tboom", out)
    end)

    it("goes back to stderr when it is taken away", function()
      local _, err = kinds.run(([[
        conrun.on_error(print)
        conrun.on_error(nil)
        require("conrun.%s").start(function() error("boom") end):join()
      ]]):format(kind))
      assert.matches("boom", err)
    end)

    it("does not bring the program down when it fails itself", function()
      local out, err, status = kinds.run(([[
        conrun.on_error(function() error("handler fails") end)
        require("conrun.%s").start(function() error("boom") end):join()
        conrun.sleep(0.01)
        print("goes on")
      ]]):format(kind))
      assert.are.equal(0, status)
      assert.are.equal("goes on\n", out)
      assert.matches("boom", err)
      assert.matches("handler fails", err)
    end)
  end)
end
