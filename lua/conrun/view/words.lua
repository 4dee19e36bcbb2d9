-- SPDX-License-Identifier: MIT
--
-- words: what a look at another program has found, for people to read.
--
-- Internal: for conrun --dump and --top.  Names of scripts may hold any byte; what would
-- move a cursor is shown as a question mark.

local words = {}

--- A text from another program.
---@param text string?
---@return string
function words.clean(text)
  local good = tostring(text or ""):gsub("[%c\127]", "?"):gsub("\xC2[\x80-\x9F]", "?") -- those of Latin-1, too
  return utf8.len(good) and good or (good:gsub("[\x80-\xFF]", "?"))
end

local clean = words.clean

---@param seconds number
---@return string "0.1 s", "3m05s", "2h07m"
function words.time(seconds)
  if seconds < 59.95 then
    return ("%.1f s"):format(seconds)
  elseif seconds < 3600 then
    return ("%dm%02ds"):format(seconds // 60, seconds // 1 % 60)
  end
  return ("%dh%02dm"):format(seconds // 3600, seconds // 60 % 60)
end

---@param bytes number?
---@return string "512K", "1.5M", "-"
function words.size(bytes)
  if not bytes then
    return "-"
  end
  local n, unit = bytes / 1024, "K"
  for _, larger in ipairs { "M", "G", "T" } do
    if n >= 1000 then
      n, unit = n / 1024, larger
    end
  end
  return (n < 9.95 and "%.1f%s" or "%.0f%s"):format(n, unit)
end

local order = { "running", "calling", "waiting", "idle", "stopped", "starting", "ending", "gone" }

--- "1 running, 2 waiting"
function words.states(states)
  local parts = {}
  for _, name in ipairs(order) do
    if states[name] then
      parts[#parts + 1] = ("%d %s"):format(states[name], name)
    end
  end
  return table.concat(parts, ", ")
end

function words.count(n, name) return ("%d %s%s"):format(n, name, n == 1 and "" or "s") end

--- What is said of a program as a whole: three lines.
---@param seen table
---@param shared string what its memory is called behind the number
---@return string[]
function words.head(seen, shared)
  local memory = words.size(seen.used) .. (seen.limit and " of " .. words.size(seen.limit) or "")
  local tasks = seen.tasks
  return {
    ("conrun %s, process %d%s: %s"):format(seen.version, seen.pid, seen.stopped and " (stopped)" or "",
      clean(seen.command)),
    ("up %s; %s: %s; %s %s"):format(words.time(seen.uptime), words.count(#seen.strands, "strand"),
      words.states(seen.states), memory, shared),
    ("tasks: %d queued, %d running, %d done, %d failed"):format(tasks.queued, tasks.running, tasks.done,
      tasks.failed),
  }
end

--- The names of the pools, by their ids.
---@return table<integer, string>
function words.pools(seen)
  local names = {}
  for _, pool in ipairs(seen.pools) do
    names[pool.id] = clean(pool.name)
  end
  return names
end

--- "queue 7 (get)", as the report of a deadlock has it.
function words.waits(waits)
  if waits.workers then
    return "the end of its workers"
  elseif waits.target then
    return ("the end of '%s'"):format(clean(waits.target))
  end
  local inner = waits.type and -- it has no number: a dict, list or value has it inside
    ("the %s of shared data (%s)"):format(waits.type, waits.verb)
  local text = waits.id and ("%s %d (%s)"):format(waits.type or "object", waits.id, waits.verb) or inner or waits.verb
  local held = waits.holder and (", held by '%s'"):format(clean(waits.holder)) or ""
  return text .. held .. (waits.held and " since " .. clean(waits.held) or "")
end

--- What a strand is at: what it waits for and where, or where it has waited last.
function words.doing(strand)
  local where = strand.where and clean(strand.where)
  if strand.waits and strand.state ~= "idle" then
    return words.waits(strand.waits) .. (where and ", at " .. where or "")
  elseif strand.state == "idle" then
    return "a task"
  end
  return where and "after " .. where or ""
end

local inside = {
  lock = function(o)
    local since = o.held and " since " .. clean(o.held) or ""
    return o.holder and ("held by '%s'%s"):format(clean(o.holder), since) or "free"
  end,
  semaphore = function(o) return words.count(o.value, "permit") end,
  event = function(o) return o.set and "set" or "clear" end,
  barrier = function(o) return o.broken and "broken" or ("%d of %d arrived"):format(o.arrived, o.parties) end,
  queue = function(o)
    local size = o.maxsize and ("%d of %d items"):format(o.size, o.maxsize) or words.count(o.size, "item")
    return size .. (o.closed and ", closed" or "")
  end,
  condition = function() return "" end,
}

--- "3 of 10 items"
function words.inside(object) return inside[object.type](object) end

--- "4 processes: 2 busy; 7 queued, 40 done, 1 failed"
function words.pool(pool)
  local kind = pool.workers == 1 and pool.kind or pool.kind == "process" and "processes" or pool.kind .. "s"
  return ("%d %s: %d busy; %d queued, %d done, %d failed%s"):format(pool.workers, kind, pool.running, pool.queued,
    pool.done, pool.failed, pool.state == "open" and "" or "; " .. pool.state)
end

--- Has it anything to tell that somebody would look for?  A lock that is free has not.
function words.is_telling(object)
  return object.waiting > 0 or object.holder ~= nil or (object.size or 0) > 0 or (object.arrived or 0) > 0
    or object.broken == true
end

return words
