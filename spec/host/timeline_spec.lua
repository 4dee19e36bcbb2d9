-- SPDX-License-Identifier: MIT
--
-- --trace: the file tells what the strands did, however the program ended, and a strict
-- reader finds nothing wrong with it.

local helpers = require "spec.helpers"
local reader = require "spec.host.trace_reader"

local quote = helpers.quote
local room, binary

--- Runs a script under --trace.
---@return table err, code, out; the events, the tracks by name and the other data if there is a file
local function traced(script, options, file)
  local path = room .. "/" .. (file or "run.json")
  do
    local f <close> = assert(io.open(room .. "/script.lua", "w"))
    f:write(script)
  end
  os.remove(path)
  local out, err, code =
    helpers.run(("cd %s && %s --trace=%s %s script.lua"):format(room, binary, quote(path), options or ""))
  local r = { out = out, err = err, code = code }
  local f = io.open(path)
  r.text = f and f:read "a"
  if f then f:close() end
  if r.text and path:find "%.json$" and r.text ~= "" then
    r.events, r.tracks, r.data = reader.read(r.text)
  end
  return r
end

setup(function()
  local pipe <close> = assert(io.popen "mktemp -d")
  room = pipe:read "l"
  binary = helpers.conrun:sub(1, 1) == "/" and quote(helpers.conrun) or quote(helpers.absolute(helpers.conrun))
end)

teardown(function() os.execute("rm -rf " .. quote(room)) end)

