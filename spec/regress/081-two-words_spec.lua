-- SPDX-License-Identifier: MIT
--
-- Where the kernel cannot wait for two words (before 5.16), a deadlock was never found, and
-- who waited without a deadline did not hear that the zygote was dead.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

for _, error in ipairs { "ENOSYS", "EPERM" } do
  describe("without futex_waitv (" .. error .. ")", function()
    local deny = helpers.quote(helpers.native .. "deny") .. " futex_waitv=" .. error

    it("a deadlock is found", function()
      local out = kinds.run("print(pcall(conrun.queue.new().get, conrun.queue.new()))", nil, deny)
      assert.matches("^false\t[^\n]*deadlock", out)
    end)

    it("a strand asleep at an object hears its bell", function()
      local out = kinds.run([[
        local q = conrun.queue.new()
        local w = conrun.thread.start(function(e) e:set() conrun.queue.new():get(1e6) end, q and conrun.event.new())
        local e = conrun.event.new()
        for _, kind in ipairs { "thread", "process" } do
          local v = conrun[kind].start(function(started, queue) started:set() queue:get() end, e, q)
          e:wait() e:clear()
          v:interrupt()
          print(v:join(), pcall(v.result, v))
        end
        w:interrupt()
        print(w:join())
      ]], nil, deny)
      out = out:gsub("[^\t]*: interrupted", "interrupted")
      assert.are.equal("true\tfalse\tinterrupted!\ntrue\tfalse\tinterrupted!\ntrue\n", out)
    end)

    it("the death of the zygote is noticed", function()
      local out = kinds.run([[
        local w = conrun.process.start(function() conrun.event.new():wait(1e6) end)
        local zygote = io.open("/proc/" .. w.pid .. "/stat"):read "a":match "%) %a (%d+)"
        os.execute("kill -9 " .. zygote)
        print(w:join(), w.exitcode)
      ]], nil, deny)
      assert.are.equal("true\t-9\n", out)
    end)
  end)
end
