-- SPDX-License-Identifier: MIT
--
-- What becomes of a cluster pool's tasks when an agent, the server or the program dies, for
-- real.  Leases are short here; one that runs out without need, on a slow machine, costs an
-- attempt and no result, so there are many.

local conrun = require "conrun"
local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"
local site = require "spec.cluster.site"

local LONG = kinds.LONG
local short = { lease = 0.5, retries = 50, engine_timeout = LONG }

local function touch(path)
  io.open(path, "w"):close()
end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

-- Says that it runs, and ends when it is allowed to.
local function held(name)
  io.open(name .. ".runs", "w"):close()
  while true do
    local file = io.open(name .. ".go")
    if file then return file:close() end
    require("conrun").sleep(0.005)
  end
end

describe("a cluster pool", function()
  local here

  before_each(function() here = site.new() end)
  after_each(function() here:stop() end)

  local function mark(name) return here.folder .. "/" .. name end
  local function runs(name)
    return helpers.eventually(function() return exists(mark(name .. ".runs")) end)
  end

  it("gives what an agent had to another when its process is killed", function()
    local first = here:agent(2)
    local pool <close> = here:pool(short)
    local f = pool:submit(held, mark "a")
    local rest = pool:map_async(function(x) return x * x end, conrun.range(1, 40), { chunksize = 1 })
    assert.is_true(runs "a")
    touch(mark "a.go")
    os.remove(mark "a.runs")
    here:kill(first, "KILL")
    here:agent(2)
    assert.is_true(f:result(LONG))
    assert.are.equal(1600, rest:result(LONG)[40])
  end)

  it("goes on when the server is killed, and when it has lost all its data", function()
    here:agent(2)
    local pool <close> = here:pool(short)
    for round = 1, 2 do
      local f = pool:submit(held, mark("b" .. round))
      assert.is_true(runs("b" .. round))
      local more = pool:map_async(function(x) return -x end, conrun.range(1, 40), { chunksize = 1 })
      here:kill(here.server, "KILL")
      assert.is_true(here:ended(here.server))
      if round == 2 then os.execute("rm -rf " .. helpers.quote(here.folder .. "/data")) end
      local late = pool:submit(math.sqrt, 16)
      touch(mark("b" .. round .. ".go"))
      here:start_server()
      assert.is_true(f:result(LONG))
      assert.are.equal(-40, more:result(LONG)[40])
      assert.are.equal(4.0, late:result(LONG))
    end
  end)

  it("is broken when the server stays away, and says since when", function()
    here:agent(1)
    local pool = here:pool { engine_timeout = 0.2, lease = 0.5 }
    local f = pool:submit(held, mark "s")
    assert.is_true(runs "s")
    here:kill(here.server, "KILL")
    local e = f:error(LONG)
    assert.are.equal("broken", e.kind)
    assert.is_truthy(e.message:find("the server " .. here.url .. " has been away since %d+:%d+:%d+"))
  end)

  it("leaves nothing behind when its program dies", function()
    here:agent(1)
    local program = conrun.process.start(function(options, name, run)
      local pool = require("conrun").pool.new(options)
      pool:submit(run, name):result()
    end, { kind = "cluster", url = here.url, token_file = here.token_file, lease = 0.5 }, mark "c", held)
    assert.is_true(runs "c")
    assert.are.equal(1, here:streams())
    program:kill()
    program:join()
    assert.are.equal(0, helpers.eventually(function() return here:streams() == 0 and 0 end))
    local pool <close> = here:pool(short) -- its worker is free again
    assert.are.equal(3, pool:submit(math.abs, -3):result(LONG))
  end)

  it("gets back what an agent leaves", function()
    local first, log = here:agent(1)
    local pool <close> = here:pool(short)
    local f = pool:submit(held, mark "d")
    local g = pool:submit(math.abs, -4)
    assert.is_true(runs "d")
    here:kill(first, "TERM") -- the first lets it finish
    assert.is_truthy(helpers.eventually(function() return helpers.slurp(log):find "leaves when 1 tasks" end))
    os.remove(mark "d.runs")
    here:kill(first, "TERM") -- the second does not
    assert.is_true(here:ended(first))
    here:agent(1)
    assert.is_true(runs "d")
    touch(mark "d.go")
    assert.is_true(f:result(LONG))
    assert.are.equal(4, g:result(LONG))
  end)

  it("takes modules of the program's own along", function()
    here:agent(1)
    os.execute("mkdir -p " .. helpers.quote(here.folder .. "/own"))
    local file = io.open(here.folder .. "/own/mine.lua", "w")
    file:write "return { twice = function(x) return 2 * x end }"
    file:close()
    file = io.open(here.folder .. "/own/script.lua", "w")
    file:write(([[
      package.path = arg[0]:match "^(.*/)" .. "?.lua;" .. package.path
      local conrun, mine = require "conrun", require "mine"
      local pool <close> = conrun.pool.new { kind = "cluster", url = %q, token_file = %q }
      print(pool:apply(mine.twice, 21), pool:apply(function() return require("mine").twice(4) end))
    ]]):format(here.url, here.token_file))
    file:close()
    local out, err = helpers.run(("%s %s/own/script.lua"):format(helpers.quote(helpers.conrun), here.folder))
    assert.are.equal("42\t8\n", out, err)
  end)
end)

