-- SPDX-License-Identifier: MIT
--
-- pools: what a task costs, and whether two workers do twice the work.  The
-- pools are made by the first run and kept, as programs keep them.

local conrun = require "conrun"

local function square(n)
  return n * n
end

local function fib(n)
  return n < 2 and n or fib(n - 1) + fib(n - 2)
end

local function pool_of(kept, kind, workers)
  local name = "pool" .. workers
  kept[name] = kept[name] or conrun.pool.new { workers = workers, kind = kind }
  return kept[name]
end

local function sum(list, count)
  local total = 0
  for i = 1, count do
    total = total + list[i]
  end
  return total
end

-- One map of 100,000 takes some milliseconds, less than a processor needs to come
-- to speed after the other side's turn: each side does `rounds` of them in a run.
local rounds = 10

local function map(kind, count, kept, options)
  local pool = pool_of(kept, kind, 4)
  kept.items = kept.items or conrun.range(1, count):totable()
  local results
  local started = conrun.clock()
  for _ = 1, rounds do
    results = pool:map(square, kept.items, options)
  end
  return (conrun.clock() - started) / rounds, sum(results, count)
end

local function imap(kind, count, kept, chunksize)
  local pool, total = pool_of(kept, kind, 4), 0
  local started = conrun.clock()
  for _, result in pool:imap(square, conrun.range(1, count), { chunksize = chunksize }) do
    total = total + result
  end
  return conrun.clock() - started, total
end

local function submit(kind, count, kept)
  local pool = pool_of(kept, kind, 4)
  local futures, total = {}, 0
  local started = conrun.clock()
  for i = 1, count do
    futures[i] = pool:submit(square, i)
  end
  for i = 1, count do
    total = total + futures[i]:result()
  end
  return conrun.clock() - started, total
end

local function nap()
  conrun.sleep(1e-4)
end

-- The processor time that the caller spends on collecting tasks that end one by one.
local function completed(count, kept)
  local pool, futures, seen = pool_of(kept, "process", 2), {}, 0
  for i = 1, count do
    futures[i] = pool:submit(nap)
  end
  local started = os.clock()
  for _ in conrun.future.as_completed(futures) do
    seen = seen + 1
  end
  return os.clock() - started, seen
end

local function timed_fib(pool, inputs)
  local started = conrun.clock()
  local results = pool:map(fib, inputs, { chunksize = 1 })
  return conrun.clock() - started, sum(results, #inputs)
end

local function speedup(kind, n, kept)
  local inputs = { n, n, n, n, n, n, n, n }
  local one = timed_fib(pool_of(kept, kind, 1), inputs)
  local two, total = timed_fib(pool_of(kept, kind, 2), inputs)
  return one / two, total
end

local function sum_of_squares(count)
  return count * (count + 1) * (2 * count + 1) // 6
end

local function eight_fibs(n)
  local a, b = 0, 1
  for _ = 1, n do
    a, b = b, a + b
  end
  return 8 * a
end

local rows = {
  {
    name = "completed",
    title = "as_completed over tasks of 100 us, 2 processes, processor time of the caller",
    unit = "each",
    count = { 4000, python = 1000 },
    quick = 50,
    conrun = completed,
    python = "completed",
    target = { most = 10e-6, text = "10 us" },
    note = "make bench BENCH=--growth shows that it does not grow with the number of futures",
  },
}
for _, kind in ipairs { "thread", "process" } do
  local slow = kind == "process"
  local workers = slow and "processes" or "threads"
  rows[#rows + 1] = {
    name = "map." .. kind,
    title = ("pool:map of n*n, 4 %s, default chunks"):format(workers),
    unit = "rate",
    count = { 100000, floor = 1000000 },
    quick = 1000,
    expect = sum_of_squares,
    conrun = function(count, kept) return map(kind, count, kept) end,
    python = "map_" .. kind,
    floor = "pcall",
    target = { least = 15e6, text = "15 M/s" },
    note = ("Python: %s; floor: lua_pcall on one core"):format(slow and "mp.Pool" or "ThreadPool"),
  }
  rows[#rows + 1] = {
    name = "map.single." .. kind,
    title = ("the same, %s, chunksize 1"):format(workers),
    unit = "rate",
    count = { 100000, python = slow and 10000 or 50000, floor = 1000000 },
    quick = 1000,
    expect = sum_of_squares,
    conrun = function(count, kept) return map(kind, count, kept, { chunksize = 1 }) end,
    python = "map_single_" .. kind,
    floor = "pcall",
    target = { least = 1.2e6, text = "1.2 M/s" },
  }
  for _, chunksize in ipairs { 1, 100 } do
    local each = chunksize == 1 and 10000 or 200000
    rows[#rows + 1] = {
      name = ("imap.%d.%s"):format(chunksize, kind),
      title = ("pool:imap of n*n, 4 %s, chunksize %d"):format(workers, chunksize),
      unit = "rate",
      count = { 5 * each, python = each },
      quick = 1000,
      expect = sum_of_squares,
      conrun = function(count, kept) return imap(kind, count, kept, chunksize) end,
      python = ("imap_%d_%s"):format(chunksize, kind),
      target = { least = chunksize == 1 and 0.6e6 or 5e6, text = chunksize == 1 and "0.6 M/s" or "5 M/s" },
    }
  end
  rows[#rows + 1] = {
    name = "submit." .. kind,
    title = ("submit 20,000 and collect, 4 %s"):format(workers),
    unit = "rate",
    count = { 20000, python = slow and 2000 or 20000, floor = 1000000 },
    quick = 500,
    expect = sum_of_squares,
    conrun = function(count, kept) return submit(kind, count, kept) end,
    python = "submit_" .. kind,
    floor = "pcall",
    target = { least = 0.5e6, text = "0.5 M/s" },
    note = slow and "Python: ProcessPoolExecutor" or "Python: ThreadPoolExecutor",
  }
  rows[#rows + 1] = {
    name = "fib." .. kind,
    title = ("fib(32) x 8 on 2 %s"):format(workers),
    unit = "factor",
    count = { 32, python = 27, floor = 38 },
    quick = 15,
    expect = eight_fibs,
    conrun = function(count, kept) return speedup(kind, count, kept) end,
    python = "fib_" .. kind,
    floor = "two_cores",
    target = {
      least = function(floor) return floor >= 1.95 and 1.95 or nil end,
      text = "1.95 x, if the floor is",
    },
    note = "Python: fib(27); floor: two C threads; where they miss 1.95 the cores were not free: no verdict",
  }
end
return rows
