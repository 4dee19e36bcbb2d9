-- SPDX-License-Identifier: MIT
--
-- Shared state as in Python's threads: a task that counts in a global or an upvalue
-- counts in the worker's copy, and not even -W said so.  Warnings of workers were off,
-- whatever main had.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

local function run(options, code)
  local program = os.tmpname()
  local file <close> = assert(io.open(program, "w"))
  file:write('local conrun, kind = require "conrun", (...)\n', code)
  file:close()
  local output, complaints = helpers.run(helpers.quote(helpers.conrun) .. " " .. options:format(program))
  os.remove(program)
  return (complaints:gsub(program:gsub("%p", "%%%0"), "t.lua")), output
end

local function warnings(kind, code)
  local complaints, output = run("-W %s " .. kind, code)
  assert.are.equal("", output)
  local lines = helpers.lines(complaints)
  table.sort(lines)
  return lines
end

local counting = [[
counter, seen = 0, {}
local hits = 0
local function note() hits = hits + 1 end
function count(x)
  counter = counter + 1
  seen[#seen + 1] = x
  fresh = x
  note()
  return x
end
]]

for _, kind in ipairs(kinds) do
  describe("what a task assigns that came from outside (" .. kind .. ")", function()
    it("is warned of once for each place, when warnings are on", function()
      local lines = warnings(kind, counting .. [[
        local pool = conrun.pool.new { workers = 2, kind = kind }
        pool:map(count, { 1, 2, 3, 4 }, { chunksize = 1 })
        conrun[kind].start(count, 1):join()
        conrun[kind].start(function() for i = 1, 10 do hits = i end end):join()
        pool:shutdown()
      ]])
      assert.are.equal(3, #lines)
      assert.matches("^Lua warning: t%.lua:15: .*upvalue 'hits'.* copy only .*conrun%.shared%.value", lines[1])
      assert.matches("^Lua warning: t%.lua:4: .*upvalue 'hits'", lines[2])
      assert.matches("^Lua warning: t%.lua:6: .*global 'counter'", lines[3])
    end)

    it("is not warned of when nothing was assigned, nor what is the task's own", function()
      assert.are.same({}, warnings(kind, counting .. [[
        local pool = conrun.pool.new { workers = 1, kind = kind }
        local function look(x) if x > 5 then counter = x end local mine = 0 mine = mine + x return seen, hits, mine end
        pool:apply(look, 1)
        pool:apply(function() made = 1 made = 2 end)
        local made = pool:apply(function() local n = 0 return function() n = n + 1 return n end end)
        made() made()
        pool:shutdown()
      ]]))
    end)

    it("is not warned of when warnings are off, and they can be switched on", function()
      local code = counting .. "%s conrun[kind].start(count, 1):join()"
      assert.are.equal("", (run("%s " .. kind, code:format "")))
      assert.matches("'counter'", (run("%s " .. kind, code:format "warn '@on'")))
      assert.are.equal("", (run("-W %s " .. kind, code:format "warn '@off'")))
    end)
  end)

  describe("warnings (" .. kind .. ")", function()
    it("are on in workers when they are in main", function()
      local lines = warnings(kind, [[
        conrun[kind].start(function()
          warn("one ", "line")
          setmetatable({}, { __gc = function() error "in a finalizer" end })
          collectgarbage()
        end):join()
      ]])
      assert.are.same({ "Lua warning: error in __gc (t.lua:4: in a finalizer)", "Lua warning: one line" }, lines)
    end)
  end)
end
