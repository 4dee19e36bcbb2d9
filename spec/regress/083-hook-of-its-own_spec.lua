-- SPDX-License-Identifier: MIT
--
-- SIGQUIT asks what everybody is doing, "and the program goes on as if nothing had been
-- asked"; but a hook that a worker had set itself (a debugger's, coverage) was gone.

local kinds = require "spec.lib.kinds"

describe("a hook that a worker has set itself", function()
  for _, kind in ipairs(kinds) do
    it("is there after SIGQUIT (" .. kind .. ")", function()
      local told = os.tmpname()
      local out, err = kinds.run(([[
        local ready = conrun.event.new()
        local w = conrun.%s.start({ name = "asked" }, function(name, ready)
          local calls = 0
          local function hook() calls = calls + 1 end
          local function asked()
            local f <close> = io.open(name)
            return f:read "a":find "strand 'asked' %%(process"
          end
          debug.sethook(hook, "", 100)
          ready:set()
          repeat until asked()
          local before, f, _, count = calls, debug.gethook()
          for _ = 1, 1000 do end
          return f == hook, count, calls > before
        end, %q, ready)
        ready:wait()
        io.popen("kill -QUIT " .. pid):close()
        print(w:result())
      ]]):format(kind, told), nil, "sh -c 'exec \"$@\" 2>" .. told .. "' sh")
      os.remove(told)
      assert.are.equal("true\t100\ttrue\n", out, err)
    end)
  end
end)
