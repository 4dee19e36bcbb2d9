-- SPDX-License-Identifier: MIT
--
-- loops: functions that come to a loop without end, in the most different places, and set
-- an event before.  A program that loops so must still be stopped.

local conrun = require "conrun"

local function loop()
  while true do end
end

-- ThreadSanitizer delivers a signal only where its program calls something.
local maps <close> = assert(io.open "/proc/self/maps")
if maps:read "a":find("libtsan", 1, true) then
  loop = function()
    while true do local _ = {} end
  end
end

return {
  ["in plain code"] = function(begun)
    begun:set()
    loop()
  end,
  ["in a coroutine"] = function(begun)
    begun:set()
    coroutine.wrap(loop)()
  end,
  ["in coroutines one within the other"] = function(begun)
    local function nest(n)
      if n > 0 then return coroutine.wrap(nest)(n - 1) end
      begun:set()
      loop()
    end
    nest(20)
  end,
  ["that resumes coroutines without end"] = function(begun)
    local yields = coroutine.wrap(function()
      while true do
        coroutine.yield()
      end
    end)
    begun:set()
    while true do
      yields()
    end
  end,
  ["in the closing of a coroutine"] = function(begun)
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = loop })
      coroutine.yield()
    end)
    coroutine.resume(co)
    begun:set()
    assert(coroutine.close(co))
  end,
  ["in a finalizer"] = function(begun)
    setmetatable({}, {
      __gc = function()
        begun:set()
        loop()
      end,
    })
    collectgarbage()
    loop()
  end,
  ["in a message handler"] = function(begun)
    assert(xpcall(error, function()
      begun:set()
      loop()
    end))
  end,
  ["in a message handler of the interruption"] = function(begun)
    assert(xpcall(function()
      begun:set()
      loop()
    end, loop))
  end,
  ["in a __close"] = function(begun)
    local _ <close> = setmetatable({}, { __close = loop })
    begun:set()
  end,
  ["in a callback"] = function(begun)
    local f = conrun.future.new()
    f:on_done(function()
      begun:set()
      loop()
    end)
    f:set_result(1)
    conrun.sleep(3600)
  end,
  ["in a hook"] = function(begun)
    debug.sethook(function()
      debug.sethook()
      begun:set()
      loop()
    end, "l")
    loop()
  end,
  ["under a hook of its own"] = function(begun)
    debug.sethook(function() end, "", 1)
    begun:set()
    loop()
  end,
  ["in a comparison"] = function(begun)
    begun:set()
    table.sort({ 1, 2, 3 }, loop)
  end,
}
