-- SPDX-License-Identifier: MIT
--
-- death: the table of deaths, {type} x {what the victim does with it} x {point at which
-- it dies}, and how one of its cells is played.
--
-- Three strands meet.  The **victim**, a process, does its deed under a plan: it dies at
-- the deed's point number n, or survives it and ends.  The **partner** waits, without a
-- timeout and without polling, for what the victim has, does or owes; it is main in one
-- half of the table and a thread in the other.  The **controller** is the other one of
-- these two; it lets the three come in the right order, and knows from the object itself,
-- once the victim is buried, whether the deed has happened.  If it has, the partner must
-- come back without anybody's help; if not, the controller does the deed in the victim's
-- place.  Either way the partner must be served or told, and nothing may be left.
--
-- Order is kept by an array of flags and by naps, which are no waits of conrun's, so the
-- waits of the table are all there is: a wake-up that is lost stays lost, but for the
-- look of a wait without a deadline, which the watch of a hard build reports.  A cell
-- that hangs is told by a watchdog that is not of conrun (watchdog.lua).

local conrun = require "conrun"
local fault = require "fault"
local points = require "spec.chaos.points"
local watchdog = require "spec.chaos.watchdog"

local death = {}

local HANG = 15 -- seconds for one cell

---@class row
---@field name string
---@field make fun(): table shared objects by name
---@field before? fun(o: table) the controller, first of all
---@field ready? fun(o: table) the victim, when nobody harms it yet
---@field deed fun(o: table) the victim, under the plan
---@field await fun(o: table, told: fun(outcome: any)) the partner
---@field first? "partner"|"victim"|"inside" who sleeps, or is in its callback, first
---@field serve? fun(o: table) the controller, when both sleep: for a deed that waits
---@field there? fun(o: table): boolean has the deed happened?  Nothing is done then
---@field rescue? fun(o: table, died: boolean) otherwise: the controller does it
---@field finish? fun(o: table) main, at the end
---@field sleepers? integer strands of the row's own that sleep meanwhile
---@field busy? boolean the partner does not wait for the victim to act, but acts too
---@field fails? boolean the victim's end is an error
---@field gives? boolean the partner gets the victim's handle, out of o.way
---@field tasks? integer the victim is the worker of o.pool and dies over the first of so many
---   tasks, or later; the partner gets their futures, out of o.way

-- The flags.
local READY, ACT, COME, INSIDE, SLEEPS, DONE = 1, 2, 3, 4, 5, 6

local function await(condition)
  while not condition() do
    fault.nap()
  end
end

---The victim is in the callback that its deed is about: goes on when the partner sleeps.
function death.inside(o)
  o.flags[INSIDE] = 1
  await(function() return o.flags[SLEEPS] ~= 0 end)
end

local function die(row, o, rule)
  if row.ready then row.ready(o) end
  o.flags[READY] = 1
  await(function() return o.flags[ACT] ~= 0 end)
  require("fault").plan(rule)
  return row.deed(o)
end

---@return boolean ok, any outcome
local function partner(row, o)
  await(function() return o.flags[COME] ~= 0 end)
  local ok, why = pcall(row.await, o)
  o.flags[DONE] = 1
  return ok, why
end

---Lets the two come in the row's order.
local function arrange(row, o, victim)
  local others = row.sleepers or 0
  local function asleep(n)
    return row.busy or o.flags[DONE] ~= 0 or fault.asleep() >= others + n
  end
  await(function() return o.flags[READY] ~= 0 end)
  if row.first == "victim" then
    o.flags[ACT] = 1
    await(function() return asleep(1) or not victim:alive() end)
    local n = victim:alive() and 2 or 1
    o.flags[COME] = 1
    await(function() return asleep(n) or not victim:alive() and asleep(1) end)
  elseif row.first == "inside" then
    o.flags[ACT] = 1
    await(function() return o.flags[INSIDE] ~= 0 or not victim:alive() end)
    o.flags[COME] = 1
    await(function() return asleep(1) end)
    o.flags[SLEEPS] = 1
  else
    o.flags[COME] = 1
    await(function() return asleep(1) end)
    o.flags[ACT] = 1
  end
end

---The victim is a process of its own.
---@return boolean died
local function control_process(row, o, rule)
  local victim = conrun.process.start({ name = "victim" }, die, row, o, rule)
  if row.gives then o.way:put(victim) end
  arrange(row, o, victim)
  if row.serve then
    row.serve(o, victim)
    -- Served was one of the two; if it was the partner, the victim still waits.
    await(function() return not victim:alive() or o.flags[DONE] ~= 0 end)
    if row.rescue and victim:alive() then row.rescue(o, false) end
  end
  victim:join()
  local died = victim.exitcode == -9
  if not died and not row.fails then victim:result() end
  return died
