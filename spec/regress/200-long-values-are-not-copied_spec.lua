-- SPDX-License-Identifier: MIT
--
-- Who read a long item of a list, entry of a dict or shared value, or peeked into a queue,
-- copied it under the latch that keeps writers out: 30 ms for some megabytes, and everybody
-- else waited.  Long values
-- are kept in parcels, which readers share.

local kinds = require "spec.lib.kinds"

local holders = {
  list = { "shared.list {}", "h[1] = %s", "h[1]", "h:pop(1)", "h:clear()" },
  dict = { "shared.dict {}", "h.k = %s", "h.k", "h:pop('k')", "h:clear()" },
  queue = { "queue()", "h:put_many { %s }", "h:peek()", "h:get()", "h:close { now = true }" },
  value = { 'shared.value("any")', "h:set(%s)", "h:get()", "h:get()", "h:set(nil)" },
}

local values = {
  ["a long string"] = { "('x'):rep(1 << 20)", "#%s == 1 << 20" },
  ["a long table"] = { "{ list = conrun.range(20000):totable(), s = ('x'):rep(99999) }", "%s.list[20000] == 20000" },
  ["many objects"] = { "{ locks(100), lock }", "%s[2] == lock" },
  ["something of a class"] = { "setmetatable({ s = ('x'):rep(99999) }, Class)", "%s:length() == 99999" },
}

local prelude = [[
  local conrun = require "conrun"
  local h = conrun.%s
  local lock = conrun.lock()
  Class = { length = function(self) return #self.s end }
  Class.__index = Class
  local function locks(n)
    local t = {}
    for i = 1, n do t[i] = conrun.lock() end
    return t
  end
]]

for holder, code in pairs(holders) do
  describe("a shared " .. holder, function()
    local make, write, read, take, clear = table.unpack(code)
    for what, value in pairs(values) do
      it("keeps " .. what .. " that several read, and lets go of it", function()
        local put = write:format(value[1])
        local again = holder == "queue" and "" or put -- a queue that was closed takes nothing
        local check = "assert(" .. value[2] .. ")"
        local script = prelude:format(make) .. put .. [[

          local function look() for _ = 1, 3 do ]] .. check:format(read) .. [[ end end
          look()
          conrun.thread.start(look):result()
          conrun.process.start(look):result()
        ]] .. check:format(take) .. "\n" .. put .. "\n" .. put .. "\n" .. clear .. "\n" .. again
        local out, err, status = kinds.run(script, "--audit")
        assert.matches("audit: clean", err)
        assert.are.same({ "", 0 }, { out, status })
      end)
    end
  end)
end
