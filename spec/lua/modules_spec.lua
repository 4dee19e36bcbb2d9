-- SPDX-License-Identifier: MIT
--
-- Modules of the Debian world load and work in the main strand, in threads and in
-- processes at once.  One that is not installed is skipped, with a message.

local event = require "conrun.event"
local kinds = require "spec.lib.kinds"

local LONG = kinds.LONG

--- What to do with each module; the function is sent to the workers.
local modules = {
  {
    "cjson", "lua-cjson", function()
      local cjson = require "cjson"
      local text = cjson.encode { list = { 1, 2, 3 }, name = "n", deep = { yes = true } }
      local back = cjson.decode(text)
      return ("%d %s %s"):format(#back.list, back.name, tostring(back.deep.yes))
    end, "3 n true",
  },
  {
    "lpeg", "lua-lpeg", function()
      local lpeg = require "lpeg"
      local number = lpeg.R "09" ^ 1 / tonumber
      local sum = lpeg.Cf(number * (lpeg.P "+" * number) ^ 0, function(a, b) return a + b end)
      return tostring(sum:match "1+20+300")
    end, "321",
  },
  {
    "socket", "lua-socket", function()
      local socket = require "socket"
      local server = assert(socket.bind("127.0.0.1", 0))
      local _, port = server:getsockname()
      local client = assert(socket.connect("127.0.0.1", port))
      local peer = assert(server:accept())
      client:send "over the wire\n"
      local line = peer:receive()
      client:close()
      peer:close()
      server:close()
      return line
    end, "over the wire",
  },
  {
    "lfs", "lua-filesystem", function()
      local lfs = require "lfs"
      local name = os.tmpname()
      local size = lfs.attributes(name, "size")
      local mode = lfs.attributes(lfs.currentdir(), "mode")
      os.remove(name)
      return ("%d %s %s"):format(size, mode, tostring(lfs.attributes(name)))
    end, "0 directory nil",
  },
}

-- Waits until all are there, so that the module is used by all at the same time.
local function together(ready, go, use)
  ready:release()
  go:wait(30)
  local result
  for _ = 1, 20 do
    result = use()
  end
  return result
end

for _, case in ipairs(modules) do
  local name, package_name, use, expected = table.unpack(case)

  describe("module " .. name, function()
    local found = pcall(require, name)
    if not found then
      pending(("is not installed (package %s)"):format(package_name))
      return
    end

    it("works in the main strand", function()
      assert.are.equal(expected, use())
    end)

    it("works in threads and processes at once", function()
      local ready, go = require("conrun.semaphore").new(0), event.new()
      local workers = {}
      for _, kind in ipairs(kinds) do
        for _ = 1, 3 do
          workers[#workers + 1] = kinds.start(kind, together, ready, go, use)
        end
      end
      for _ = 1, #workers do
        assert.is_true((ready:acquire(LONG)))
      end
      go:set()
      assert.are.equal(expected, use())
      for _, result in ipairs(kinds.finish_all(workers)) do
        assert.are.equal(expected, result)
      end
    end)

    for _, kind in ipairs(kinds) do
      it("is what a function of it comes from in a pool (" .. kind .. ")", function()
        local module = require(name)
        local p <close> = kinds.pool(kind, 2)
        assert.are.equal(expected, p:apply(use))
        assert.are.equal(type(module), p:apply(function() return type(module) end))
      end)
    end
  end)
end
