-- SPDX-License-Identifier: MIT
--
-- A system call that conrun cannot do without was refused: a broken invariant, or words
-- that did not say what was missing.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

local function denied(what)
  return helpers.quote(helpers.native .. "deny") .. " " .. what
end

describe("the message of a program", function()
  it("that gets no memory file names the call", function()
    local out, err, status = kinds.run("print 'ran'", nil, denied "memfd_create")
    assert.are.equal("", out)
    assert.matches("cannot map shared memory: memfd_create: Function not implemented", err)
    assert.are.equal(1, status)
  end)

  it("that gets no signalfd names the call", function()
    local out, err = kinds.run([[
      print(pcall(conrun.process.start, print))
      print(pcall(conrun.pool.processes(1).submit, conrun.pool.processes(1), print))
      print(conrun.thread.start(math.abs, -1):result())
    ]], nil, denied "signalfd=EPERM")
    local refused = "signalfd: Operation not permitted"
    assert.matches("cannot start process 'Process%-1': " .. refused, out, err)
    assert.matches("\n1\n$", out)
  end)

  it("that cannot execute itself names the way it tried", function()
    local copy = os.tmpname()
    local out = helpers.run(("cp %s %s; chmod +x %s; %s -e %s; rm %s"):format(helpers.quote(helpers.conrun), copy, copy,
      copy, helpers.quote(([[
        local conrun = require "conrun"
        os.execute "chmod -x %s"
        print(conrun.thread.start(math.abs, -1):result())
        print(pcall(conrun.process.start, print))
        print(pcall(conrun.shared.buffer, 10, { name = "spec" .. conrun.current().pid }))
      ]]):format(copy)), copy))
    assert.matches("^1\nfalse\t[^\n]*cannot start process 'Process%-1': cannot execute /proc/self/exe: ", out)
    assert.matches("\nfalse\t[^\n]*cannot open the shared buffer 'spec%d+': cannot execute /proc/self/exe: ", out)
  end)
end)
