-- SPDX-License-Identifier: MIT
--
-- An interruption was only heard by code of the main coroutine outside of finalizers and
-- message handlers: a loop in one of those went on for ever.  A task that caught it and
-- came to an end was not late.

local conrun = require "conrun"
local helpers = require "spec.helpers"

local cases = require "spec.regress.101-loops"

local ways = {
  interrupt = function(kind, f, begun)
    local w = conrun[kind].start(f, begun)
    begun:wait()
    w:interrupt()
    return pcall(w.result, w)
  end,
  ["cancel{running=true}"] = function(kind, f, begun)
    local pool <close> = conrun.pool.new { workers = 1, kind = kind }
    local task = pool:submit(f, begun)
    begun:wait()
    assert.is_true(task:cancel { running = true })
    return pcall(task.result, task)
  end,
  terminate = function(kind, f, begun)
    local pool <close> = conrun.pool.new { workers = 1, kind = kind }
    local task = pool:submit(f, begun)
    begun:wait()
    pool:terminate()
    return pcall(task.result, task)
  end,
  task_timeout = function(kind, f, begun)
    local pool <close> = conrun.pool.new { workers = 1, kind = kind, task_timeout = 0.02 }
    local task = pool:submit(f, begun)
    return pcall(task.result, task)
  end,
}

for _, kind in ipairs { "thread", "process" } do
  for way, stop in pairs(ways) do
    describe(("%s (%s) reaches a loop"):format(way, kind), function()
      local before
      setup(function() before = conrun.on_error(function() end) end)
      teardown(function() conrun.on_error(before) end)
      for name, f in pairs(cases) do
        it(name, function()
          local ok = stop(kind, f, conrun.event.new())
          assert.is_false(ok)
        end)
      end
    end)
  end
end

describe("Ctrl-C", function()
  for name in pairs(cases) do
    it("reaches a loop " .. name, function()
      local script = os.tmpname()
      local file <close> = assert(io.open(script, "w"))
      file:write(([[
        local conrun, cases = require "conrun", require "spec.regress.101-loops"
        local begun = conrun.event.new()
        local signal = "kill -INT " .. conrun.current().pid
        conrun.thread.start({ daemon = true }, function() begun:wait() io.popen(signal):close() end)
        local ok = pcall(cases[%q], begun)
        debug.sethook()
        print(ok)
      ]]):format(name))
      file:close()
      local out = helpers.run(("%s %s"):format(helpers.quote(helpers.conrun), script))
      os.remove(script)
      assert.are.equal("false\n", out)
    end)
  end
end)

describe("a task that was over time", function()
  local function caught()
    pcall(cases["in plain code"], { set = function() end })
    return "swallowed"
  end
  local function in_c()
    os.execute "sleep 0.05"
    return "late"
  end
  local function loaded() -- which makes tables for ThreadSanitizer, as the loops of 101-loops.lua
    return load(function() return ({ " " })[1] end)
  end
  for name, f in pairs { ["and caught the error"] = caught, ["in a C function"] = in_c, ["in load"] = loaded } do
    it(name .. " has failed with kind 'timeout'", function()
      for _, kind in ipairs { "thread", "process" } do
        local pool <close> = conrun.pool.new { workers = 1, kind = kind, task_timeout = 0.02 }
        local ok, e = pcall(pool.apply, pool, f)
        assert.is_false(ok)
        assert.are.equal("timeout", e.kind)
        assert.matches("longer than its task_timeout of 0.02 s", tostring(e))
        assert.are.same({ 1, 2 }, pool:map(function(x) return x end, { 1, 2 }))
      end
    end)
  end
end)
