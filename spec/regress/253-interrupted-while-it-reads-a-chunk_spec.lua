-- SPDX-License-Identifier: MIT
--
-- An imap whose items come from an iterator that was interrupted in the middle of a chunk lost
-- the items of the chunk that it had read before.

local conrun = require "conrun"
local core = require "conrun.core"

describe("imap whose iterator is interrupted in the middle of a chunk", function()
  it("goes on with the items that it had read", function()
    local pool <close> = conrun.pool.new { workers = 1 }
    local n, due = 0, 6
    local function read()
      if n + 1 == due then
        due = nil
        core.interrupt_me()
        conrun.sleep(0)
      end
      n = n + 1
      return n <= 8 and n or nil
    end
    local step = pool:imap(function(x) return 10 * x end, read, { buffersize = 4, chunksize = 2 })
    local out, interrupted = {}, 0
    repeat
      local ok, i, x = pcall(step)
      if not ok then
        interrupted = interrupted + 1
        assert.truthy(tostring(i):find "interrupted!$")
      elseif i then
        out[#out + 1] = i .. "=" .. x
      end
    until ok and not i
    assert.are.equal("1=10 2=20 3=30 4=40 5=50 6=60 7=70 8=80", table.concat(out, " "))
    assert.are.equal(1, interrupted)
  end)
end)
