-- SPDX-License-Identifier: MIT
--
-- A mapping was recognised by its metatable alone, and a table that had been given that
-- crashed the program when it was collected.

local helpers = require "spec.helpers"

-- Every type of conrun is in the registry under its name; each of its functions is called with
-- a table that has its metatable, and the collector calls its finalizer so.
local PROGRAM = [[
  local conrun = require "conrun"
  local names = "lock condition semaphore event barrier queue pipe future pool worker view net trace"
  for name in names:gmatch "%a+" do pcall(require, "conrun.core." .. name) end
  local buffer, array = conrun.shared.buffer(8), conrun.shared.array("i64", 1)
  local list, dict, value = conrun.shared.list(), conrun.shared.dict(), conrun.shared.value("i64", 1)
  local selector, span = conrun.select.new {}, conrun.trace.span "x"
  for i, v in conrun.pool.threads(1):imap(math.abs, { 1 }) do assert(i == 1 and v == 1) end
  local types, called = 0, 0
  for name, meta in pairs(debug.getregistry()) do
    if type(name) == "string" and name:find "^conrun" and type(meta) == "table" then
      types = types + 1
      local functions = {}
      for key, f in pairs(meta) do
        functions[key] = f
      end
      for key, f in pairs(type(meta.__index) == "table" and meta.__index or {}) do
        functions[key] = f
      end
      local impostor = setmetatable({}, meta)
      for _, f in pairs(functions) do
        if type(f) == "function" and f ~= rawget(functions, "__name") then
          called = called + 1
          pcall(f, impostor, impostor)
        end
      end
      impostor = nil
      collectgarbage()
    end
  end
  print(types > 10, called > 50)
]]

describe("a table that has the metatable of one of conrun's types", function()
  it("is refused by its functions, and is collected like any other", function()
    local script = os.tmpname()
    local file <close> = assert(io.open(script, "w"))
    file:write(PROGRAM)
    file:close()
    local out, complaints, code = helpers.run(("%s %s"):format(helpers.quote(helpers.conrun), script))
    os.remove(script)
    assert.are.equal("", (complaints:gsub("[^\n]*error in __gc[^\n]*\n", "")))
    assert.are.equal("true\ttrue\n", out)
    assert.are.equal(0, code)
  end)
end)
