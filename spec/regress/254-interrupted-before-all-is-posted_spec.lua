-- SPDX-License-Identifier: MIT
--
-- A map_async that raised, for it was interrupted while it waited for room in the line or an item
-- could not be sent, left the tasks that it had posted before; a map that raises cancels them.

local conrun = require "conrun"
local core = require "conrun.core"
local kinds = require "spec.lib.kinds"

local function note(queue)
  queue:put(1)
end

local function raise_in_map_async(options, last, before)
  local pool <close> = conrun.pool.new(options)
  local go, queue = kinds.occupy(pool), conrun.queue.new()
  if before then before() end
  assert.is_false(pcall(pool.map_async, pool, note, { queue, queue, last or queue }, { chunksize = 1 }))
  go:set()
  pool:apply(math.abs, 1)
  return queue:size()
end

describe("a map_async that raises", function()
  it("leaves no task when it is interrupted", function()
    assert.are.equal(0, raise_in_map_async({ workers = 1, max_queued = 2 }, nil, core.interrupt_me))
  end)

  it("leaves no task when an item cannot be sent", function()
    assert.are.equal(0, raise_in_map_async({ workers = 1 }, coroutine.create(print)))
  end)
end)
