-- SPDX-License-Identifier: MIT
--
-- To publish to a server that lives but does not read (its machine hangs, or the network lets
-- nothing through) waited within libnats until it read again: for ever, where neither an
-- interruption nor the end of the program was seen.

local helpers = require "spec.helpers"
local site = require "spec.cluster.site"

local script = [[
local net, conrun = require "conrun.core.net", require "conrun"
local url, token, server = ...
local c = assert(net.connect { servers = { url }, token = token })
assert(c:subscribe "here" and c:flush())
assert(os.execute("kill -STOP " .. server))
local piece, ok, why = ("x"):rep(256 * 1024), true, nil
for _ = 1, 1000 do -- far more than the system keeps for both sides
  ok, why = c:publish("nobody", piece)
  if not ok then break end
end
assert(os.execute("kill -CONT " .. server))
print(ok, why)
for _ = 1, 200 do
  c:publish("here", "again")
  local subject, data = c:take(0.1)
  if subject then return print(subject, data) end
end
]]

describe("a server that stands still", function()
  it("keeps nobody who publishes", function()
    local here = site.new()
    local path = here.folder .. "/publish.lua"
    local file <close> = assert(io.open(path, "w"))
    assert(file:write(script):flush())
    local out, err, code = helpers.run(("timeout -s KILL 30 %s %s %s %s %d"):format(
      helpers.quote(helpers.conrun), path, here.url, here.token, here.server))
    here:kill(here.server, "CONT")
    here:stop()
    assert.are.equal("", err)
    assert.are.equal(0, code)
    assert.are.equal("nil\tTimeout\nhere\tagain\n", out)
  end)
end)
