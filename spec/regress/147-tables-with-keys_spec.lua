-- SPDX-License-Identifier: MIT
--
-- What people write who know Python did nothing, without a word: futures that are the
-- keys or values of a table, as in { [pool:submit(f, x)] = x }, and lists that have keys
-- alone.  Options that contradict the name of a function won over it.

local conrun = require "conrun"
local future = conrun.future
local kinds = require "spec.lib.kinds"

local function made(...)
  local list = {}
  for i = 1, select("#", ...) do
    list[i] = future.new()
    list[i]:set_result((select(i, ...)))
  end
  return table.unpack(list)
end

describe("futures in a table with keys", function()
  it("are waited for, as keys and as values", function()
    local a, b, c = made(1, 2, 3)
    local open = future.new()
    local done, pending = future.wait({ [a] = "job", name = b, c, [open] = "other" }, { timeout = 0 })
    assert.are.equal(3, #done)
    assert.are.same({ open }, pending)
    assert.are.equal(2, #future.wait { [a] = 1, [b] = 2 })
    assert.are.equal(1, #future.wait { a, x = a, [a] = true })
  end)

  it("come as they are completed", function()
    local a, b = made(1, 2)
    local job_of, seen = { [a] = "four", [b] = "five" }, {}
    for f in future.as_completed(job_of) do
      seen[job_of[f]] = f:result()
    end
    assert.are.same({ four = 1, five = 2 }, seen)
  end)

  it("give their results under the same keys", function()
    local a, b, c, d = made(1, 2, 3, nil)
    assert.are.same({ x = 1, y = 2, 3 }, future.all { x = a, y = b, c })
    assert.are.same({ [a] = 1, [b] = 2 }, future.all { [a] = "one", [b] = "two" })
    assert.are.same({ 1, 2, n = 3 }, future.all(table.pack(a, b, d)))
    assert.are.same({}, future.all {})
  end)

  it("are tried in the order in which they were made, behind the list", function()
    for _ = 1, 20 do
      local table_of, list = {}, {}
      for i = 1, 10 do
        list[i] = future.new()
        list[i]:set_error("number " .. i)
        table_of["key" .. i] = list[i]
      end
      assert.are.equal("number 1", tostring(kinds.raised(future.all, table_of)))
      table_of[1] = list[7]
      assert.are.equal("number 7", tostring(kinds.raised(future.all, table_of)))
      table_of[1] = nil
      local _, pending = future.wait({ b = future.new(), list[1] }, { timeout = 0 })
      assert.are.equal(1, #pending)
    end
  end)

  it("are what each entry is, or it is named", function()
    local a = made(1)
    for _, f in ipairs { future.wait, future.all, future.as_completed } do
      assert.matches("in %[job%]", kinds.bad_argument(1, f, { job = 5, a }))
      assert.matches("in element %[2%]", kinds.bad_argument(1, f, { a, 5 }))
    end
  end)
end)

describe("a list that has keys alone", function()
  it("is refused wherever a list is expected", function()
    local pool <close> = conrun.pool.threads(1)
    local keyed = { a = 1, b = 2 }
    for _, name in ipairs { "map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered" } do
      local message = kinds.bad_argument(2, pool[name], pool, tostring, keyed)
      assert.matches("keys alone", message)
    end
    for _, call in ipairs {
      function() conrun.queue.new():put_many(keyed) end,
      function() conrun.shared.list(keyed) end,
      function() conrun.shared.array("i8", keyed) end,
      function() conrun.pool.new { initializer = print, initargs = keyed } end,
      function() pool:starmap(tostring, { keyed }) end,
      function() conrun.pool.new { libs = keyed } end,
    } do
      assert.matches("keys alone", tostring(kinds.raised(call)))
    end
    assert.are.same({}, pool:map(tostring, {}))
    assert.are.same({}, pool:map(tostring, { n = 0 }))
    assert.are.equal(1, conrun.shared.dict({ a = 1 }).a)
  end)
end)

describe("options that contradict the name", function()
  it("are refused", function()
    assert.matches("'kind'.*threads.*'process'", tostring(kinds.raised(conrun.pool.threads, 2, { kind = "process" })))
    assert.matches("'kind'", tostring(kinds.raised(conrun.pool.processes, nil, { kind = "thread" })))
    assert.matches("'workers'.* 2,.* 5", tostring(kinds.raised(conrun.pool.threads, 2, { workers = 5 })))
    kinds.bad_argument(2, conrun.pool.threads, 2, 5)
    for _, options in ipairs { { name = "a" }, { workers = 3 }, "x" } do
      assert.matches("'workers'", kinds.bad_argument(2, conrun.pool.new, 7, options))
    end
    for _, pool in ipairs { conrun.pool.threads(2, { kind = "thread", workers = 2 }),
      conrun.pool.threads(nil, { workers = 2 }) } do
      assert.are.equal(2, pool:stats().workers)
      pool:shutdown()
    end
  end)

  it("that are unknown are named in the order of their names", function()
    for _ = 1, 20 do
      local options = {}
      for _, key in ipairs { "zeta", "alpha", "middle" } do
        options[key .. "_" .. math.random(1000)] = 1
      end
      assert.matches("unknown option 'alpha_", kinds.bad_argument(1, conrun.pool.new, options))
      assert.matches("unknown option 'alpha_", kinds.bad_argument(2, future.wait, {}, options))
    end
  end)
end)
