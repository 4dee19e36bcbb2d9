-- SPDX-License-Identifier: MIT
--
-- conrun: the module that gives all others.
--
-- Nothing but the core is loaded with it: each part is required when its name is
-- first read, so that a program pays for what it uses.

local core = require "conrun.core"

---@class conrun
---@field version string
---@field sleep fun(seconds: number)
---@field clock fun(): number seconds on a clock that never goes back
---@field cpu_count fun(): integer processors that this process may use
---@field current fun(): table name, kind, id, pid and daemon of the calling strand
---@field stopping fun(): boolean was the calling strand asked to stop?
---@field workers fun(name?: string): conrun.Worker[] those that are not over
---@field range fun(first: integer, last: integer, step?: integer): conrun.Range
---@field show fun(...: any) prints values as the prompt shows them
---@field on_error fun(handler?: fun(e: any)) gets uncaught errors of workers
local conrun = {
  version = core.version,
  sleep = core.public.sleep,
  clock = core.public.clock,
  cpu_count = core.public.cpu_count,
  current = core.public.current,
  stopping = core.public.stopping,
}

local parts = {}
for _, name in ipairs {
  "thread", "process", "lock", "condition", "semaphore", "event", "barrier", "queue", "pipe",
  "future", "pool", "shared", "select", "log", "errors", "progress", "plot", "svg", "bench", "args", "trace", "scope",
  "explore",
} do
  parts[name] = function() return require("conrun." .. name) end
end

-- Functions that live in a part of their own.
function parts.range() return require("conrun.range").new end
function parts.show() return require "conrun.repl.show" end
function parts.workers() return require("conrun.worker").public.workers end
function parts.on_error() return require("conrun.worker").public.on_error end

local answer = core.answers_index "conrun"

return setmetatable(conrun, {
  __index = function(_, name)
    local load = parts[name]
    if load then
      conrun[name] = load()
      return conrun[name]
    end
    return answer(conrun, name)
  end,
})