it("has tasks, waits, holds, flows and levels of threads and processes", function()
  local r = traced [[
    local conrun = require "conrun"
    local function square(x) return x * x end
    local lock, q = conrun.lock.new(), conrun.queue.new()
    for _, kind in ipairs { "threads", "processes" } do
      local pool <close> = conrun.pool[kind](2, { name = kind })
      assert(pool:map(square, conrun.range(64))[64] == 4096)
      print(pool:submit(function() error "no" end):error().kind)
      for i = 1, 2 do
        pool:submit(function() local g <close> = lock:hold() q:put(i) end)
      end
      assert(q:get() + q:get() == 3)
    end
  ]]
  assert.same({ "task\ntask\n", "", 0 }, { r.out, r.err, r.code })
  for _, pool in ipairs { "threads", "processes" } do
    local names, elements = {}, 0
    for _, e in ipairs(reader.find(r.events, { cat = "task", ph = "X" })) do
      if e.args.pool == pool then
        names[e.name .. " " .. e.args.result] = true
        if e.name == "square" then elements = elements + (e.args.elements or 1) end
        assert.is_true(e.args["bytes of result"] >= 0)
      end
    end
    assert.equal(64, elements)
    assert.is_true(names["square ok"] and names["script.lua:7 error"] and names["script.lua:9 ok"], pool)
    assert.truthy(#reader.find(r.events, { ph = "C", name = pool .. ": busy" }) >= 2)
  end
  local main, worker = r.tracks.main, r.tracks["processes-1"]
  assert.are_not.equal(main.pid, worker.pid)
  assert.equal(4, #reader.find(r.events, { ph = "s", cat = "item" }))
  assert.is_true(#reader.find(r.events, { ph = "f", cat = "result", pid = main.pid, tid = main.tid }) >= 4)
  assert.is_true(#reader.find(r.events, { ph = "s", cat = "task", pid = main.pid, tid = main.tid }) >= 8)
  assert.is_true(#reader.find(r.events, { ph = "C", name = "shared memory" }) >= 8)
  local holds = {}
  for _, e in ipairs(reader.find(r.events, { ph = "b", cat = "lock" })) do
    holds[e.args["taken at"] or 0] = (holds[e.args["taken at"] or 0] or 0) + 1
  end
  assert.equal(4, holds["script.lua:9"])
end)

it("says for what a strand waits, where, and who holds the lock", function()
  local r = traced [[
    local conrun = require "conrun"
    local lock = conrun.lock.new()
    lock:acquire()
    print(conrun.thread.start({ name = "other" }, function()
      return lock:acquire(0.001) -- waits in vain
    end):result())
  ]]
  assert.same({ "false\ttimeout\n", "", 0 }, { r.out, r.err, r.code })
  local waits = {}
  for _, e in ipairs(reader.find(r.events, { ph = "X", cat = "wait", tid = r.tracks.other.tid })) do
    if e.name:find "^acquire lock" then waits[#waits + 1] = e.args end
  end
  assert.same({ { at = "script.lua:5", ["held by"] = "main" } }, waits)
end)

it("has marks, spans and counters of the program, of any bytes", function()
  local r = traced [[
    local trace = require "conrun.trace"
    do
      local outer <close> = trace.span "outer \"1\"\n"
      local inner <close> = trace.span(("x"):rep(300))
      trace.mark "caf\xc3\xa9 \xff <b>"
      trace.counter("left", 2.5)
      trace.counter("left", 0/0 ~= 0/0 and 7 or 0)
    end
    local a, b = trace.span "a", trace.span "b"
    getmetatable(a).__close(a) -- in the wrong order
    getmetatable(b).__close(b)
    print(a, b)
  ]]
  assert.same({ "span (closed)\tspan (closed)\n", "", 0 }, { r.out, r.err, r.code })
  local outer = reader.find(r.events, { ph = "X", name = 'outer "1"\n' })[1]
  local inner = reader.find(r.events, { ph = "X", name = ("x"):rep(256) })[1]
  assert.is_true(outer.from <= inner.from and inner.to <= outer.to)
  assert.equal(1, #reader.find(r.events, { ph = "i", name = "caf\xc3\xa9 \u{FFFD} <b>" }))
  assert.equal(2.5, reader.find(r.events, { ph = "C", name = "left" })[1].args.value)
  assert.equal(1, #reader.find(r.events, { ph = "b", name = "a" }) + #reader.find(r.events, { ph = "X", name = "a" }))
end)

it("is written after an error, a deadlock, os.exit and Ctrl-C, with what was in the middle", function()
  local ends = {
    { 'error "over"', 1 },
    { 'local l = require "conrun".lock.new() l:acquire() l:acquire()', 1 },
    { "os.exit(7)", 7 },
    { "os.exit(8, true)", 8 },
    { 'require "conrun".process.start(function() os.exit(1) end):join() io.popen("kill -INT $PPID"):close() '
      .. 'require "conrun".sleep(60)', 130 },
  }
  for _, case in ipairs(ends) do
    local r = traced('local open <close> = require "conrun.trace".span "whole"\n' .. case[1])
    assert.equal(case[2], r.code, case[1] .. r.err)
    local whole = reader.find(r.events, { ph = "X", name = "whole" })
    assert.equal(1, #whole, case[1])
  end
end)

it("keeps the last words of a worker that was killed", function()
  local r = traced [[
    local conrun = require "conrun"
    local ready = conrun.event.new()
    local w = conrun.process.start({ name = "victim" }, function()
      local doomed <close> = conrun.trace.span "doomed"
      ready:set()
      conrun.sleep(60)
    end)
    ready:wait()
    w:kill()
    w:join()
  ]]
  assert.equal(0, r.code)
  local victim = r.tracks.victim
  local doomed = reader.find(r.events, { ph = "X", name = "doomed" })[1]
  assert.same({ victim.pid, true }, { doomed.pid, doomed.args.unfinished })
  assert.equal(victim.pid, reader.find(r.events, { ph = "i", name = "killed by signal 9" })[1].pid)
end)

it("has every try of a task whose workers die", function()
  local r = traced [[
    local pool <close> = require "conrun".pool.processes(1, { retries = 1 })
    print(pool:submit(function() os.exit(3) end):error().kind)
  ]]
  assert.same({ "worker_died\n", 0 }, { r.out, r.code })
  local tries = reader.find(r.events, { ph = "X", cat = "task", name = "script.lua:2" })
  assert.same({ 2, true, true }, { #tries, tries[1].args.unfinished, tries[2].args.unfinished })
end)

it("keeps the end of a run that is too long, and says so", function()
  local r = traced([[
    local trace = require "conrun.trace"
    local long = ("x"):rep(256)
    for i = 1, 5000 do trace.mark(long) end
    require "conrun".thread.start({ name = "late" }, function() trace.mark "late" end):join()
    trace.mark "the end"
  ]], "--trace-size=1M")
  assert.equal(0, r.code)
  assert.is_true(r.data["events written over"] > 1000)
  assert.equal(0, r.data["events lost"])
  assert.equal(1, #reader.find(r.events, { ph = "i", name = "the end" }))
  assert.equal(1, #reader.find(r.events, { ph = "i", name = "late", tid = r.tracks.late.tid }))
end)

it("is packed if its name says so", function()
  local r = traced("print 'hi'", nil, "run.json.gz")
  assert.same({ "hi\n", "", 0 }, { r.out, r.err, r.code })
  local events = reader.read((helpers.run("gzip -dc " .. room .. "/run.json.gz")))
  assert.is_true(#events > 0)
end)

it("is a page by itself if its name says so", function()
  local r = traced([[
    local conrun = require "conrun"
    local pool <close> = conrun.pool.threads(2, { name = "p" })
    local span <close> = conrun.trace.span "</script><script>alert(1)"
    pool:map(function(x) return x end, conrun.range(16), { chunksize = 4 })
  ]], nil, "run.html")
  assert.same({ "", "", 0 }, { r.out, r.err, r.code })
  assert.is_nil(r.text:find "https?://", "it asks for nothing from elsewhere")
  assert.is_nil(r.text:find("<script>alert", 1, true))
  local data = reader.parse(r.text:match '<script id="data" type="application/json">(.-)</script>')
  local tasks = 0
  for _, s in ipairs(data.slices) do
    assert.truthy(data.strands[s[1] + 1] and data.names[s[5] + 1])
    if s[4] == 0 then
      tasks = tasks + 1
      assert.same({ "p", "ok", 4 }, { s[6].pool, s[6].result, s[6].elements })
    end
  end
  assert.equal(4, tasks)
  local flows = {}
  for _, f in ipairs(data.flows) do
    flows[f[1]] = (flows[f[1]] or 0) + 1
  end
  assert.same({ [0] = 8, [1] = 8 }, flows)
end)

it("refuses what it cannot write with one line, before the program runs", function()
  local function refused(options)
    local out, err, code = helpers.run(("cd %s && %s %s -e 'print(1)'"):format(room, binary, options))
    assert.same({ "", 1 }, { out, code })
    return (err:gsub("^[^:]*: ", ""))
  end
  assert.equal("bad value 'run.txt' of option '--trace' (a file that ends in .json, .json.gz or .html expected)\n",
    refused "--trace=run.txt")
  assert.equal("bad value '.json' of option '--trace' (a file that ends in .json, .json.gz or .html expected)\n",
    refused "--trace=.json")
  assert.equal("cannot write the trace 'no/run.json': No such file or directory\n", refused "--trace=no/run.json")
  assert.matches("bad value '1K' of option '%-%-trace%-size'", refused "--trace-size=1K")
  assert.matches("bad value '1T' of option '%-%-trace%-size'", refused "--trace-size=1T")
  assert.equal("--trace and --schedule exclude each other: a run under a schedule has no time of its own\n",
    refused "--trace=run.json --schedule=seed:1")
  assert.matches("^%-%-trace and %-%-explore exclude each other", refused "--trace=run.json --explore")
  local _, err, code = helpers.run(("CONRUN_OPTIONS=--trace=a.json %s -e ''"):format(binary))
  assert.equal(1, code)
  assert.matches("option '%-%-trace' belongs on the command line\n$", err)
  _, err, code = helpers.run(("ln -sf /dev/full %s/full.json; %s --trace=%s/full.json -e 'print(1)'"):format(room,
    binary, room))
  assert.equal(1, code)
  assert.matches("cannot write the trace '[^']*': No space left on device\n$", err)
end)

it("makes no difference where nothing is traced", function()
  local out, err, code = helpers.run(binary .. [[ -e '
    local trace = require "conrun".trace
    local a <close>, b = trace.span "a", trace.span "b"
    trace.mark "m" trace.counter("c", 1)
    print(a == b, a, pcall(trace.mark, {}))']])
  assert.same({ "", 0 }, { err, code })
  assert.matches("^true\tspan %(closed%)\tfalse\tbad argument #1 to 'conrun.trace.mark'", out)
end)
