-- SPDX-License-Identifier: MIT
--
-- A crawler: is it faster to wait for many pages at once?
--
-- The site is a server of the script's own on the loopback, whose pages take a
-- while to come.  A worker fetches a page and returns its links; main keeps the
-- set of pages that are known, so every page is asked for once, however many lead
-- to it.  Fetching is waiting, so far more workers than cores are worth having.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
A crawler: is it faster to wait for many pages at once?

conrun scripts/crawler.lua [--pages=40] [--delay=10] [--workers=1,4,16]
                           [--kind=thread|process]

  --pages=40        of the site; page n links to n + 1, 2 n, and page 1
  --delay=10        milliseconds that each takes to come
  --workers=1,4,16  how many fetch at once
]]

local options = args.read(arg, usage, {
  pages = { 40, most = 10000 },
  delay = { 10, most = 10000 },
  workers = "1,4,16",
  kind = { "thread", "process" },
})
local crews = args.integers("--workers", options.workers, 1, 1000)
if not pcall(require, "socket") then
  args.fail "the crawler needs LuaSocket; on Debian it is in the package lua-socket"
end

-- What the server says to a request line, and what it is about.
local function answer(line)
  local page = tonumber(line and line:match "^GET /(%d+) ")
  if not page or page < 1 or page > options.pages then
    return "HTTP/1.0 404 Not Found\r\n\r\n"
  end
  local links = '<a href="/%d">next</a> <a href="/%d">half</a> <a href="/1">home</a>'
  return "HTTP/1.0 200 OK\r\n\r\n" .. links:format(page + 1, 2 * page)
end

-- Takes every call at once and answers it when its time has come, until someone
-- asks for /end.
local function serve(ports)
  local socket = require "socket"
  local server, waiting = assert(socket.bind("127.0.0.1", 0, 128)), {}
  ports:put((select(2, server:getsockname())))
  while true do
    local first = waiting[1]
    local ready = socket.select({ server }, nil, first and math.max(0, first.due - conrun.clock()) or nil)
    if ready[server] then
      local client = server:accept()
      local line = client:receive()
      if line:find "^GET /end " then
        return
      end
      waiting[#waiting + 1] = { client = client, text = answer(line), due = conrun.clock() + options.delay / 1000 }
    end
    while waiting[1] and waiting[1].due <= conrun.clock() do
      local done = table.remove(waiting, 1)
      done.client:send(done.text)
      done.client:close()
    end
  end
end

local function fetch(port, page)
  local client = assert(require("socket").connect("127.0.0.1", port))
  client:settimeout(20)
  client:send(("GET /%d HTTP/1.0\r\n\r\n"):format(page))
  local text = assert(client:receive "*a")
  client:close()
  local links = {}
  for link in text:gmatch 'href="/(%d+)"' do
    links[#links + 1] = math.tointeger(link)
  end
  return { page = page, status = tonumber(text:match "^HTTP/1.0 (%d+)"), links = links }
end

-- The tasks answer through a queue, in the order in which they are done; `open`
-- counts those that are on their way.
local function crawl(port, crew)
  local pool <close> = conrun.pool.new { workers = crew, kind = options.kind }
  local arrived, known, open = conrun.queue.new(), { [1] = true }, 1
  local fetched, broken, requests = 0, 0, 0
  local function visit(page)
    requests = requests + 1
    pool:submit(function() arrived:put(fetch(port, page)) end)
  end
  visit(1)
  while open > 0 do
    local result = assert(arrived:get(30))
    open = open - 1
    fetched = fetched + (result.status == 200 and 1 or 0)
    broken = broken + (result.status == 404 and 1 or 0)
    for _, link in ipairs(result.links) do
      if not known[link] then
        known[link], open = true, open + 1
        visit(link)
      end
    end
  end
  return { fetched = fetched, broken = broken, requests = requests }
end

local ports = conrun.queue.new()
local server = conrun.thread.start({ name = "server" }, serve, ports)
local port = math.tointeger(ports:get(20))

local rows, bars, complete, times = {}, {}, true, {}
for i, crew in ipairs(crews) do
  local seconds, found = bench.time(crawl, port, crew)
  complete = complete and found.fetched == options.pages and found.requests == found.fetched + found.broken
  times[i] = seconds
  rows[i] = { crew, found.fetched, found.broken, plot.seconds(seconds) }
  bars[i] = { tostring(crew), found.requests / seconds, ("%.0f pages/s"):format(found.requests / seconds) }
end
local client = assert(require("socket").connect("127.0.0.1", port))
client:send "GET /end HTTP/1.0\r\n\r\n"
server:join()

print(plot.table({ "workers", "pages", "broken links", "time" }, rows))
print "\npages per second, by workers:\n"
print(plot.bars(bars))
print(("\nEvery page is fetched once: %s (%d pages)"):format(plot.verdict(complete), options.pages))
local gain = times[1] / times[#times]
print(("%d workers are faster than %d: %s (%.1f times, on %d cores)"):format(
  crews[#crews],
  crews[1],
  plot.verdict(bench.decide({ times[1] }, { times[#times] })),
  gain,
  conrun.cpu_count()
))
