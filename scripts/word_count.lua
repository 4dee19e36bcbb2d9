-- SPDX-License-Identifier: MIT
--
-- Which words are the most frequent in these files?
--
-- Map and reduce: every file is a task that reads it and counts its words by
-- itself, and main adds the counts up.  Nothing is shared while the work goes on,
-- so nothing has to be locked; what comes back is one small table for each file.
-- A file that cannot be read is that task's error, and the others still count.

local conrun = require "conrun"
local args = require "conrun.args"
local bench = require "conrun.bench"
local plot = require "conrun.plot"

local usage = [[
Which words are the most frequent in these files?

conrun scripts/word_count.lua [FILE ...] [--top=10] [--workers=N]
                              [--kind=process|thread]

Without files it counts the words of the scripts that lie beside it, or else in
this directory.

  --top=10     how many words to show
  --workers=N  as many as there are cores, unless given
]]

local options = args.read(arg, usage, {
  top = { 10, most = 1000000 },
  workers = conrun.cpu_count(),
  kind = { "process", "thread" },
}, math.huge)

-- The scripts that lie beside this one; those of the working directory if this one comes
-- from within the binary, where nothing lies beside it.
local function own_scripts()
  local beside = arg[0]:match "^(.*/)"
  local folder = (beside and beside:sub(1, 1) ~= ":" and beside or "./"):gsub("'", "'\\''")
  local list <close> = io.popen(("ls '%s'*.lua 2>/dev/null"):format(folder))
  local files = {}
  for path in list:lines() do
    files[#files + 1] = path
  end
  if #files == 0 then
    args.fail "there are no scripts here to count; name files"
  end
  return files
end

local files = #options > 0 and table.move(options, 1, #options, 1, {}) or own_scripts()

-- A word is a run of letters; bytes beyond ASCII count as letters, so that words
-- in UTF-8 stay whole.
local function count_file(path)
  local file <close>, unopened = io.open(path)
  local text, unread = nil, unopened
  if file then text, unread = file:read "a" end
  if not text then
    error(file and ("%s: %s"):format(path, unread) or unread, 0)
  end
  local counts = {}
  for word in text:lower():gmatch "[%a\128-\255]+" do
    counts[word] = (counts[word] or 0) + 1
  end
  return counts
end

local function add_up(parts)
  local counts, words = {}, 0
  for _, part in ipairs(parts) do
    for word, count in pairs(conrun.errors.is(part) and {} or part) do
      counts[word] = (counts[word] or 0) + count
      words = words + count
    end
  end
  return counts, words
end

local pool <close> = conrun.pool.new { workers = options.workers, kind = options.kind }
local parts = pool:map(count_file, files, { chunksize = 1, collect_errors = true })
local unread, readable = 0, {}
for i, part in ipairs(parts) do
  if conrun.errors.is(part) then
    unread = unread + 1
    io.stderr:write(("word_count.lua: %s\n"):format(tostring(part):match "[^\n]*"))
  else
    readable[#readable + 1] = files[i]
  end
end
if #readable == 0 then
  os.exit(1, true)
end
local counts, words = add_up(parts)

local ranking = {}
for word in pairs(counts) do
  ranking[#ranking + 1] = word
end
table.sort(ranking, function(a, b)
  return counts[a] > counts[b] or counts[a] == counts[b] and a < b
end)

local bars = {}
for i = 1, math.min(options.top, #ranking) do
  bars[i] = { ranking[i], counts[ranking[i]], tostring(counts[ranking[i]]) }
end
print(("%d words in %d files, %d of them different:\n"):format(words, #files, #ranking))
print(plot.bars(bars))

-- The same again in a plain loop: to be compared in words, and in time.
local function alone()
  local loop = {}
  for i, path in ipairs(readable) do
    loop[i] = count_file(path)
  end
  return add_up(loop)
end

local expected, expected_words = alone()
local same = expected_words == words
for word, count in pairs(expected) do
  same = same and counts[word] == count
end
print(("\nA plain loop counts the same: %s (%d words)"):format(plot.verdict(same), expected_words))

print()
print(bench.run {
  title = "time",
  runs = 3,
  { "plain loop", alone },
  { "pool", function() add_up(pool:map(count_file, readable)) end, workers = options.workers },
})
if unread > 0 then
  os.exit(1, true)
end