describe("the commands of clusters", function()
  it("refuse a wrong token and a server that is not there, in one line", function()
    local here = site.new()
    local file = io.open(here.folder .. "/wrong", "w")
    file:write "wrong\n"
    file:close()
    local function agent(options)
      local _, err, code = helpers.run(helpers.quote(helpers.conrun) .. " " .. options)
      assert.are.equal(1, code)
      return err:match "^[^\n]*"
    end
    assert.is_truthy(agent(("--agent=%s --token-file=%s/wrong"):format(here.url, here.folder)):find "Auth")
    assert.is_truthy(agent("--agent=nats://127.0.0.1:1"):find "cannot reach the server nats://127.0.0.1:1: ")
    here:stop()
  end)

  it("start a server that speaks TLS alone", function()
    local folder = os.tmpname()
    os.remove(folder)
    local hub = helpers.quote(helpers.conrun) .. " --hub --tls"
    local env = "XDG_STATE_HOME=" .. folder
    helpers.run(("mkdir -p %s/bin; ln -s $(command -v openssl) $(command -v sh) %s/bin; %s PATH=%s/bin %s"):format(
      folder, folder, env, folder, hub))
    local state = folder .. "/conrun/hub/"
    local here = site.new()
    here:kill(here.server, "KILL")
    assert.is_true(here:ended(here.server))
    here:start_server(("--tls --tlscert %sserver.pem --tlskey %sserver.key"):format(state, state))
    here:agent(1, "--tls-ca=" .. state .. "ca.pem")
    local pool <close> = here:pool { tls_ca = state .. "ca.pem" }
    assert.are.equal(5, pool:submit(math.abs, -5):result(LONG))
    assert.is_truthy(kinds.raised(here.pool, here):find "SSL")
    assert.are.equal("600\n", (helpers.run("stat -c %a " .. state .. "ca.key")))
    pool:shutdown()
    here:stop()
    os.execute("rm -rf " .. folder)
  end)

  it("start a server with a token that only its owner reads", function()
    local folder = os.tmpname()
    os.remove(folder)
    local _, err = helpers.run(("mkdir %s; XDG_STATE_HOME=%s PATH=/nowhere %s --hub"):format(
      folder, folder, helpers.quote(helpers.conrun)))
    assert.is_truthy(err:find "Debian's package is nats%-server")
    local modes = helpers.run(("cd %s/conrun/hub && echo $(stat -c %%a token nats.conf)"):format(folder))
    assert.are.equal("600 600\n", modes)
    local token = helpers.slurp(folder .. "/conrun/hub/token"):match "%x+"
    assert.are.equal(32, #token)
    assert.is_truthy(helpers.slurp(folder .. "/conrun/hub/nats.conf"):find(token, 1, true))
    local out = helpers.run(("nats-server -t -c %s/conrun/hub/nats.conf 2>&1; rm -rf %s"):format(folder, folder))
    assert.is_truthy(out:find "is valid")
  end)
end)
