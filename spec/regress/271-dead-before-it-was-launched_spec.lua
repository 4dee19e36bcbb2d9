-- SPDX-License-Identifier: MIT
--
-- A process that died as soon as it was born could be buried before its starter went on, who
-- then said that it could have the baton of a controlled run: from then on the baton went to
-- nobody, again and again, and the program hung.  And while a process that died without the
-- baton was buried, its record could be another strand's already, which then never got the
-- baton, or was taken for main (seen about once in five hundred deaths).

local helpers = require "spec.helpers"

local at_birth = [[
  local conrun = require "conrun"
  for _ = 1, 40 do
    local w = conrun.process.start(function() end)
    conrun.sleep(0.001)
    assert(w:join(1))
    assert(w.exitcode == -9)
  end
  print "done"
]]

local while_others_begin = [[
  local conrun = require "conrun"
  for _ = 1, 150 do
    local w = conrun.process.start({ daemon = true }, function() conrun.queue():get() end)
    conrun.sleep(0.001)
    os.execute("kill -9 " .. w.pid)
    local threads = {}
    for i = 1, 40 do threads[i] = conrun.thread.start(function() end) end
    for i = 1, 40 do threads[i]:join() end
  end
  print "done"
]]

local function run(environment, program)
  local script = os.tmpname()
  local file <close> = assert(io.open(script, "w"))
  file:write(program)
  file:close()
  local out, err, code =
    helpers.run(("%s timeout 30 %s --schedule=1-0- %s"):format(environment, helpers.conrun, script))
  os.remove(script)
  return { out, err, code }
end

describe("a process of a controlled run that dies", function()
  it("at its birth gets no baton", function()
    assert.same({ "done\n", "", 0 }, run("CONRUN_FAULT='birth:die:*,resume:delay:*'", at_birth))
  end)

  it("takes no baton from who has its record next", function()
    assert.same({ "done\n", "", 0 }, run("", while_others_begin))
  end)
end)
