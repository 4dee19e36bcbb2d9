-- SPDX-License-Identifier: MIT
--
-- site: a server and agents for the specs of clusters, on a free port of the loopback.
--
-- The server and the agents are children of a shell that ends with the program of the spec:
-- it waits for the end of its standard input, a pipe from here, and kills what it started.
-- So nothing stays, whatever becomes of a spec.

local helpers = require "spec.helpers"

local site = {}
site.__index = site

local quote = helpers.quote

-- Starts a command below the shell that watches; its process id.
local function start(self, name, command)
  local log = self.folder .. "/" .. name
  local watch = ("exec 3<&0; %s </dev/null >%s 2>&1 3<&- & p=$!; echo $p >%s.pid; " ..
    "cat <&3; kill -KILL $p 2>/dev/null; wait"):format(command, quote(log), quote(log))
  local pipe = assert(io.popen(watch .. " 2>/dev/null", "w"))
  self.pipes[#self.pipes + 1] = pipe
  local pid = helpers.eventually(function()
    local file = io.open(log .. ".pid")
    local n = file and file:read "n"
    if file then file:close() end
    return n
  end)
  os.remove(log .. ".pid")
  return assert(pid, "the shell has started nothing"), log
end

-- What the server says in the end: it is ready, or another program has its port.
local function ready(log)
  return helpers.eventually(function()
    local file = io.open(log) -- the shell may not have opened it yet
    local text = file and file:read "a" or ""
    if file then file:close() end
    return text:find("Server is ready", 1, true) and "ready" or text:find("in use", 1, true) and "taken"
  end)
end

--- Starts the server, on the port that it had if it had one.
---@param options? string more options of nats-server
function site:start_server(options)
  local ports = self.port and "-p " .. self.port or "-p -1 --ports_file_dir " .. quote(self.folder)
  local log
  repeat
    self.starts = self.starts + 1
    self.server, log = start(self, ("server%d.log"):format(self.starts),
      ("exec nats-server -a 127.0.0.1 %s -js -sd %s --auth %s %s"):format(
        ports, quote(self.folder .. "/data"), self.token, options or ""))
    local state = assert(ready(log), "nats-server is not ready")
  until state == "ready"
  self.port = self.port or helpers.eventually(function()
    local file = io.open(("%s/nats-server_%d.ports"):format(self.folder, self.server))
    local port = file and file:read "a":match ":(%d+)"
    if file then file:close() end
    return port
  end)
  self.url = "nats://127.0.0.1:" .. assert(self.port, "nats-server tells no port")
end

--- Starts an agent; its process id and the file with what it says.
function site:agent(workers, options)
  self.agents = self.agents + 1
  return start(self, ("agent%d.log"):format(self.agents), ("exec %s %s --agent=%s --workers=%d --token-file=%s"):format(
    quote(helpers.conrun), options or "", self.url, workers, quote(self.token_file)))
end

function site.kill(_, pid, signal)
  os.execute(("kill -%s %d 2>/dev/null"):format(signal, pid))
end

--- Has the process ended?
function site.ended(_, pid)
  return helpers.eventually(function()
    local file = io.open(("/proc/%d/stat"):format(pid))
    local state = file and file:read "a":match "%) (%a)"
    if file then file:close() end
    return not state or state == "Z"
  end)
end

--- A cluster pool at this server.
function site:pool(options)
  local all = { kind = "cluster", url = self.url, token_file = self.token_file }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  return require("conrun").pool.new(all)
end

--- How many streams the server has.
function site:streams()
  local out = helpers.run(("ls %s 2>/dev/null | wc -l"):format(quote(self.folder .. "/data/jetstream/$G/streams")))
  return tonumber(out)
end

--- Ends all of them.
function site:stop()
  for _, pipe in ipairs(self.pipes) do
    pipe:close()
  end
  self.pipes = {}
  os.execute("rm -rf " .. quote(self.folder))
end

--- A server, and as many agents as `workers` has numbers.
function site.new(...)
  local folder = os.tmpname()
  os.remove(folder)
  os.execute("mkdir -p " .. quote(folder))
  local self = setmetatable({ folder = folder, pipes = {}, agents = 0, starts = 0, token = "a-token-of-specs" }, site)
  self.token_file = folder .. "/token"
  local file = assert(io.open(self.token_file, "w"))
  file:write(self.token, "\n")
  file:close()
  self:start_server()
  for _, workers in ipairs { ... } do
    self:agent(workers)
  end
  return self
end

return site
