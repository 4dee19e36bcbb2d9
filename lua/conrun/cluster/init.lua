-- SPDX-License-Identifier: MIT
--
-- cluster: pools whose tasks are computed on other machines, and the two commands for them.
--
--   init.lua     options, the pool, `conrun --hub`, `conrun --agent`
--   carrier.lua  in the program: takes tasks from the pool's line, settles their futures
--   agent.lua    on each machine: computes tasks in a local pool
--   engine.lua   what both ask of the server, NATS with JetStream
--   wire.lua     what both say to each other
--
-- A cluster pool is a pool of one thread, the carrier, which computes nothing (see
-- src/line/carry.c).  What can be refused is refused here, at the call: a server that is not
-- there, a wrong token, an option that makes no sense on other machines.

local check = require "conrun.check"
local clock = require("conrun.core").public.clock
local core = require "conrun.core.pool"
local engine = require "conrun.cluster.engine"
local net = require "conrun.core.net"

local cluster = {}

local answer_within = 2 -- seconds, for the server's first word

----------------------------------------------------------------- server and token

local function state_folder()
  local base = os.getenv "XDG_STATE_HOME"
  if not base or base:sub(1, 1) ~= "/" then base = (os.getenv "HOME" or "") .. "/.local/state" end
  return base .. "/conrun/hub"
end

local function token_path()
  return state_folder() .. "/token"
end

-- The token of the file, or that of a hub of this user; nil: none.
local function read_token(path)
  local file, why = io.open(path or token_path(), "r")
  if not file then
    if path then check.raise("cannot read the token: %s", why) end
    return nil
  end
  local token = file:read "l"
  file:close()
  if not token or token == "" then check.raise("no token in the file '%s'", path or token_path()) end
  return token
end

-- Servers by their addresses; nats:// and the usual port may be left out.
local function read_servers(url)
  local list = type(url) == "table" and url or { url }
  local servers = {}
  for i, one in ipairs(list) do
    if type(one) ~= "string" or one == "" or one:find "%s" then
      check.raise("bad option 'url' (an address such as 'nats://hostA:4222', or a list of them, expected)")
    end
    one = one:find "://" and one or "nats://" .. one
    servers[i] = one:find ":%d+$" and one or one .. ":4222"
  end
  if #servers == 0 or #servers > 16 then check.raise "bad option 'url' (1 to 16 addresses expected)" end
  return servers
end

-- A connection to a server that has JetStream; raises why there is none.
local function connect(where)
  local connection, why = net.connect(where)
  if not connection then
    check.raise("cannot reach the server %s: %s", table.concat(where.servers, ", "), why)
  end
  local reply = "conrun.probe." .. net.random()
  connection:subscribe(reply)
  engine.ask(connection, reply)
  local answer
  local deadline = clock() + answer_within
  repeat
    local left = deadline - clock()
    answer = table.pack(connection:take(math.max(0, left)))
  until answer.n > 0 or left <= 0
  if answer.n == 0 or answer[4] then
    connection:close()
    check.raise("the server %s has no JetStream: start it with conrun --hub, or nats-server with -js",
      where.servers[1])
  end
  return connection
end

--------------------------------------------------------------------------- options

local known = {
  kind = true, url = true, token_file = true, tls_ca = true, workers = true, retries = true, lease = true,
  wait_timeout = true, engine_timeout = true, tags = true, max_value = true, name = true, initializer = true,
  initargs = true, max_tasks_per_worker = true, task_timeout = true, memory_limit = true, libs = true,
}

-- Options of the local pools that agents make.
local handed_on = { "max_tasks_per_worker", "task_timeout", "memory_limit", "libs" }

local function seconds(options, name, absent)
  local value = options[name]
  if value == nil then return absent end
  if type(value) ~= "number" or value <= 0 or value ~= value then
    check.raise("bad option '%s' (seconds, more than 0, expected)", name)
  end
  return value + 0.0
end

local function strings(options, name)
  local list = options[name] or {}
  if type(list) ~= "table" then check.raise("bad option '%s' (list of strings expected)", name) end
  for _, word in ipairs(list) do
    if type(word) ~= "string" then check.raise("bad option '%s' (list of strings expected)", name) end
  end
  return list
end

