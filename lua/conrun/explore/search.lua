-- SPDX-License-Identifier: MIT
--
-- search: which schedules are tried, and how a failing one becomes a short one.
--
-- Internal.  A strategy gives the schedules to be tried, one after the other, and is told of
-- each run in the same order; two runs are under way at a time, on two processors.
--
-- exhaustive   Every run has made choices; each other candidate at each choice behind the last
--              deviation is another schedule.  Those that need fewer preemptions come first,
--              so that the simplest failure is found first.
--
--              A strand is not preempted before an operation on an object that only this
--              strand has used, or that all have only looked at: such an operation commutes
--              with what all others do.  What was left out for that reason is kept, and tried
--              as soon as any run shows that the object is shared.  Objects are known by
--              their type and the order of their making.

local trial = require "conrun.explore.trial"

local search = {}

-- ------------------------------------------------------------------ strategies

local looks = {}
for _, name in ipairs {
  "get", "done", "state", "size", "empty", "full", "value", "alive", "is_set", "locked", "running", "error",
  "index", "len", "waiting", "broken", "join",
} do
  looks[name] = true
end

local function only_looks(step)
  return step.type ~= "queue" and step.type ~= "lock" and looks[step.op:match ":(.*)" or ""] or false
end

local Exhaustive = {}
Exhaustive.__index = Exhaustive

local function exhaustive(options)
  local levels = {}
  for cost = 0, options.preemptions do
    levels[cost] = { first = 1 }
  end
  table.insert(levels[0], { cost = 0, last = -1, deviations = {} })
  local self = { levels = levels, most = options.preemptions, shared = {}, users = {}, put_off = {} }
  return setmetatable(self, Exhaustive)
end

function Exhaustive:next()
  for cost = 0, self.most do
    local level = self.levels[cost]
    local item = level[level.first]
    if item then
      level[level.first] = nil
      level.first = level.first + 1
      return item
    end
  end
end

function Exhaustive.word(_, item)
  return trial.word(item.deviations)
end

local function object_of(step)
  return step.type .. step.serial
end

function Exhaustive:release(object)
  self.shared[object] = true
  for _, item in ipairs(self.put_off[object] or {}) do
    table.insert(self.levels[item.cost], item)
  end
  self.put_off[object] = nil
end

-- Who uses what, over all runs.
function Exhaustive:learn(run)
  for _, step in ipairs(run.steps) do
    local object = object_of(step)
    if step.stands == 0 and not self.shared[object] then
      local user = self.users[object] or { count = 0, by = {} }
      self.users[object] = user
      if not user.by[step.who] then
        user.by[step.who] = true
        user.count = user.count + 1
      end
      user.changed = user.changed or not only_looks(step)
      if user.count > 1 and user.changed then
        self:release(object)
      end
    end
  end
end

