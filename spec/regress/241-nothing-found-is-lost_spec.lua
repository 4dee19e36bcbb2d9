-- SPDX-License-Identifier: MIT
--
-- as_completed forgot the futures that it had found final when an error came between that and
-- its answer, want of memory mostly: who called it again got the others only, or waited for
-- ever.  And a callback that called the iterator within the iterator's own wait left that
-- waiting for what the callback had got.

local conrun = require "conrun"
local LONG = require("spec.lib.kinds").LONG

local function futures(n)
  local list = {}
  for i = 1, n do list[i] = conrun.future.new() end
  return list
end

-- In a thread with little memory: which errors there were besides want of memory, and how often
-- that came.
local function starve(n)
  local faults, refused, list, seen = {}, 0, {}, {}
  local fill, filled = {}, 0
  for i = 1, 200 do fill[i] = false end

  local function grab(size)
    fill[filled + 1] = ("x"):rep(size) .. filled
    filled = filled + 1
  end
  local function free(count)
    for _ = 1, math.min(count, filled) do
      fill[filled] = false
      filled = filled - 1
    end
  end
  local function note(f)
    if seen[f] then faults[#faults + 1] = "given twice" end
    seen[f] = true
  end

  for round = 1, 7 do
    for i = 1, n do
      list[i] = conrun.future.new()
      seen[list[i]] = false
    end
    for i = 1, n, 2 do list[i]:set_result(i) end
    local step, count = conrun.future.as_completed(list, LONG), 0
    collectgarbage()
    local size = 1 << 20
    while size >= 512 and filled < 190 do
      if not pcall(grab, size) then size = size // 2 end
    end
    free(round % 7)
    while count < n // 2 do
      local ok, f = pcall(step)
      if ok then
        note(f)
        count = count + 1
      elseif filled == 0 then
        return { "not given: " .. tostring(f) }, refused
      else
        refused = refused + 1
        free(1)
      end
    end
    free(filled)
    if fill[1] then faults[#faults + 1] = "memory is kept" end
    for i = 2, n, 2 do list[i]:set_result(i) end
    for f in step do
      note(f)
      count = count + 1
    end
    if count ~= n then faults[#faults + 1] = ("%d of %d given"):format(count, n) end
    seen = {}
  end
  return faults, refused
end

describe("as_completed", function()
  it("gives each future once, also where there was no memory for a while", function()
    local worker = conrun.thread.start({ memory_limit = 8 << 20 }, starve, 1500)
    local faults, refused = worker:result()
    assert.are.same({}, faults)
    assert.is_true(refused > 0)
  end)

  it("may be called by a callback within its own wait", function()
    local list, got = futures(6), {}
    local step = conrun.future.as_completed(list, LONG)
    list[1]:on_done(function() got[#got + 1] = step() end)
    local go = conrun.event.new()
    local settler = conrun.thread.start(function()
      go:wait()
      for _, f in ipairs(list) do f:set_result(1) end
    end)
    go:set()
    for f in step do got[#got + 1] = f end
    assert.are.equal(#list, #got)
    for _, f in ipairs(list) do
      local times = 0
      for _, other in ipairs(got) do times = times + (other == f and 1 or 0) end
      assert.are.equal(1, times)
    end
    settler:join()
  end)
end)
