-- SPDX-License-Identifier: MIT
--
-- deaths_queue_sweep: the table of deaths (death.lua) for queues and pipes.

local conrun = require "conrun"
local death = require "spec.chaos.death"

local rows = {}

local function nothing() end

local with = death.with
local long = { ("long "):rep(10) }

---@type table<string, deed>
local deeds = {}

for _, order in ipairs { "new", "lifo", "priority" } do
  for kind, item in pairs { number = 7, table = long } do
    local function put(q)
      if order == "priority" then return q:put(item, 1) end
      return q:put(item)
    end
    deeds[("queue.%s: put a %s"):format(order, kind)] = {
      make = function() return { it = conrun.queue[order]() } end,
      await = function(o) assert(o.it:get()) end,
      change = function(o) put(o.it) end,
      there = function(o) return o.it:size() > 0 end,
      ready = function(o) return o.it:size() > 0 end,
    }
    deeds[("queue.%s, full: get a %s"):format(order, kind)] = {
      make = function()
        local q = conrun.queue[order](1)
        put(q)
        return { it = q }
      end,
      await = function(o) assert(put(o.it)) end,
      change = function(o) o.it:get(0) end,
      there = function(o) return o.it:size() == 0 end,
    }
  end
end

deeds["queue: put many"] = with(deeds["queue.new: put a table"], {
  change = function(o) o.it:put_many { long, 2, long } end,
})

deeds["queue: get many"] = with(deeds["queue.new, full: get a table"], {
  change = function(o) o.it:get_many(3, 0) end,
})

deeds["queue: close"] = {
  make = function() return { it = conrun.queue.new() } end,
  await = function(o)
    local item, why = o.it:get()
    assert(item == nil and why == "closed", why)
  end,
  change = function(o) o.it:close() end,
  there = function(o) return o.it:closed() end,
  ready = function(o) return o.it:closed() end,
}

deeds["queue, full: close"] = with(deeds["queue: close"], {
  make = function()
    local q = conrun.queue.new(1)
    q:put(long)
    return { it = q }
  end,
  await = function(o)
    local put, why = o.it:put(long)
    assert(not put and why == "closed", why)
  end,
})

deeds["queue: task done"] = {
  make = function()
    local q = conrun.queue.new()
    q:put(long)
    q:get()
    return { it = q }
  end,
  await = function(o) assert(o.it:join()) end,
  change = function(o) pcall(o.it.task_done, o.it) end,
  there = function(o) return o.it:join(0) end,
}

deeds["queue: close now, joined"] = with(deeds["queue: task done"], {
  make = function()
    local q = conrun.queue.new()
    q:put(long)
    return { it = q }
  end,
  change = function(o) o.it:close { now = true } end,
})

deeds["pipe: send"] = {
  make = function()
    local a, b = conrun.pipe.new()
    return { it = a, b = b }
  end,
  await = function(o) assert(o.it:recv()) end,
  change = function(o) o.b:send(long) end,
  there = function(o) return o.it:poll(0) end,
  ready = function(o) return o.it:poll(0) end,
}

for name, d in pairs(deeds) do
  death.add_deed(rows, name, d)
end

-- --------------------------------------------------------- ends that somebody holds

---The victim has the only handle of the other end; so whatever becomes of it, the partner
---is told, and nobody needs to help.
for name, deed in pairs {
  ["closed by its holder"] = function(o) o.b:close() end,
  ["held to the end"] = nothing,
  ["written, and held to the end"] = function(o) o.b:send(long) end,
} do
  local row = {
    name = "pipe, other end " .. name,
    make = function()
      local a, b = conrun.pipe.new()
      local away = conrun.queue.new()
      away:put(b)
      b:close()
      return { it = a, away = away }
    end,
    ready = function(o) o.b = o.away:get(0) end,
    deed = deed,
    await = function(o)
      local item, why = o.it:recv()
      if item ~= nil then
        item, why = o.it:recv()
      end
      assert(item == nil and why == "closed", why)
    end,
  }
  rows[#rows + 1] = row
  rows[#rows + 1] = with(row, {
    name = row.name .. ", selected",
    await = function(o)
      repeat
        conrun.select { o.it }
        local _, why = o.it:recv(0)
      until why == "closed"
    end,
  })
end

death.table(rows, describe, it)
