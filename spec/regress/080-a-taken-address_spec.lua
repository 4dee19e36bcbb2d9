-- SPDX-License-Identifier: MIT
--
-- Where something else was at the arena's fixed address, or the address was beyond what
-- the system has, shared memory began in the middle of a page of its own: crashes.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

-- The places that arena/map.c tries in turn; the first is another under ThreadSanitizer.
local PLACES = { kinds.tsan and "7e8000000000" or "200000000000", "1000000000", "300000000000", "100000000000" }

describe("a program whose addresses are taken", function()
  for n = 1, kinds.tsan and 1 or #PLACES do
    it("works at the next place (" .. n .. " taken)", function()
      local out, err, status = kinds.run([[
        local big = {}
        for i = 1, 500 do big[i] = ("x"):rep(i % 300) end
        for _, kind in ipairs { "thread", "process" } do
          local pool <close> = conrun.pool.new { workers = 2, kind = kind }
          for i, v in ipairs(pool:map(function(s) return { s, #s } end, big)) do assert(v[2] == #big[i]) end
        end
        print "ok"
      ]], "--audit", ("ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 TAKEN=%s LD_PRELOAD=%s"):format(
        table.concat(PLACES, ",", 1, n), helpers.quote(helpers.native .. "taken.so")))
      assert.are.equal("ok\n", out, err)
      assert.are.equal(0, status)
    end)
  end
end)