-- A module is the program's own if its file is found by a relative path, or below the
-- script's folder.  Its source is sent; any other goes by its name.
local function is_own(path)
  local folder = arg and arg[0] and arg[0]:match "^(/.*/)"
  return path:sub(1, 1) ~= "/" or folder ~= nil and path:sub(1, #folder) == folder
end

local function own_modules()
  local modules = {}
  for name in pairs(package.loaded) do
    local path = type(name) == "string" and package.searchpath(name, package.path)
    local file = path and is_own(path) and io.open(path, "rb")
    if file then
      modules[name] = { source = file:read "a", chunk = "@" .. path }
      file:close()
    end
  end
  return modules
end

-- What agents need before the first task, as bytes.
local function pack_settings(options)
  local settings = { modules = own_modules(), options = {} }
  for _, name in ipairs(handed_on) do
    settings.options[name] = options[name]
  end
  if options.initializer ~= nil then
    check.callable(options.initializer, 1, "initializer")
    settings.initializer = net.encode_function(options.initializer)
    settings.initargs = net.encode(table.unpack(options.initargs or {}))
  elseif options.initargs ~= nil then
    check.raise "bad option 'initargs' (there is no 'initializer')"
  end
  return net.encode(settings)
end

local function check_options(options)
  if options.sandbox ~= nil then check.raise "bad option 'sandbox' (it is for pools on this machine)" end
  check.options(options, known, 1, "new")
  for _, name in ipairs { "workers", "max_tasks_per_worker", "max_value" } do
    check.integer(options, name, 1)
  end
  check.integer(options, "retries", 0)
  check.integer(options, "memory_limit", 1)
  seconds(options, "task_timeout")
  strings(options, "libs")
end

--- A pool whose tasks are computed by agents (conrun.pool.new with kind = "cluster").
function cluster.new(options)
  check_options(options)
  local url = options.url or os.getenv "CONRUN_CLUSTER"
  if not url or url == "" then
    check.raise "no server: give the option 'url', or set CONRUN_CLUSTER, such as nats://hostA:4222"
  end
  local carried = {
    servers = read_servers(url),
    token = read_token(options.token_file),
    ca = options.tls_ca,
    pool = net.random(),
    name = options.name or "cluster",
    workers = options.workers,
    retries = options.retries or 2,
    lease = seconds(options, "lease", 10.0),
    wait_timeout = seconds(options, "wait_timeout", 60.0),
    engine_timeout = seconds(options, "engine_timeout", 60.0),
    tags = strings(options, "tags"),
    max_value = options.max_value or 256 << 20,
    settings = pack_settings(options),
    board = require("conrun.shared").dict(),
  }
  connect(carried):close()
  local pool = core.public.new {
    kind = "thread", workers = 1, name = options.name,
    initializer = require("conrun.cluster.carrier").serve, initargs = { carried },
  }
  net.carry(pool)
  return pool
end

--- The agents that work for a pool, as far as its carrier has heard.
function cluster.agents(pool)
  local options = select(-1, false, net.config(pool)) -- behind settings of this state, if there are any
  if not options then
    check.raise "bad call of 'agents' (only a pool of kind 'cluster' has agents)"
  end
  return options.board:get "agents" or {}
end

-------------------------------------------------------------------------- commands

local function fail(...)
  error((...):format(select(2, ...)), 0)
end

local function make(result, why)
  if not result then fail("cannot write %s", why) end
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- A certificate authority, made once, and a certificate for this host, made at each start.
local function make_certificates(folder, host)
  local names = { "DNS:localhost", "DNS:" .. net.hostname(), "IP:127.0.0.1" }
  if host ~= "0.0.0.0" and host ~= "127.0.0.1" then
    names[#names + 1] = (host:find "^[%d.]+$" and "IP:" or "DNS:") .. host
  end
  local key = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -batch "
  local ok = os.execute("umask 077; exec 2>/dev/null; cd " .. quote(folder) .. " && { test -s ca.pem || " ..
    key .. "-x509 -days 3650 -subj '/CN=conrun hub' -keyout ca.key -out ca.pem; } && " ..
    key .. "-subj /CN=conrun -keyout server.key -out server.csr && echo subjectAltName=" ..
    quote(table.concat(names, ",")) .. " >server.names && openssl x509 -req -days 3650 -in server.csr " ..
    "-CA ca.pem -CAkey ca.key -CAcreateserial -extfile server.names -out server.pem")
  if not ok then fail "cannot make certificates: that needs the program openssl (Debian's package is openssl)" end
end

-- conrun --hub: writes what the server needs, and becomes it.
local function hub(options)
  local folder = state_folder()
  local listen = options.listen or "127.0.0.1:4222"
  if not listen:find ":%d+$" then listen = listen .. ":4222" end
  make(net.folder(folder))
  local file = io.open(token_path(), "r")
  local token = file and file:read "l"
  if file then file:close() end
  if not token or not token:find "^%x+$" then
    token = net.random() .. net.random()
    make(net.private_file(token_path(), token .. "\n"))
  end
  local tls = ""
  if options.tls then
    make_certificates(folder, listen:match "^(.*):")
    tls = ('tls { cert_file: "%s/server.pem", key_file: "%s/server.key" }\n'):format(folder, folder)
  end
  local configuration = folder .. "/nats.conf"
  make(net.private_file(configuration, ([[
# Written by conrun --hub, anew at each start.
listen: "%s"
authorization { token: "%s" }
jetstream { store_dir: "%s" }
max_payload: 1MB
max_pending: 256MB
]]):format(listen, token, folder) .. tls))
  io.stderr:write(("conrun hub: nats-server at nats://%s, token in %s%s\n"):format(listen, token_path(),
    options.tls and ", authority in " .. folder .. "/ca.pem" or ""))
  net.become("nats-server", "-c", configuration)
  fail "cannot start nats-server: it is not installed (Debian's package is nats-server)"
end

-- What keeps a command from beginning is one line: there is no place in a script to be shown.
local function plainly(fn, ...)
  local results = table.pack(pcall(fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local e = results[2]
  error(type(e) == "string" and setmetatable({}, { __tostring = function() return e end }) or e, 0)
end

local function reach(options)
  local servers = read_servers(options.agent)
  return connect { servers = servers, token = read_token(options.token_file), ca = options.tls_ca }, servers
end

local function agent(options)
  local tags = {}
  for tag in (options.tags or ""):gmatch "[^,]+" do
    tags[#tags + 1] = tag
  end
  local connection, servers = plainly(reach, options)
  require("conrun.cluster.agent").main {
    connection = connection, workers = options.workers, tags = tags, url = table.concat(servers, ","),
  }
end

--- What the command line asks for.
function cluster.command(options)
  if options.hub then return plainly(hub, options) end
  return agent(options)
end

return cluster
