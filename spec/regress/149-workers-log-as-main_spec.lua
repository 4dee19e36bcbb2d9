-- SPDX-License-Identifier: MIT
--
-- Level and target of conrun.log that main had set did not hold in its workers, unlike
-- the handler of on_error: lines were lost, or on stderr and not in the file.  And an
-- error that main waits for in :result(), and catches, was told as uncaught as well.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

local function run(code)
  code = 'local conrun = require "conrun" ' .. code
  return helpers.run(helpers.quote(helpers.conrun) .. " -e " .. helpers.quote(code))
end

for _, kind in ipairs(kinds) do
  describe("what main has set (" .. kind .. ")", function()
    it("is the level and the file of its workers, and of theirs", function()
      local path = os.tmpname()
      local _, complaints = run(([[
        local log, kind = conrun.log, %q
        log.level "debug" log.to %q
        conrun[kind].start(function()
          log.debug "one"
          conrun[kind].start(function() log.debug "two" end):join()
        end):join()
        local pool <close> = conrun.pool.new { workers = 1, kind = kind }
        pool:apply(function() log.debug "three" log.level "off" log.error "four" end)
        log.debug "five"
      ]]):format(kind, path))
      assert.are.equal("", complaints)
      local words = {}
      for word in helpers.slurp(path):gmatch "(%a+)\n" do
        words[#words + 1] = word
      end
      os.remove(path)
      assert.are.same({ "one", "two", "three", "five" }, words)
    end)

    it("is a function that gets the lines of its workers, if it can be sent", function()
      local output, complaints = run(([[
        local log, kind, q = conrun.log, %q, conrun.queue.new()
        log.to(function(line) q:put(line:match "%%[.*") end)
        conrun[kind].start({ name = "w" }, function() log.info "heard" end):join()
        print(q:get())
        local co = coroutine.create(print)
        log.to(function(line) if co then error "here" end end)
        conrun[kind].start({ name = "w" }, function() log.info "on stderr" end):join()
      ]]):format(kind))
      assert.are.equal("[w] heard\n", output)
      assert.matches("%[w%] on stderr\n$", complaints)
    end)

    it("is asked for nothing where no files are", function()
      local _, complaints = run(([[
        conrun.log.to "/dev/null"
        local log = conrun.log
        conrun.%s.start({ name = "w", libs = {} }, function() log.warn "on stderr" end):join()
      ]]):format(kind))
      assert.matches("%[w%] on stderr\n$", complaints)
    end)
  end)

  describe("an error of a worker (" .. kind .. ")", function()
    local late = [[
      local go = conrun.event.new()
      local w = conrun.%s.start({ name = "w" }, function() go:wait() error "late" end)
      local function asked(timeout) return select(2, pcall(w.result, w, timeout)).kind end
      %s]]

    it("that somebody waits for is not uncaught", function()
      local output, complaints = run(late:format(kind, [[
        local started = conrun.future.new()
        started:on_done(function() go:set() end) -- called when main waits
        conrun.thread.start(function() started:set_result(true) end)
        print(asked())
      ]]))
      assert.are.equal("task\n", output)
      assert.are.equal("", complaints)
    end)

    it("is, if who asked has not waited for it", function()
      local output, complaints = run(late:format(kind, "print(asked(0)) go:set() w:join()"))
      assert.are.equal("timeout\n", output)
      assert.matches("^conrun: uncaught error in %a+ 'w': .*late\nstack traceback:", complaints)
    end)

    it("goes to on_error all the same", function()
      local output, complaints = run("conrun.on_error(function(e, name) print(name, e.kind) end) "
        .. late:format(kind, "go:set() asked() w:join()"))
      assert.are.equal("w\ttask\n", output)
      assert.are.equal("", complaints)
    end)
  end)
end
