-- SPDX-License-Identifier: MIT
--
-- A future is final a moment before its callbacks' notice comes; who asked in that moment got
-- the result first and the callback later.

local conrun = require "conrun"

describe("who asks a future", function()
  local asks = {
    result = function(f) f:result() end,
    error = function(f) f:error() end,
    done = function(f) while not f:done() do end end,
    state = function(f) while f.state ~= "done" do end end,
    wait = function(f) conrun.future.wait { f } end,
    all = function(f) conrun.future.all { f } end,
    as_completed = function(f) for _ in conrun.future.as_completed { f } do end end,
    select = function(f) conrun.select { f } end,
  }
  for name, ask in pairs(asks) do
    it("gets the answer when its callbacks have run: " .. name, function()
      local pool <close> = conrun.pool.threads(1)
      for _ = 1, 3000 do
        local ran = false
        local f = pool:submit(math.sqrt, 4)
        f:on_done(function() ran = true end)
        ask(f)
        assert.is_true(ran)
      end
    end)
  end
end)
