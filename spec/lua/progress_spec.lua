-- SPDX-License-Identifier: MIT
-- conrun.progress: what stands on a terminal at the end, and what a log file gets.

local conrun = require "conrun"
local helpers = require "spec.helpers"
local terminal = require "spec.lua.terminal"

-- What a program without a terminal writes.
local function run(code)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write('local conrun = require "conrun"\n', code)
  file:close()
  local out, err, status = helpers.run(helpers.quote(helpers.conrun) .. " " .. path)
  os.remove(path)
  return out, err, status
end

local function on_terminal(code, environment)
  return terminal.run('local conrun = require "conrun"\n' .. code, environment)
end

-- Lines of the screen that are not empty; times are left out, and of a meter only
-- what it is drawn with is kept.
local function shown(lines)
  local list = {}
  for _, line in ipairs(lines) do
    line = line:gsub("%[[^%]]*%]", "[]"):gsub("█", "="):gsub("#+|", "#|"):gsub("=+|", "=|"):gsub("|%s+|", "||")
    list[#list + 1] = line:find "%S" and line:gsub("%s+$", "") or nil
  end
  return list
end

describe("progress off a terminal", function()
  it("is one plain line at its end", function()
    local out, err = run [[
      local bar = conrun.progress.new { total = 4, label = "files" }
      for _ = 1, 4 do bar:update() end
      bar:close()
      bar:close()
      print(bar)
    ]]
    assert.are.equal("progress 'files' (4/4, closed)\n", out)
    assert.matches("^files: 4/4 %(100%%%) %[00:00, [%d.]+ it/s%]\n$", err)
  end)

  it("tells more often if asked to", function()
    local _, err = run [[
      local bar <close> = conrun.progress.new { every = 0, unit = "B" }
      while bar.done < 3 do
        conrun.sleep(0.11)
        bar:update()
      end
    ]]
    assert.matches("^1 B %[[^\n]*\n2 B %[[^\n]*\n3 B %[[^\n]*\n3 B %[[^\n]*\n$", err)
  end)

  it("knows nothing to do, one thing, more than the total and fractions", function()
    local _, err = run [[
      conrun.progress.new(0):close()
      for total, done in pairs { [1] = 1 } do
        local bar <close> = conrun.progress.new(total)
        bar:set(done)
      end
      local more <close> = conrun.progress.new(2)
      more:update(5)
      more:close()
      local part <close> = conrun.progress.new(10)
      part:set(2.5)
    ]]
    assert.matches("^0/0 %(100%%%)[^\n]*\n1/1 %(100%%%)[^\n]*\n5 it [^\n]*\n2%.5/10 %(25%%%)[^\n]*\n$", err)
  end)

  it("is a plain line on a terminal that cannot move its cursor", function()
    local lines = on_terminal("conrun.progress.new(3):close()", "LC_ALL=C.UTF-8 TERM=dumb")
    assert.are.same({ "0/3 (0%) []" }, shown(lines))
  end)
end)

describe("progress on a terminal", function()
  it("leaves its last state, in the characters that the locale has", function()
    local code = [[
      local bar <close> = conrun.progress.new { total = 3, label = "files" }
      for _ = 1, 3 do bar:update() end
    ]]
    assert.are.same({ "files: 100%|=| 3/3 []" }, shown(on_terminal(code)))
    assert.are.same({ "files: 100%|#| 3/3 []" }, shown(on_terminal(code, "LC_ALL=C TERM=xterm")))
    assert.are.same({ "files: 100%|=| 3/3 []" }, shown(on_terminal(code, "LC_ALL=C.UTF-8 TERM=xterm NO_COLOR=1")))
  end)

  it("is drawn at most ten times a second", function()
    local code = [[
      local started = conrun.clock()
      local bar <close> = conrun.progress.new(200000)
      for _ = 1, 200000 do bar:update() end
      print(("seconds %.3f"):format(conrun.clock() - started))
    ]]
    local lines, bytes = on_terminal(code)
    local seconds = tonumber(table.concat(lines, "\n"):match "seconds ([%d.]+)")
    local _, drawn = bytes:gsub("it/s%]", "")
    -- Once at first, once below the printed line, and once at its end.
    assert.is_true(drawn <= 3 + seconds / 0.1, drawn .. " times in " .. seconds)
  end)

  it("stays below what any strand prints, and what they log", function()
    local lines = on_terminal [[
      local function job(n)
        print(("line %02d "):format(n) .. ("x"):rep(60))
        require("conrun.log").warn("note %02d", n)
        return n
      end
      for _, kind in ipairs { "thread", "process" } do
        local pool <close> = conrun.pool.new { workers = 2, kind = kind }
        pool:map(job, conrun.range(1, 20), { progress = kind, chunksize = 1 })
      end
    ]]
    local count = { line = 0, note = 0 }
    for i, line in ipairs(lines) do
      local word = line:match "^line %d%d x+$" and "line"
        or line:match "^[%d:.]+ warn  %[[^%]]+%] note %d%d$" and "note"
      local bar = line:match "^(%l+): 100%%|[█]+| 20/20 %[[^%]]*%]$"
      assert.is_truthy(word or bar or i == #lines and line == "", line)
      count[word or bar or ""] = (count[word or bar or ""] or 0) + 1
    end
    assert.are.same({ line = 40, note = 40, thread = 1, process = 1, [""] = count[""] }, count)
  end)

  it("stands in rows of its own, inner ones going when they are done", function()
    local lines, bytes = on_terminal [[
      local outer <close> = conrun.progress.new { total = 2, label = "outer" }
      for i = 1, 2 do
        local inner <close> = conrun.progress.new { total = 1, label = "inner" .. i }
        inner:update()
        inner:close()
        outer:update()
      end
    ]]
    assert.are.same({ "outer: 100%|=| 2/2 []" }, shown(lines))
    assert.is_truthy(bytes:find("outer: [^\n]*\r\ninner1: "))
  end)

  it("does without a row when all are taken", function()
    local lines = on_terminal [[
      local bars = {}
      for i = 1, 12 do
        bars[i] = conrun.progress.new { total = 1, label = "bar" .. i, leave = true }
      end
      print "many"
      for i = 12, 1, -1 do bars[i]:close() end
    ]]
    local list = shown(lines)
    assert.are.equal("many", list[1])
    assert.are.equal(9, #list)
    for i = 1, 8 do
      assert.are.equal(("bar%d:   0%%|| 0/1 []"):format(9 - i), list[i + 1])
    end
  end)

  it("is left by an error with the message below it", function()
    local list = shown(on_terminal [[
      local bar = conrun.progress.new { total = 2, label = "files" }
      error("no more", 0)
    ]])
    assert.are.equal("files:   0%|| 0/2 []", list[1])
    assert.matches(": no more$", list[2])
  end)

  it("is left above the report of a deadlock", function()
    local lines, bytes = on_terminal [[
      local outer <close> = conrun.progress.new { total = 2, label = "outer" }
      local inner <close> = conrun.progress.new { total = 2, label = "inner" }
      print(pcall(function() conrun.event.new():wait() end))
    ]]
    local list = shown(lines)
    assert.matches("^outer: ", list[1])
    assert.matches("^inner: ", list[2])
    assert.matches("^conrun: deadlock: main", list[3])
    assert.matches("^  strand 'main' waits for", list[4])
    assert.is_truthy(bytes:find("false\t[^\n]*: deadlock: [^\n]*\r\n"))
    assert.are.equal("outer:   0%|| 0/2 []", list[#list])
  end)

  it("of a worker that was killed goes at the next line", function()
    local list = shown(on_terminal [[
      local ready = conrun.event.new()
      local worker = conrun.process.start(function()
        local bar = require("conrun.progress").new { total = 2, label = "gone" }
        ready:set()
        require("conrun").sleep(600)
      end)
      ready:wait()
      worker:kill()
      worker:join()
      print "after"
    ]])
    assert.are.same({ "after" }, list)
  end)

  it("fits into one row, whatever is in its label", function()
    for _, label in ipairs { ("long "):rep(60), "日本語", "two\\nlines", "e\u{301}a\u{308}" } do
      local _, bytes = on_terminal(('local b <close> = conrun.progress.new { total = 3, label = "%s", leave = false }')
        :format(label))
      assert.is_nil(bytes:find "\n")
    end
  end)
end)

describe("progress.each", function()
  it("gives what a list, a range, a shared list and an iterator have", function()
    local out, err = run [[
      for i, x in conrun.progress.each({ "a", "b" }, "list") do io.write(i, x, " ") end
      for i, x in conrun.progress.each(conrun.range(5, 6), "range") do io.write(i, x, " ") end
      for i, x in conrun.progress.each(conrun.shared.list { 7 }, "shared") do io.write(i, x, " ") end
      for word in conrun.progress.each(("x y z"):gmatch "%a", "iterator") do io.write(word, " ") end
      for _ in conrun.progress.each({}, "empty") do io.write "never" end
    ]]
    assert.are.equal("1a 2b 15 26 17 x y z ", out)
    assert.matches("^list: 2/2 [^\n]*\nrange: 2/2 [^\n]*\nshared: 1/1 [^\n]*\niterator: 3 it [^\n]*\n"
      .. "empty: 0/0 [^\n]*\n$", err)
  end)

  it("closes its bar when the loop is left", function()
    local out, err = run [[
      for i in conrun.progress.each({ 1, 2, 3 }, "left") do if i == 2 then break end end
      print(pcall(function() for _ in conrun.progress.each({ 1 }, "error") do error("no", 0) end end))
    ]]
    assert.are.equal("false\tno\n", out)
    assert.matches("^left: 1/3 [^\n]*\nerror: 0/1 [^\n]*\n$", err)
  end)
end)

describe("progress", function()
  local function message(...)
    return (select(2, pcall(...)):gsub("^[^:]*:%d+: ", ""))
  end

  it("refuses wrong arguments", function()
    assert.are.equal("bad argument #1 to 'new' (unknown option 'totl' (did you mean 'total'?))",
      message(conrun.progress.new, { totl = 1 }))
    assert.are.equal("bad option 'total' (number, not negative, expected, got -1)", message(conrun.progress.new, -1))
    assert.matches("bad option 'total'", message(conrun.progress.new, 0 / 0))
    assert.matches("bad option 'label' %(string expected, got 1%)", message(conrun.progress.new, { label = 1 }))
    assert.matches("bad argument #1 to 'conrun%.progress%.each'", message(conrun.progress.each, 7))
    local bar = conrun.progress.new()
    assert.matches("finite number expected, got string", message(bar.update, bar, "x"))
    assert.matches("finite number", message(bar.set, bar, 0 / 0))
    assert.matches("string expected, got 7", message(bar.label, bar, 7))
  end)

  it("refuses work after its end, and to be sent", function()
    local _, err = run [[
      local bar = conrun.progress.new()
      io.stderr:write(select(2, pcall(conrun.thread.start, print, bar)), "\n")
      bar:close()
      io.stderr:write(select(2, pcall(bar.update, bar)), "\n")
    ]]
    assert.matches("cannot send a progress bar", err)
    assert.matches("bad call of 'update' %(the progress bar is closed%)", err)
  end)
end)
