-- SPDX-License-Identifier: MIT
--
-- planted: small programs with a mistake that only some schedules show, each with its
-- corrected twin.  $kind is the kind of strand.
--
-- In `program`, BROKEN(...) is there in the broken one and RIGHT(...) in the other.

local planted = {}

local function add(name, program)
  planted[#planted + 1] = { name = name, program = 'local conrun = require "conrun"\n' .. program }
end

--- The source of one of the two.
---@param which "broken"|"right"
---@param kind "thread"|"process"
function planted.source(p, which, kind)
  local text = p.program:gsub("%$kind", kind)
  return (text:gsub("(%u+)(%b[])", function(word, body)
    if word ~= "BROKEN" and word ~= "RIGHT" then
      return nil
    end
    return word:lower() == which and body:sub(2, -2) or ""
  end))
end

add("lost update", [[
  local v = conrun.shared.value("i64", 0)
  local function bump() BROKEN[v:set(v:get() + 1)] RIGHT[v:add(1)] end
  local a, b = conrun.$kind.start(bump), conrun.$kind.start(bump)
  a:join() b:join()
  assert(v:get() == 2, "an update is lost")
]])

add("check-then-act", [[
  local d = conrun.shared.dict { seats = 1 }
  local sold = conrun.shared.value("i64", 0)
  local function buy()
    BROKEN[if d.seats > 0 then d.seats = d.seats - 1 sold:add(1) end]
    RIGHT[local had
    d:update("seats", function(n) had = n > 0 return had and n - 1 or n end)
    if had then sold:add(1) end]
  end
  local a, b = conrun.$kind.start(buy), conrun.$kind.start(buy)
  a:join() b:join()
  assert(sold:get() <= 1, "sold twice")
]])

add("two locks", [[
  local x, y = conrun.lock(), conrun.lock()
  local function both(first, second) first:acquire() second:acquire() second:release() first:release() end
  local a = conrun.$kind.start(both, x, y)
  local b = conrun.$kind.start(both, BROKEN[y, x] RIGHT[x, y])
  a:join() b:join()
]])

add("three locks", [[
  local x, y, z = conrun.lock(), conrun.lock(), conrun.lock()
  local function both(first, second) first:acquire() second:acquire() second:release() first:release() end
  local a, b = conrun.$kind.start(both, x, y), conrun.$kind.start(both, y, z)
  local c = conrun.$kind.start(both, BROKEN[z, x] RIGHT[x, z])
  a:join() b:join() c:join()
]])

add("missed notify", [[
  local c, ready = conrun.condition(), conrun.shared.value("boolean", false)
  local w = conrun.$kind.start(function()
    c:acquire()
    BROKEN[c:wait()]
    RIGHT[while not ready:get() do c:wait() end]
    c:release()
  end)
  c:acquire() ready:set(true) c:notify() c:release()
  w:join()
]])

add("use before initialisation", [[
  local d, done = conrun.shared.dict(), conrun.event()
  local w = conrun.$kind.start(function()
    RIGHT[done:wait()]
    assert(d.size, "not there yet")
  end)
  d.size = 3
  done:set()
  w:result()
]])

add("starved pool", [[
  local p <close> = conrun.pool.new { workers = 1, kind = "$kind" }
  local answer = conrun.queue()
  local helper = conrun.thread.start(function() RIGHT[p:submit(function() answer:put(1) end)] end)
  RIGHT[helper:join()]
  local f = p:submit(function() return answer:get() end)
  BROKEN[p:submit(function() answer:put(1) end)]
  f:result()
]])

add("double result", [[
  local f = conrun.future()
  local function settle(x)
    BROKEN[if not f:done() then f:set_result(x) end]
    RIGHT[pcall(f.set_result, f, x)]
  end
  local a, b = conrun.$kind.start(settle, 1), conrun.$kind.start(settle, 2)
  a:result() b:result()
]])

add("two keys", [[
  local d, l = conrun.shared.dict { left = 5, right = 5 }, conrun.lock()
  local w = conrun.$kind.start(function()
    RIGHT[local g <close> = l:hold()]
    d.left = d.left - 1
    d.right = d.right + 1
  end)
  do
    RIGHT[local g <close> = l:hold()]
    assert(d.left + d.right == 10, "the sum is wrong")
  end
  w:join()
]])

add("bounded buffer", [[
  local c, items = conrun.condition(), conrun.shared.list()
  local function get()
    local g <close> = c:hold()
    BROKEN[if #items == 0 then c:wait() end]
    RIGHT[while #items == 0 do c:wait() end]
    assert(items:pop(), "nothing there")
  end
  local function put()
    local g <close> = c:hold()
    items:append(1)
    c:notify()
  end
  local a, b = conrun.$kind.start(get), conrun.$kind.start(get)
  put() put()
  a:result() b:result()
]])

add("barrier", [[
  local count, gate = conrun.shared.value("i64", 0), conrun.event()
  local function meet()
    BROKEN[count:set(count:get() + 1)
    if count:get() == 2 then gate:set() end]
    RIGHT[if count:add(1) == 2 then gate:set() end]
    gate:wait()
  end
  local a = conrun.$kind.start(meet)
  meet()
  a:join()
]])

add("starving readers and writers", [[
  local c = conrun.condition()
  local readers, writing = conrun.shared.value("i64", 0), conrun.shared.value("boolean", false)
  local function read()
    do
      local g <close> = c:hold()
      while writing:get() do c:wait() end
      readers:add(1)
    end
    local g <close> = c:hold()
    BROKEN[readers:add(-1)]
    RIGHT[if readers:add(-1) == 0 then c:notify_all() end]
  end
  local function write()
    local g <close> = c:hold()
    while readers:get() > 0 or writing:get() do c:wait() end
    writing:set(true)
    writing:set(false)
    c:notify_all()
  end
  local a, b = conrun.$kind.start(read), conrun.$kind.start(write)
  a:join() b:join()
]])

add("Peterson's lock", [[
  local flag = { conrun.shared.value("boolean", false), conrun.shared.value("boolean", false) }
  local turn, inside = conrun.shared.value("i64", 1), conrun.shared.value("i64", 0)
  local function enter(me)
    local other = 3 - me
    BROKEN[turn:set(other) flag[me]:set(true)]
    RIGHT[flag[me]:set(true) turn:set(other)]
    while flag[other]:get() and turn:get() == other do end
    assert(inside:add(1) == 1, "two are inside")
    inside:add(-1)
    flag[me]:set(false)
  end
  local a, b = conrun.$kind.start(enter, 1), conrun.$kind.start(enter, 2)
  a:result() b:result()
]])

return planted
