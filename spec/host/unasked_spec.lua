-- SPDX-License-Identifier: MIT
--
-- A failure that nobody asked about is told of at the end of the program, once.

local helpers = require "spec.helpers"

local function run(code, options)
  local out, err, status = helpers.run(("%s --audit %s -e %s"):format(helpers.quote(helpers.conrun), options or "",
    helpers.quote("local conrun = require 'conrun' local pool <close> = conrun.pool.threads(2) " .. code)))
  local told, rest = err:match "^[^\n]*: (%d+ tasks? failed, and nobody asked; [^\n]*)\n(.*)$"
  return told, rest or err, out, status
end

local function told_by(code)
  return (run(code))
end

local fail = "local function fail(n) error('failed ' .. n, 0) end "

describe("a failure that nobody asked about", function()
  it("is told of in one line, with the first of them", function()
    local told, rest, _, status = run(fail .. "for i = 1, 3 do pool:submit(fail, i) end")
    assert.matches("^3 tasks failed, and nobody asked; the first: failed %d %(%-%-unasked=off hides this line%)$", told)
    assert.matches("audit: clean", rest)
    assert.are.equal(0, status)
  end)

  it("is told of when its handle was collected long ago, or kept to the end", function()
    assert.matches("^1 task failed", told_by(fail .. [[
      do pool:submit(fail, 1) end
      pool:shutdown()
      collectgarbage() collectgarbage()]]))
    assert.matches("^1 task failed", told_by(fail .. "KEPT = pool:submit(fail, 1)"))
  end)

  it("is told of with the first line of a message of several", function()
    assert.matches("the first: one %(", told_by "pool:submit(error, 'one\\ntwo', 0)")
  end)

  it("is told of when a process had it", function()
    assert.matches("^1 task failed", told_by(fail .. [[
      conrun.process.start(function(fail)
        local mine <close> = conrun.pool.threads(1)
        mine:submit(fail, 1)
      end, fail):join()]]))
  end)

  it("is told of when a bare future was settled with it", function()
    assert.matches("the first: no luck", told_by "conrun.future.new():set_error 'no luck'")
  end)

  for what, code in pairs {
    ["result was asked"] = "pcall(function() pool:submit(fail, 1):result() end)",
    ["error was asked"] = "pool:submit(fail, 1):error()",
    ["its state was asked"] = "local f = pool:submit(fail, 1) while f.state ~= 'failed' do conrun.sleep(0) end",
    ["a callback is set"] = "pool:submit(fail, 1):on_done(function() end)",
    ["it was waited for"] = "conrun.future.wait { pool:submit(fail, 1) }",
    ["its pool was terminated"] = [[
      local began, never = conrun.event.new(), conrun.event.new()
      pool:submit(function() began:set() never:wait() end)
      began:wait()
      pool:terminate()]],
    ["a process of its pool was terminated"] = [[
      local began, never, other = conrun.event.new(), conrun.event.new(), conrun.pool.processes(1)
      other:submit(function() began:set() never:wait() end)
      began:wait()
      other:terminate()]],
    ["the program ended"] = [[
      local began, never, other = conrun.event.new(), conrun.event.new(), conrun.pool.threads(1)
      other:submit(function() began:set() never:wait() end)
      began:wait()
      os.exit(0, true)]],
    ["it was iterated over"] = "for _ in conrun.future.as_completed { pool:submit(fail, 1) } do end",
    ["it was selected"] = "conrun.select { pool:submit(fail, 1) }",
    ["map raises it"] = "pcall(pool.map, pool, fail, { 1, 2, 3 }, { chunksize = 1 })",
    ["map collects it"] = "pool:map(fail, { 1, 2 }, { collect_errors = true })",
    ["it was cancelled"] = "local f = pool:submit(conrun.sleep, 3600) f:cancel { running = true }",
    ["on_error is set"] = "conrun.on_error(function() end) pool:submit(fail, 1)",
  } do
    it("is not told of where " .. what, function()
      local told, rest = run(fail .. code)
      assert.is_nil(told)
      assert.matches("audit: clean", rest)
    end)
  end

  it("is not told of with --unasked=off", function()
    assert.is_nil(run(fail .. "pool:submit(fail, 1)", "--unasked=off"))
  end)

  it("of a map_async is told of, too", function()
    local code = "local f = pool:map_async(fail, { 1 }) pool:shutdown() conrun.sleep(0)"
    assert.matches("^1 task failed", told_by(fail .. code))
  end)
end)
