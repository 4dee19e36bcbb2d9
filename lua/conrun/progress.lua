-- SPDX-License-Identifier: MIT
--
-- progress: how far something has come, at the bottom of the terminal.
--
--   files:  45%|████████▌          | 45/100 [00:12<00:15, 3.61 it/s]
--
-- Bars go to stderr, so a program's output stays clean.  Each bar has a row of its
-- own at the bottom of the terminal, which belongs to all strands (src/screen/screen.c):
-- what any of them prints or logs comes above it.  A bar is drawn at most ten times a
-- second, however often it is told something.
--
-- Off a terminal nothing can be drawn again.  There a bar is a plain line now and
-- then, and one when it is closed, so that a log shows that the program is alive.
--
-- The rate that the remaining time is reckoned with is that of the last seconds, not
-- of the whole: each drawing moves it a part of the way to what it sees.
--
-- Refused: a bar in another strand than the one that made it.  Workers report to
-- their pool by finishing tasks; a strand that is on its own makes its own bar.

local check = require "conrun.check"
local core = require "conrun.core"
local clock = core.public.clock
local plot = require "conrun.plot"
local screen = require "conrun.core.screen"
local text = require "conrun.text"

local progress = {}

local interval = 0.1 -- seconds between two drawings
local smoothing = 0.3 -- how far the rate moves to the newest one
local margin = 3 -- columns that stay free, for the ^C of who has enough
local most_columns = 120 -- of a row: what is longer than that nobody reads

---@class conrun.Progress
---@field package total number?
---@field package done number
---@field package name string?
---@field package unit string
---@field package leave boolean
---@field package every number seconds between plain lines
---@field package started number
---@field package drawn number when it was last
---@field package drawn_done number how far it was then
---@field package rate number? items in a second, smoothed
---@field package row integer? of the terminal
---@field package closed boolean?
local methods = {}

------------------------------------------------------------------------ its text

local function clock_text(seconds)
  if seconds ~= seconds or seconds >= 360000 then
    return "?"
  end
  seconds = math.floor(seconds)
  local h, m, s = seconds // 3600, seconds // 60 % 60, seconds % 60
  return h > 0 and ("%d:%02d:%02d"):format(h, m, s) or ("%02d:%02d"):format(m, s)
end

local function count_text(n)
  return math.tointeger(n) and ("%d"):format(n) or ("%.1f"):format(n)
end

local function rate_text(self, rate)
  if not rate or rate <= 0 or rate == math.huge then
    return "? " .. self.unit .. "/s"
  elseif rate < 1 then
    return ("%.2f s/%s"):format(1 / rate, self.unit)
  end
  return (rate < 100 and "%.2f %s/s" or "%.0f %s/s"):format(rate, self.unit)
end

-- A total that turned out to be too low is as good as none.
local function total_of(self)
  return self.total and self.done <= self.total and self.total or nil
end

local function share_of(self, total)
  return total > 0 and math.max(0, self.done / total) or 1
end

local function head(self)
  return self.name and self.name .. ": " or ""
end

-- The whole time, and the rate over it.
local function summary(self)
  local elapsed = clock() - self.started
  return clock_text(elapsed) .. ", " .. rate_text(self, self.done / elapsed)
end

local function plain_line(self)
  local total = total_of(self)
  local count = count_text(self.done)
  if total then
    count = ("%s/%s (%d%%)"):format(count, count_text(total), math.floor(share_of(self, total) * 100))
  else
    count = count .. " " .. self.unit
  end
  return ("%s%s [%s]\n"):format(head(self), count, summary(self))
end

local function times(self, total)
  local elapsed = clock() - self.started
  local rate = self.rate or (self.done > 0 and self.done / elapsed or nil)
  if not total then
    return ("[%s, %s]"):format(clock_text(elapsed), rate_text(self, rate))
  end
  local left = rate and rate > 0 and (total - self.done) / rate or 0 / 0
  return ("[%s<%s, %s]"):format(clock_text(elapsed), clock_text(left), rate_text(self, rate))
end

-- One row of at most so many columns; the meter takes what the words leave.
local function row_text(self, columns, final)
  columns = math.min(columns, most_columns)
  local total = total_of(self)
  local ending = final and "[" .. summary(self) .. "]" or times(self, total)
  if not total then
    local line = ("%s%s %s %s"):format(head(self), count_text(self.done), self.unit, ending)
    return text.clip(line, columns, "")
  end
  local share = share_of(self, total)
  local before = ("%s%3d%%|"):format(head(self), math.floor(share * 100))
  local after = ("| %s/%s %s"):format(count_text(self.done), count_text(total), ending)
  local room = columns - text.width(before) - text.width(after)
  if room < 4 then
    before, after, room = before:sub(1, -2), after:sub(2), 0
  end
  return text.clip(before .. plot.meter(share, room) .. after, columns, "")
end

---------------------------------------------------------------------- its drawing

local function draw(self, now, columns)
  local passed = now - self.drawn
  if self.row and passed > 0 then
    local rate = (self.done - self.drawn_done) / passed
    self.rate = self.rate and self.rate + smoothing * (rate - self.rate) or rate
  end
  self.drawn, self.drawn_done = now, self.done
  self.row = screen.show(self.row, row_text(self, columns - margin))
end

-- Draws if it is time to.
local function look(self)
  local now = clock()
  if now - self.drawn < interval then
    return
  end
  local columns = screen.columns()
  if columns then
    draw(self, now, columns)
  elseif now - self.drawn >= self.every then
    self.drawn = now
    screen.line(plain_line(self))
  end
