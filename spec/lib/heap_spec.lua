-- SPDX-License-Identifier: MIT
--
-- The memory of a Lua state: what is in it stays as it was, whatever comes and goes
-- beside it, and what was needed once goes back to the system.

local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

-- Blocks of all sizes made, made longer and dropped in turn; each tells what it should be.
local function churn(seed, rounds)
  math.randomseed(seed)
  local live, wrong = {}, 0
  local function new()
    local size = math.random(0, 700)
    local kind = math.random(3)
    if kind == 1 then
      return { "text", string.char(97 + size % 26):rep(size), size }
    elseif kind == 2 then
      local list = {}
      for i = 1, size % 60 do
        list[i] = i * size
      end
      return { "list", list, size }
    end
    local map = {}
    for i = 1, size % 40 do
      map["key " .. i] = { i + size }
    end
    return { "map", map, size }
  end
  local function good(entry)
    local kind, value, size = table.unpack(entry)
    if kind == "text" then
      return value == string.char(97 + size % 26):rep(size)
    elseif kind == "list" then
      for i = 1, size % 60 do
        if value[i] ~= i * size then return false end
      end
      return #value == size % 60
    end
    for i = 1, size % 40 do
      if value["key " .. i][1] ~= i + size then return false end
    end
    return true
  end
  for round = 1, rounds do
    local place = math.random(400)
    if live[place] and not good(live[place]) then wrong = wrong + 1 end
    live[place] = math.random(4) > 1 and new() or nil
    if round % 5000 == 0 then
      live = round % 10000 == 0 and live or {}
      collectgarbage(round % 3 == 0 and "generational" or "incremental")
      collectgarbage()
    end
  end
  for _, entry in pairs(live) do
    if not good(entry) then wrong = wrong + 1 end
  end
  return wrong
end

describe("memory of a state", function()
  it("keeps what is in it", function()
    assert.are.equal(0, churn(1, 60000))
  end)

  for _, kind in ipairs(kinds) do
    it("keeps what is in it (" .. kind .. ")", function()
      local workers = {}
      for seed = 1, 3 do
        workers[seed] = kinds.start(kind, churn, seed, 20000)
      end
      assert.are.same({ 0, 0, 0 }, kinds.finish_all(workers))
    end)
  end

  it("is counted, and given back to the count", function()
    local before = collectgarbage "count"
    do
      local list = {}
      for i = 1, 20000 do
        list[i] = { i, "text " .. i }
      end
      assert.is_true(collectgarbage "count" > before + 2000)
      assert.are.equal(20000, #list)
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" < before + 200)
  end)

  -- Pages are larger on some arm64 systems.  A checker of memory keeps what was freed, to
  -- notice its use.
  for _, pages in ipairs { "4096", "16384", "65536" } do
    it("goes back to the system after a peak (pages of " .. pages .. " bytes)", function()
      local preload = ('ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" PAGES=%s LD_PRELOAD=%s '):format(
        pages, helpers.quote(helpers.native .. "pages.so"))
      local output = helpers.run(preload .. helpers.quote(helpers.conrun) .. [[ -e '
        local function resident()
          for line in io.lines "/proc/self/status" do
            local size = line:match "^RssAnon:%s*(%d+)"
            if size then return tonumber(size) end
          end
        end
        local list = {}
        for i = 1, 300000 do list[i] = { i, x = "text " .. i } end
        local peak = resident()
        list = nil
        collectgarbage() collectgarbage()
        print(io.open("/proc/self/maps"):read("a"):find("san%.so") and "checked" or "plain", peak, resident())']])
      local how, peak, after = output:match "(%a+)%s+(%d+)%s+(%d+)"
      assert.is_truthy(how, output)
      assert.is_true(tonumber(peak) > 30000)
      if how == "plain" then assert.is_true(after * 2 < tonumber(peak), output) end
    end)
  end
end)