function Exhaustive:add(parent, at, step, pick)
  local cost = parent.cost + (trial.preempts(step, pick) and 1 or 0)
  if cost > self.most then
    self.cut = true
    return
  end
  local deviations = table.move(parent.deviations, 1, #parent.deviations, 1, {})
  table.insert(deviations, { at = at, pick = pick, op = step.op })
  local item = { cost = cost, last = at, deviations = deviations }
  local object = object_of(step)
  if step.kept and not self.shared[object] then
    self.put_off[object] = self.put_off[object] or {}
    table.insert(self.put_off[object], item)
  else
    table.insert(self.levels[cost], item)
  end
end

function Exhaustive:tell(item, run)
  self:learn(run)
  local at = 0
  for _, step in ipairs(run.steps) do
    if #step.candidates > 1 then
      for pick = 1, at > item.last and #step.candidates - 1 or 0 do
        self:add(item, at, step, pick)
      end
      at = at + 1
    end
  end
end

function Exhaustive:over()
  for cost = 0, self.most do
    if self.levels[cost][self.levels[cost].first] then
      return false
    end
  end
  return true
end

local Chance = {}
Chance.__index = Chance

local function random(options)
  return setmetatable({ number = options.seed or 0, form = "seed:%d" }, Chance)
end

-- Priorities need to know how many choices a run has: the first one tells.  Each depth in turn.
local function pct(options)
  local self = { number = options.seed or 0, form = "pct:%d:%d:%d", depth = options.depth, length = 50 }
  return setmetatable(self, Chance)
end

function Chance:next()
  self.number = self.number + 1
  return self.number
end

function Chance:word(number)
  if self.depth then
    return self.form:format(number, 1 + number % self.depth, self.length)
  end
  return self.form:format(number)
end

function Chance:tell(_, run)
  if self.length then
    self.length = math.max(self.measured and self.length or 1, run.choices)
    self.measured = true
  end
end

function Chance.over()
  return false
end

search.strategies = { exhaustive = exhaustive, random = random, pct = pct }

-- ------------------------------------------------------------------- searching

local AT_ONCE = 2

--- Tries schedules until one fails or all are tried.
---@return table found tried, failing run or nil, outcomes, complete
function search.run(subject, options)
  local strategy = search.strategies[options.strategy](options)
  local found = { tried = 0, outcomes = {}, length = 0, strands = 0 }
  local started, under_way = 0, {}
  while not found.run do
    while #under_way < AT_ONCE and started < options.schedules do
      local item = strategy:next()
      if not item then
        break
      end
      started = started + 1
      table.insert(under_way, { item = item, handle = trial.start(subject, strategy:word(item)) })
    end
    local first = table.remove(under_way, 1)
    if not first then
      break
    end
    local run = trial.finish(first.handle)
    found.tried = found.tried + 1
    found.length = math.max(found.length, run.choices)
    found.strands = math.max(found.strands, run.strands)
    found.outcomes[run.out] = (found.outcomes[run.out] or 0) + 1
    strategy:tell(first.item, run)
    if options.on_run then
      options.on_run(run)
    end
    local is_found = options.is_found or trial.same
    if run.failure and not options.outcomes and is_found(run.failure, run.failure) then
      found.run = run
    elseif run.failure and options.outcomes then
      found.outcomes[run.out] = found.outcomes[run.out] - 1
      local text = run.out .. run.failure
      found.outcomes[text] = (found.outcomes[text] or 0) + 1
      found.failed = found.failed or run
    end
  end
  for _, other in ipairs(under_way) do
    trial.finish(other.handle)
  end
  for text, count in pairs(found.outcomes) do
    if count == 0 then
      found.outcomes[text] = nil
    end
  end
  found.run = found.run or found.failed
  found.complete = strategy:over()
  return found
end

-- ------------------------------------------------------------------ minimising

local TRIES = 300

local function shorter(a, b)
  if a.preemptions ~= b.preemptions then
    return a.preemptions < b.preemptions
  elseif #a.deviations ~= #b.deviations then
    return #a.deviations < #b.deviations
  end
  return #a.steps < #b.steps
end

local function without(list, first, last)
  local rest = {}
  for i, d in ipairs(list) do
    if i < first or i > last then
      rest[#rest + 1] = { at = d.at, pick = d.pick }
    end
  end
  return rest
end

--- A run that fails in the same way with fewer preemptions and fewer deviations.  Leaves out
--- pieces of the list of deviations, large ones first.
function search.minimise(subject, run)
  local best, tries = run, 0
  local function try(deviations)
    tries = tries + 1
    local other = trial.run(subject, trial.word(deviations))
    if not trial.same(other.failure, run.failure) or not shorter(other, best) then
      return false
    end
    best = other
    return true
  end
  local piece = #best.deviations
  while piece >= 1 and tries < TRIES do
    local last, any = #best.deviations, false
    while last >= 1 and tries < TRIES do
      local first = math.max(1, last - piece + 1)
      any = try(without(best.deviations, first, last)) or any
      last = math.min(first - 1, #best.deviations)
    end
    if not any or piece > 1 then
      piece = piece == 1 and 0 or (piece + 1) // 2
    end
  end
  return best, tries
end

local FEWER = 100 -- schedules in which fewer preemptions are looked for

--- The same failure with the fewest preemptions, if they are soon found.
function search.simplest(subject, run, options)
  local best = search.minimise(subject, run)
  if best.preemptions > 0 and options.strategy ~= "exhaustive" and options.fewer ~= 0 then
    local other = search.run(subject, {
      strategy = "exhaustive", schedules = options.fewer or FEWER, preemptions = best.preemptions - 1,
      is_found = function(failure) return trial.same(failure, run.failure) end,
    })
    best = other.run and search.minimise(subject, other.run) or best
  end
  return best
end

--- The word of a failing run, and how often out of `times` it fails again.
function search.confirm(subject, run, times)
  local word, same = trial.word(run.deviations, run.checksum), 0
  for _ = 1, times do
    local again = trial.run(subject, word)
    if again.checksum == run.checksum and again.failure == run.failure then
      same = same + 1
    end
  end
  return word, same
end

return search