end

local function check_open(self, name)
  if self.closed then
    check.raise("bad call of '%s' (the progress bar is closed)", name)
  end
end

local function check_number(n, name)
  if type(n) ~= "number" or n ~= n or n == math.huge or n == -math.huge then
    check.fail(1, name, "finite number", n)
  end
  return n
end

--- Counts further items.
---@param n? number 1 unless given
function methods:update(n)
  check_open(self, "update")
  self.done = self.done + (n == nil and 1 or check_number(n, "update"))
  look(self)
end

--- Says how many items are done in all.
---@param done number
function methods:set(done)
  check_open(self, "set")
  self.done = check_number(done, "set")
  look(self)
end

--- Says what is being done now: changes the text in front of the bar.
---@param label string
function methods:label(label)
  check_open(self, "label")
  if type(label) ~= "string" then
    check.fail(1, "label", "string", label)
  end
  self.name = label:gsub("%c", " ")
  look(self)
end

--- Takes the bar off the screen, or leaves its last state as a line.  A second time
--- it does nothing.
function methods:close()
  if self.closed then
    return
  end
  self.closed = true
  local columns = screen.columns()
  if not columns then
    screen.line(plain_line(self))
  elseif self.row then
    screen.drop(self.row, self.leave and row_text(self, columns - margin, true) .. "\n" or "")
  end
end

progress.metatable = {
  __name = "progress",
  __index = methods,
  __close = methods.close,
  __transfer = function() error("cannot send a progress bar; another strand makes its own", 0) end,
  __tostring = function(self)
    local total = self.total and "/" .. count_text(self.total) or ""
    local name = self.name and (" '%s'"):format(self.name) or ""
    return ("progress%s (%s%s%s)"):format(name, count_text(self.done), total, self.closed and ", closed" or "")
  end,
}

progress.methods = methods

------------------------------------------------------------------------ making one

---@class conrun.ProgressOptions
---@field total? number
---@field label? string
---@field unit? string
---@field leave? boolean
---@field every? number

local known = { total = true, label = true, unit = true, leave = true, every = true }

local function check_option(options, name, good, expected)
  local value = options[name]
  if value ~= nil and not good(value) then
    local got = type(value) == "number" and tostring(value) or type(value)
    check.raise("bad option '%s' (%s expected, got %s)", name, expected, got)
  end
end

local function is_amount(x) return type(x) == "number" and x >= 0 and x < math.huge end
local function is_text(x) return type(x) == "string" end
local function is_flag(x) return type(x) == "boolean" end

local function make(options, position, name)
  options = check.options(options, known, position, name)
  check_option(options, "total", is_amount, "number, not negative,")
  check_option(options, "every", is_amount, "seconds, not negative,")
  check_option(options, "label", is_text, "string")
  check_option(options, "unit", is_text, "string")
  check_option(options, "leave", is_flag, "boolean")
  local leave = options.leave
  if leave == nil then
    leave = screen.shown() == 0
  end
  local now = clock()
  local self = setmetatable({
    total = options.total,
    done = 0,
    name = options.label and options.label:gsub("%c", " "),
    unit = options.unit or "it",
    leave = leave,
    every = options.every or 10,
    started = now,
    drawn = now,
    drawn_done = 0,
  }, progress.metatable)
  local columns = screen.columns()
  if columns then
    draw(self, now, columns)
  end
  return self
end

--- A bar; close it, or make it a `<close>` variable.
---@param options? conrun.ProgressOptions|number the total alone
---@return conrun.Progress
function progress.new(options)
  return make(type(options) == "number" and { total = options } or options, 1, "new")
end

-- What a loop closes is the bar, also when it is left by `break` or an error.
local function each_item(xs, bar)
  local i, n = 0, #xs
  return function()
    if i > 0 then
      bar:update()
    end
    i = i + 1
    if i <= n then
      return i, xs[i]
    end
    bar:close()
  end, nil, nil, bar
end

local function each_call(xs, bar)
  local first = true
  local function pass(...)
    if ... == nil then
      bar:close()
    end
    return ...
  end
  return function(state, control)
    if not first then
      bar:update()
    end
    first = false
    return pass(xs(state, control))
  end, nil, nil, bar
end

--- Goes through `i, x` of a list, a range or a shared list, or through what an iterator
--- function gives, and shows how far it is.
---@param xs any[]|fun(): any ...
---@param options? conrun.ProgressOptions|string the label alone
---@return fun(): any ...
---@return nil
---@return nil
---@return conrun.Progress closed when the loop is left
function progress.each(xs, options)
  options = type(options) == "string" and { label = options } or options
  if type(xs) == "function" then
    return each_call(xs, make(options, 2, "each"))
  end
  local meta = getmetatable(xs)
  if type(xs) ~= "table" and not (type(meta) == "table" and meta.__len and meta.__index) then
    check.fail(1, "each", "list, range or iterator function", xs)
  end
  local bar = make(options, 2, "each")
  bar.total = bar.total or #xs
  return each_item(xs, bar)
end

-- for x in conrun.progress(xs): the items alone, as they come.
local function items(_, xs, options)
  local step, state, control, bar = progress.each(xs, options)
  if type(xs) == "function" then
    return step, state, control, bar
  end
  return function()
    local i, x = step()
    if i and x == nil then
      check.raise("item %d is nil, which would end the loop: use conrun.progress.each", i)
    end
    return x
  end, nil, nil, bar
end

return setmetatable(progress, { __call = items, __index = require("conrun.core").answers_index "conrun.progress" })
