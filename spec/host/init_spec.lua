-- SPDX-License-Identifier: MIT
--
-- conrun as the first process of a container: it ends at SIGTERM, reaps orphans, and ends
-- as the program ends.  The specs run without a container: a library makes it believe that
-- its process has the id 1, and lets orphans come to it.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

local FIRST = ('ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" LD_PRELOAD=%s'):format(
  helpers.quote(helpers.native .. "first.so"))

-- `first` is the process that stands for the one with the id 1.
local PARENT = 'local first = io.open("/proc/self/stat"):read "a":match "%) %a (%d+)" '

describe("the first process of a container", function()
  it("ends with the program's exit code", function()
    for code, source in pairs { [0] = "", [7] = "os.exit(7)", [1] = "error 'E'" } do
      local _, _, status = kinds.run(source, nil, FIRST)
      assert.are.equal(code, status)
    end
  end)

  it("ends as a shell tells it when a signal has ended the program", function()
    local out, _, status = kinds.run("print 'ran' io.popen('kill -KILL ' .. pid):close()", nil, FIRST)
    assert.are.equal("ran\n", out)
    assert.are.equal(-9, status)
  end)

  it("ends at SIGTERM, and all workers with it", function()
    local out, _, status = kinds.run(PARENT .. [[
      local w = conrun.process.start(function() require("conrun").event.new():wait() end)
      print(w.pid)
      os.execute("kill -TERM " .. first)
      conrun.event.new():wait()
    ]], nil, FIRST)
    assert.are.equal(-15, status)
    assert.is_true(kinds.eventually(function() return not kinds.process_alive(tonumber(out)) end))
  end)

  it("hands SIGINT on, once", function()
    local out, err, status = kinds.run(PARENT .. [[
      local ok, e = pcall(function()
        conrun.thread.start(function(pid) io.popen("kill -INT " .. pid):close() end, first)
        conrun.event.new():wait()
      end)
      print(ok, e)
      os.exit(3)
    ]], nil, FIRST)
    assert.matches("false\t.*interrupted!", out, err)
    assert.are.equal(3, status)
  end)

  it("reaps those who have lost their parents", function()
    local out, err = kinds.run(PARENT .. [[
      local p = io.popen "sh -c 'echo $$; exec sleep 0' & exit"   -- its parent is gone at once
      local orphan = p:read "n"
      p:close()
      repeat until not io.open("/proc/" .. orphan .. "/stat")
      print "reaped"
    ]], nil, FIRST)
    assert.are.equal("reaped\n", out, err)
  end)
end)
