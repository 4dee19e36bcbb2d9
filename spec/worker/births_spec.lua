-- SPDX-License-Identifier: MIT
--
-- What is prepared before anybody asks for it: the copied states of threads, and
-- the spare processes.  Neither may show, whatever happens to it.

local conrun = require "conrun"
local errors = require "conrun.errors"
local kinds = require "spec.lib.kinds"
local process = require "conrun.process"
local semaphore = require "conrun.semaphore"
local thread = require "conrun.thread"

local LONG = kinds.LONG

local function double(n)
  return 2 * n
end

-- The name and the parent of a process, nil if there is none of that pid.
local function status(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read "a"
  if file then file:close() end
  local name, parent = (text or ""):match "%((.*)%) %a (%d+)"
  return name, tonumber(parent)
end

local function spares_of(zygote)
  local list <close> = assert(io.popen "ls /proc")
  local found = {}
  for pid in list:lines() do
    local name, parent
    if tonumber(pid) then
      name, parent = status(pid)
    end
    if name == "conrun-spare" and parent == zygote then
      found[#found + 1] = tonumber(pid)
    end
  end
  return found
end

-- Tries again until `f` gives something: the zygote prepares in its own time.
local function eventually(f)
  local last = conrun.clock() + LONG
  repeat
    local value = f()
    if value then return value end
    conrun.sleep(0.002)
  until conrun.clock() > last
  error "it has never happened"
end

describe("the state of a thread", function()
  it("is its own", function()
    local function mark(n)
      local before = rawget(_G, "leak")
      rawset(_G, "leak", n)
      rawset(string, "leak", n)
      package.loaded.leak = true
      getmetatable("").leak = n
      return before, rawequal(_G, package.loaded._G), #tostring(print) > 0
    end
    for n = 1, 3 do
      local before, whole, printable = thread.start(mark, n):result(LONG)
      assert.is_nil(before)
      assert.is_true(whole)
      assert.is_true(printable)
    end
    assert.is_nil(rawget(string, "leak"))
  end)

  it("draws random numbers of its own", function()
    local seen = {}
    for _ = 1, 5 do
      local n = thread.start(math.random, 0):result(LONG)
      assert.is_nil(seen[n])
      seen[n] = true
    end
  end)

  it("finds all it has by name and by value", function()
    local function walk()
      local count, seen = 0, {}
      local function visit(t)
        if seen[t] then return end
        seen[t] = true
        for k, v in pairs(t) do
          assert(rawequal(rawget(t, k), v), k)
          count = count + 1
          if type(v) == "table" then visit(v) end
        end
        if getmetatable(t) then visit(getmetatable(t)) end
      end
      visit(debug.getregistry())
      visit(getmetatable "")
      return count
    end
    assert.is_true(thread.start(walk):result(LONG) > 150)
  end)

  it("lives through collections in every mode, and through growth", function()
    local function work()
      local kept = {}
      for round = 1, 6 do
        collectgarbage(round % 2 == 0 and "incremental" or "generational")
        for i = 1, 3000 do
          kept[i % 500] = { ("%d:%d"):format(round, i), setmetatable({}, { __gc = function() end }) }
          _G["name" .. i] = i
        end
        collectgarbage()
        for i = 1, 3000 do
          _G["name" .. i] = nil
        end
      end
      rawset(string, "format", nil)
      rawset(table, "concat", nil)
      collectgarbage()
      return #kept, ("x"):rep(3), math.max(1, 2), os.time() > 0, io.type(io.stdout)
    end
    for _ = 1, 3 do
      local _, text, most, time, kind = thread.start(work):result(LONG)
      assert.are.same({ "xxx", 2, true, "file" }, { text, most, time, kind })
    end
  end)

  it("has its own warnings and its own limit", function()
    local limited = thread.start({ memory_limit = 2000000 }, function()
      return pcall(string.rep, "x", 4000000)
    end)
    local free = thread.start(function()
      warn "@off"
      warn("nobody ", "hears ", "this")
      return #("x"):rep(4000000)
    end)
    local good, message = limited:result(LONG)
    assert.is_false(good)
    assert.are.equal("not enough memory", message)
    assert.are.equal(4000000, free:result(LONG))
  end)
end)

describe("a spare process", function()
  local function zygote()
    local w = process.start(function()
      local text = assert(io.open "/proc/self/stat"):read "a"
      return tonumber(text:match "%) %a (%d+)")
    end)
    return w:result(LONG)
  end

  it("that is killed harms nobody but who was about to become it", function()
    local keeper = zygote()
    for _ = 1, 5 do
      local spares = eventually(function()
        local found = spares_of(keeper)
        return #found > 0 and found
      end)
      for _, pid in ipairs(spares) do
        os.execute("kill -9 " .. pid)
      end
      for n = 1, 4 do
        local w = process.start(double, n)
        local failure = select(2, pcall(w.result, w, LONG))
        assert.is_true(w:join(LONG))
        if failure ~= 2 * n then
          assert.is_true(errors.is(failure, "worker_died"))
          assert.are.equal(-9, w.exitcode)
        end
      end
      assert.are.equal(42, eventually(function()
        local good, value = pcall(function() return process.start(double, 21):result(LONG) end)
        return good and value
      end))
    end
  end)

  it("is hired by one of many who want it", function()
    local function start_some(first, count)
      local start, workers, sum = require("conrun.process").start, {}, 0
      for n = first, first + count - 1 do
        workers[#workers + 1] = start(function(x) return x end, n)
      end
      for _, w in ipairs(workers) do
        sum = sum + w:result()
      end
      return sum
    end
    local starters, sum = {}, 0
    for i = 0, 3 do
      starters[#starters + 1] = conrun[i % 2 == 0 and "thread" or "process"].start(start_some, i * 10 + 1, 10)
    end
    for _, w in ipairs(starters) do
      sum = sum + w:result(LONG)
    end
    assert.are.equal(820, sum)
  end)

  it("whose starter is killed is not lost", function()
    local function start_on(progress)
      local start = require("conrun.process").start
      while true do
        local w = start(function() end)
        progress:release()
        w:join()
      end
    end
    for round = 1, 12 do
      local progress = semaphore.new(0)
      local w = process.start(start_on, progress)
      for _ = 1, round % 4 + 1 do
        assert.is_true(progress:acquire(LONG))
      end
      w:kill()
      assert.is_true(w:join(LONG))
      assert.are.equal(-9, w.exitcode)
    end
    assert.are.equal(8, process.start(double, 4):result(LONG))
  end)

  it("is none of the program's workers", function()
    local keeper = zygote()
    eventually(function() return #spares_of(keeper) > 0 end)
    assert.is_nil((status(keeper)):match "spare")
    local w = process.start(function() return conrun.current().name end)
    assert.are.equal(w.name, w:result(LONG))
    assert.is_true(w:join(LONG))
    eventually(function() return not status(w.pid) end) -- it is reaped when it is buried
  end)
end)
