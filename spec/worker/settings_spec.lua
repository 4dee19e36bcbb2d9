-- SPDX-License-Identifier: MIT
--
-- Workers begin as the one who starts them is now, threads and processes alike, and a pool
-- that lives follows where that is cheap.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

-- Each setting: how it is made, and an expression whose value shows it in a worker.
local SETTINGS = {
  ["package.path"] = { "package.path = './spec/native/?.c;' .. package.path", "package.path:sub(1, 16)" },
  ["package.cpath"] = { "package.cpath = './made/?.so;' .. package.cpath", "package.cpath:sub(1, 12)" },
  ["package.preload"] = {
    "package.preload.made = function() return 'made' end", "pcall(require, 'made') and require 'made'",
  },
  ["package.preload with upvalues"] = {
    "local n = 5 package.preload.made = function() return n end", "pcall(require, 'made') and require 'made'",
  },
  ["a searcher"] = {
    [[table.insert(package.searchers, 2, function(name)
      if name == "made" then return function() return "found" end end
    end)]],
    "pcall(require, 'made') and require 'made'",
  },
  ["searchers in another order"] = {
    "package.preload.made = function() return 'preloaded' end"
      .. " local first = table.remove(package.searchers, 1) table.insert(package.searchers, first)",
    "type((package.searchers[#package.searchers] 'made'))",
  },
  ["a searcher less"] = { "table.remove(package.searchers)", "#package.searchers" },
  ["globals that must be declared"] = {
    [[setmetatable(_G, { __index = function(_, name) error("undeclared " .. name, 2) end })]],
    "select(2, pcall(function() return never_declared end))",
  },
  ["on_error"] = {
    "conrun.on_error(function() end)",
    "(function() local h = conrun.on_error() conrun.on_error(h) return type(h) end)()",
  },
  ["the log's level"] = { "conrun.log.level 'debug'", "conrun.log.level()" },
  ["the working directory"] = { "require('lfs').chdir '/tmp'", "require('lfs').currentdir()" },
  ["the locale"] = { "os.setlocale 'C.UTF-8'", "os.setlocale()" },
  ["an environment variable"] = { "native.setenv('MADE', 'by main')", "os.getenv 'MADE'" },
  ["an environment variable less"] = { "native.setenv('HOME')", "os.getenv 'HOME' == nil" },
}

local names = {}
for name in pairs(SETTINGS) do names[#names + 1] = name end
table.sort(names)

local SCRIPT = [[
  local native = require "native"
  local function seen() local conrun = require "conrun" return tostring(%s) end
  local before = seen()
  conrun.%s.start(math.abs, 1):join()
  local alive <close> = conrun.pool.new { workers = 1, kind = "%s" }
  alive:apply(math.abs, 1)
  %s
  local now = seen()
  assert(now ~= before, now)
  assert(conrun.%s.start(seen):result() == now, "start")
  local pool <close> = conrun.pool.new { workers = 1, kind = "%s" }
  assert(pool:apply(seen) == now, "pool")
  for i, value in ipairs(pool:map(seen, { 1, 2 })) do assert(value == now, "map") end
  print(alive:apply(seen) == now, alive:submit(seen):result() == now, alive:map(seen, { 1 })[1] == now)
  local other <close> = conrun.pool.new { workers = 1, kind = "%s" }
  print(other:map(seen, { 1 })[1] == now)
]]

for _, kind in ipairs(kinds) do
  describe("a worker (" .. kind .. ") begins with", function()
    for _, name in ipairs(names) do
      it(name, function()
        local how, shows = SETTINGS[name][1], SETTINGS[name][2]
        local script = SCRIPT:format(shows, kind, kind, how, kind, kind, kind)
        local out, err = kinds.run(script, "--audit", helpers.with_native)
        assert.are.equal("true\ttrue\ttrue\ntrue\n", out, err)
        assert.matches("audit: clean", err)
      end)
    end
  end)

  describe("a worker (" .. kind .. ")", function()
    it("is without what cannot be sent, and begins all the same", function()
      local out, err = kinds.run(([[
        package.preload.socket_made = require("socket").tcp
        package.preload.thread = coroutine.wrap(function() end)
        package.preload.made = function() return "made" end
        table.insert(package.searchers, coroutine.wrap(function() end))
        print(conrun.%s.start(function()
          return (require "made"), package.preload.thread, #package.searchers
        end):result())
      ]]):format(kind))
      assert.are.equal("made\tnil\t5\n", out, err)
    end)

    it("of a pool follows back, and keeps what is its own", function()
      local out, err = kinds.run(([[
        local pool <close> = conrun.pool.new { workers = 1, kind = "%s", initializer = function()
          package.preload.own = function() return "own" end
        end }
        local function undefined() return (pcall(function() return never_declared end)) end
        print(pool:apply(undefined))
        setmetatable(_G, { __index = function() error "undeclared" end })
        print(pool:apply(undefined))
        setmetatable(_G, nil)
        package.preload.more = function() return "more" end
        print(pool:apply(undefined), pool:apply(function() return (require "own") .. (require "more") end))
        local path = package.path
        package.path = "./made/?.lua"
        print(pool:apply(function() return package.path end))
        package.path = path
        print(pool:apply(function() return package.path end) == path)
      ]]):format(kind), "--audit")
      assert.are.equal("true\nfalse\ntrue\townmore\n./made/?.lua\ntrue\n", out, err)
      assert.matches("audit: clean", err)
    end)

    it("of a pool follows the strand that made it, and no other", function()
      local out, err = kinds.run(([[
        local pool <close> = conrun.pool.new { workers = 1, kind = "%s" }
        local path = package.path
        print(conrun.thread.start(function(p)
          package.path = "./other/?.lua"
          return p:apply(function() return package.path end)
        end, pool):result() == path)
      ]]):format(kind))
      assert.are.equal("true\n", out, err)
    end)
  end)
end
