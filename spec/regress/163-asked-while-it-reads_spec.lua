-- SPDX-License-Identifier: MIT
--
-- A strand that was at work when SIGQUIT asked for it could be in a read when the answer's
-- nudge came: the read ended as if the file were at its end.

local kinds = require "spec.lib.kinds"

describe("a strand that reads, and is asked all the time where it is", function()
  for _, kind in ipairs(kinds) do
    it("reads on to the end of the file: " .. kind, function()
      local out, err, status = kinds.run(([[
        local path = os.tmpname()
        os.remove(path)
        assert(os.execute("mkfifo " .. path))
        local worker = conrun.%s.start({ name = "reader" }, function(name)
          local file <close> = assert(io.open(name))
          file:setvbuf "no" -- a system call for each byte
          local n = 0
          while file:read(1) do
            n = n + 1
            for _ = 1, 300 do n = n + 0 end -- is at work, too
          end
          return n
        end, path)
        local function answers()
          local told <close> = io.open "/proc/self/fd/2"
          return select(2, told:read "a":gsub("'reader' is at work", ""))
        end
        -- Sent from behind, for while os.execute runs, the signal is ignored; and with a pause,
        -- the time that a process takes, so that main has time for more than to answer.
        local ask = ("while kill -QUIT %%d; do env true; done 2>/dev/null &"):format(conrun.current().pid)
        os.execute(ask) -- before the file is open: what is started would keep it open
        local file = assert(io.open(path, "w"))
        local written = 0
        repeat
          for _ = 1, 2000 do
            file:write("x"):flush()
            for _ = 1, 900 do written = written + 0 end -- slower than the reader, who so has to wait
          end
          written = written + 2000
        until answers() >= 100
        file:close()
        os.remove(path)
        print(worker:result() == written)
      ]]):format(kind))
      assert.are.equal("true\n", out)
      assert.are.equal(0, status, err)
    end)
  end
end)
