-- SPDX-License-Identifier: MIT
--
-- C modules in threads: one that used more than a megabyte of the C stack crashed the
-- program, and one that had left a signal handler behind crashed it at the next signal,
-- because the library was unloaded with the last state that had it.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

describe("a C module", function()
  it("has as much of the stack in a thread as in main", function()
    local out, err = kinds.run([[
      local function deep(kilobytes) return require "native".deep(kilobytes) end
      print(deep(6000))
      print(conrun.thread.start(deep, 6000):result())
      print(conrun.process.start(deep, 6000):result())
      print(conrun.pool.threads(2):apply(deep, 6000))
    ]], nil, helpers.with_native)
    assert.are.equal("0\n0\n0\n0\n", out, err)
  end)

  it("has more where main has more", function()
    local out, err = kinds.run([[
      print(conrun.thread.start(function() return require "native".deep(14000) end):result())
    ]], nil, "ulimit -s 16384; " .. helpers.with_native)
    assert.are.equal("0\n", out, err)
  end)

  it("stays loaded when the thread that loaded it has ended", function()
    local out, err = kinds.run([[
      local function load() return (require "lasting") end
      for i = 1, 3 do
        print(conrun.thread.start(load):result())
        io.popen("kill -USR1 " .. pid):close()
      end
    ]], nil, helpers.with_native)
    assert.are.equal("true\ntrue\ntrue\n", out, err)
  end)

  it("stays loaded when main's state is closed", function()
    local out, err = helpers.run(("%s %s -e %s"):format(helpers.with_native, helpers.quote(helpers.conrun),
      helpers.quote [[
        setmetatable({}, { __gc = function()
          io.popen("kill -USR1 $PPID"):close()
          print "last"
        end })
        require "lasting"
      ]]))
    assert.are.equal("last\n", out, err)
  end)
end)

describe("threads where addresses are limited", function()
  local it_or_pending = kinds.sanitized and pending or it
  it_or_pending("are as many as their stacks find room for", function()
    local out, err = kinds.run([[
      local go, ws = conrun.event.new(), {}
      for i = 1, 30 do ws[i] = conrun.thread.start(function(e) e:wait() return 1 end, go) end
      go:set()
      local n = 0
      for _, w in ipairs(ws) do n = n + w:result() end
      print(n)
    ]], nil, "ulimit -v 400000;")
    assert.are.equal("30\n", out, err)
  end)
end)
