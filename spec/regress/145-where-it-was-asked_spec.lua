-- SPDX-License-Identifier: MIT
--
-- An uncaught error of another strand said nothing about where it was asked for, one
-- that no strand raised (a timeout, a closed pool) nothing at all; and positions and
-- frames of conrun's own Lua parts, such as [conrun.pool]:173, stood in for the user's.

local helpers = require "spec.helpers"

local function run(code)
  local program = os.tmpname()
  local file <close> = assert(io.open(program, "w"))
  file:write('local conrun = require "conrun"\n', code)
  file:close()
  local output, complaints, status = helpers.run(helpers.quote(helpers.conrun) .. " " .. program)
  os.remove(program)
  return (complaints:gsub(program:gsub("%p", "%%%0"), "t.lua")), output, status
end

-- Runs code that fails, whose second line is where it asks.
local function where(code)
  local complaints, output, status = run(code)
  assert.are.equal("", output)
  assert.are.equal(1, status)
  assert.is_nil(complaints:find("[conrun", 1, true), complaints)
  assert.matches("\nstack traceback:\n.*t%.lua:2: in main chunk", complaints)
  return complaints
end

describe("an uncaught error", function()
  it("has the stack of main, also if no strand raised it", function()
    assert.matches("no result within the timeout\nstack traceback:\n\t%[C%]: in method 'result'\n",
      where "conrun.pool.threads(1):submit(conrun.sleep, 60):result(0)")
    where "local p = conrun.pool.threads(1) p:close() p:submit(print)"
    where "local p = conrun.pool.threads(1) p:close() p:map(print, { 1 })"
    where "local f = conrun.future.new() f:cancel() f:result()"
    where "conrun.pool.processes(1):apply(function() os.exit(3) end)"
    where "conrun.pool.new { workers = 1, memory_limit = 4 << 20 }:apply(string.rep, 'x', 1 << 30)"
    where "conrun.pool.threads(1):map(conrun.sleep, { 60 }, { timeout = 0 })"
    where "conrun.future.all { conrun.pool.threads(1):submit(error, 'x') }"
    where "for f in conrun.future.as_completed({ conrun.future.new() }, 0) do print(f) end"
    where "for i in conrun.pool.threads(1):imap(error, { 1 }) do print(i) end"
  end)

  it("has above the worker's stack that of main, and the stacks of all between", function()
    local complaints = where [[conrun.pool.threads(1):apply(function()
      return conrun.process.start({ name = "inner" }, function() error { code = 5 } end):result()
    end)]]:gsub("conrun: uncaught.-\n[^\t]*\n", "")
    complaints = complaints:match "([^\n]*code = 5 }\nstack traceback:\n.*)$"
    assert.matches("stack traceback:\n.-in method 'apply'.-stack traceback of 'pool%-1%-1':\n.-in method 'result'"
      .. ".-stack traceback of 'inner':\n.-in function 'error'", complaints)
  end)

  it("names the user's line where conrun's own Lua parts call", function()
    for _, code in ipairs { "conrun.pool.new { workers = 0 }", "conrun.pool.threads(1, { name = ('x'):rep(999) })",
      "conrun.future.new():set_error 'x' local f = conrun.future.new() f:set_error 'x' f:set_error 'y'",
      "conrun.pool.threads(1):map(print, setmetatable({}, { __len = function() return 'x' end, __index = {} }))",
      "conrun.pool.threads(2, { initializer = 5 })", "conrun.pool.threads(2, { initialiser = 5 })",
      "pcall(conrun.pool.new, { workers = 0 }) conrun.plot.bars({ 1 }, 5)" } do
      assert.matches("^[^\n]*: t%.lua:2: ", where(code))
    end
  end)

  it("names the function that the user has called", function()
    assert.matches("bad argument #2 to 'threads'", where "conrun.pool.threads(2, { unknown = 1 })")
    assert.matches("bad argument #2 to 'conrun.pool.threads'",
      where "local ok, e = pcall(conrun.pool.threads, 2, { unknown = 1 }) if not ok then error(e, 0) end")
  end)

  it("of a thread is told with its own stack and those behind it", function()
    local complaints = run [[
      local w = conrun.thread.start(function()
        local value = conrun.pool.threads(1):apply(function() error "deep" end)
        return value
      end)
      w:join()]]
    assert.is_nil(complaints:find("[conrun", 1, true), complaints)
    assert.matches("deep\nstack traceback:\n.-in method 'apply'.-stack traceback of 'pool%-1%-1':.-in function 'error'",
      complaints)
  end)
end)
