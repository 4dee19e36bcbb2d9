-- SPDX-License-Identifier: MIT
--
-- A step of imap that was interrupted while the pool's line was full kept its chunk beside the
-- ring: the next step had no room for another one and failed, or gave an item a wrong number.

local conrun = require "conrun"
local core = require "conrun.core"
local kinds = require "spec.lib.kinds"

local function up_to(last)
  local n = 0
  return function()
    n = n + 1
    return n <= last and n or nil
  end
end

-- All that is handed out by the iteration, as text, whose second step is interrupted while the
-- one worker is at work and the line is full.
local function interrupted(options)
  local pool <close> = conrun.pool.new { workers = 1, max_queued = options.buffersize }
  local step = pool:imap(function(n) return 10 * n end, up_to(6), options)
  local go, worker = kinds.occupy(pool, { priority = 1 })
  while pool:submit({ timeout = 0 }, math.abs, 1) do end
  local out = {}
  repeat
    core.interrupt_me()
    local ok, i, x = pcall(step)
    core.spare_me()
    if not ok then
      out[#out + 1] = tostring(i):match "interrupted!$" or tostring(i)
      go:set()
      worker:result(kinds.LONG)
      ok, i, x = pcall(step)
      assert(ok, i)
    end
    out[#out + 1] = i and i .. "=" .. x
  until not i
  return table.concat(out, " ")
end

describe("imap that is interrupted while it waits for room in the line", function()
  for _, options in ipairs { { buffersize = 1 }, { buffersize = 2, chunksize = 2 } } do
    it(("goes on with the same items (%d ahead)"):format(options.buffersize), function()
      local out, n = interrupted(options):gsub("interrupted! ", "")
      assert.are.equal("1=10 2=20 3=30 4=40 5=50 6=60", out)
      assert.is_true(n > 0)
    end)
  end
end)
