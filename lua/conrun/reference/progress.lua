-- SPDX-License-Identifier: MIT
---@meta conrun.progress
-- luacheck: ignore

--- Progress bars at the bottom of the terminal: how far, how long, how fast, and how long it will take yet.
---
---     files:  45%|████████▌          | 45/100 [00:12<00:15, 3.61 it/s]
---
--- Bars go to stderr, each in a row of its own, and are drawn at most ten times a second. What any thread or process
--- prints or logs meanwhile comes above them in whole lines. (Text of `io.write` is not noticed: it stands behind the
--- bar.) Where stderr is no terminal a bar is a plain line every ten seconds, and one at its end.
---
--- `for x in conrun.progress(xs) do`, the module itself called, goes through the items alone.
---@class conrun.progress
local progress = {}

---@class conrun.ProgressOptions
---@field total? number how much there is to do; without it there is no percentage and no remaining time
---@field label? string stands in front of the bar
---@field unit? string what is counted, "it" unless given
---@field leave? boolean does the last state stay as a line? True unless given, but false for a bar within another
---@field every? number seconds between plain lines where stderr is no terminal, 10 unless given

--- A bar. Close it, or make it a `<close>` variable.
---
---     local bar <close> = conrun.progress.new { total = #files, label = "files" }
---     for _, file in ipairs(files) do
---       read(file)
---       bar:update()
---     end
---
--- ```lua
--- local bar <close> = conrun.progress.new { total = 2, leave = false }
--- for _ = 1, 2 do bar:update() end
--- ```
---@param options? conrun.ProgressOptions|number the total alone
---@return conrun.Progress bar
function progress.new(options) end

--- A loop with a bar: goes through `i, x` of a list, a range or a shared list, or through what an iterator function
--- gives. The bar is closed when the loop is left, also by `break` or an error.
---
---     for i, name in conrun.progress.each(names, "files") do read(name) end
---
--- ```lua
--- for i, x in conrun.progress.each({ "a", "b" }, { leave = false }) do print(i, x) end
--- --> 1 a
--- --> 2 b
--- ```
---@param xs any[]|fun(): any ...
---@param options? conrun.ProgressOptions|string the label alone
---@return fun(): any ... the iterator
function progress.each(xs, options) end

--- A progress bar. It belongs to the strand that made it and cannot be sent to another.
---@class conrun.Progress
local bar = {}

--- Counts further items.
---
--- ```lua
--- local bar <close> = conrun.progress.new { total = 10, leave = false }
--- bar:update()
--- bar:update(9)
--- ```
---@param n? number 1 unless given
function bar:update(n) end

--- Says how many items are done in all. More than the total is as if there were no total.
---
--- ```lua
--- local bar <close> = conrun.progress.new { total = 10, leave = false }
--- bar:set(5)
--- ```
---@param done number
function bar:set(done) end

--- Changes the text in front of the bar.
---
--- ```lua
--- local bar <close> = conrun.progress.new { total = 10, label = "reading", leave = false }
--- bar:label "writing"
--- ```
---@param label string
function bar:label(label) end

--- Takes the bar away, or leaves its last state as a line. A second time it does nothing.
---
--- ```lua
--- local bar = conrun.progress.new { total = 10, leave = false }
--- bar:close()
--- ```
function bar:close() end

return progress