end

---The victim is a pool's worker, and dies at the latest when the pool is closed.
---@return boolean died
local function control_worker(row, o, rule)
  local futures = { o.pool:submit(die, { deed = row.deed }, { flags = o.flags }, rule) }
  for i = 2, row.tasks do
    futures[i] = o.pool:submit(math.abs, i)
  end
  o.way:put_many(futures)
  arrange(row, o)
  for _, f in ipairs(futures) do
    f:error()
  end
  o.pool:close()
  o.pool:join()
  return fault.hits() > 0
end

---@return boolean died
local function control(row, o, rule)
  if row.before then row.before(o) end
  fault.plan "" -- no hits yet
  local died = (row.tasks and control_worker or control_process)(row, o, rule)
  fault.plan ""
  if row.rescue and o.flags[DONE] == 0 and not (row.there and row.there(o)) then
    row.rescue(o, died)
  end
  return died
end

---One cell.
---@param row row
---@param place "main"|"thread" where the partner is
---@param number integer
---@return boolean died
local function live(row, place, number)
  local rule = ("*:die:%d"):format(number)
  local o = row.make()
  o.flags = conrun.shared.array("i64", 6)
  if row.gives or row.tasks then o.way = conrun.queue.new() end
  local died, ok, why
  if place == "main" then
    local t = conrun.thread.start(control, row, o, rule)
    ok, why = partner(row, o)
    died = t:result()
  else
    local t = conrun.thread.start(partner, row, o)
    died = control(row, o, rule)
    ok, why = t:result()
  end
  if row.finish then row.finish(o) end
  if not ok then error(("the partner was told: %s"):format(tostring(why)), 0) end
  return died
end

-- ------------------------------------------------------------------------- rows

---A copy of a row with other fields.
function death.with(row, fields)
  local copy = {}
  for k, v in pairs(row) do
    copy[k] = v
  end
  for k, v in pairs(fields) do
    copy[k] = v
  end
  return copy
end

---@class deed what one does for another
---@field make fun(): table
---@field await fun(o: table)
---@field change fun(o: table) what makes one who waits go on
---@field there fun(o: table): boolean it has been done, and nobody has had it
---@field rescue? fun(o: table) who does it if the victim did not; `change` unless given
---@field ready? fun(o: table) for what select takes
---@field alone? boolean two who wait are something else

---The rows of such a deed: the partner waits for it; the partner waits for it in select;
---both wait for it, the victim in front.
---@param rows row[]
---@param name string
---@param d deed
function death.add_deed(rows, name, d)
  local rescue = d.rescue or d.change
  rows[#rows + 1] = {
    name = name, make = d.make, deed = d.change, await = d.await, there = d.there, rescue = rescue,
  }
  if d.ready then
    rows[#rows + 1] = {
      name = name .. ", selected", make = d.make, deed = d.change, there = d.there, rescue = rescue,
      await = function(o)
        local never = conrun.event.new()
        assert(conrun.select { never, o.it } == o.it)
      end,
    }
  end
  if not d.alone then
    rows[#rows + 1] = {
      name = name .. ", waited for by two", make = d.make, deed = d.await, await = d.await,
      there = d.there, rescue = rescue, first = "victim", serve = d.change,
    }
  end
end

-- ------------------------------------------------------------------------- all cells

---Plays every cell of the rows, as specs of busted.
---@param rows row[]
---@param describe function busted's, which only spec files see
---@param it function
function death.table(rows, describe, it)
  local only = os.getenv "CONRUN_DEATH" -- by hand: rows whose names have these words, or one cell
  conrun.on_error(function() end) -- a victim that raises is no news
  conrun.process.start(math.abs, 1):join()
  watchdog.set(HANG)
  for _, place in ipairs { "thread", "main" } do
    describe("with a partner in " .. (place == "main" and "main" or "a thread"), function()
      for _, row in ipairs(rows) do
        local name = ("%s, partner in %s"):format(row.name, place)
        if not only or name == only or row.name:find(only, 1, true) then
          it(row.name .. ": nobody is left waiting", function()
            points.each(function(number)
              watchdog.note(("%s, point %d"):format(name, number))
              return live(row, place, number)
            end)
          end)
        end
      end
    end)
  end
end

return death
