-- SPDX-License-Identifier: MIT
---@meta conrun.log
-- luacheck: ignore

--- A log: whole lines from any strand, each with the time, the level and the strand's name.
---
--- Level and target belong to the strand that sets them; workers that it starts from then on begin with them, and those
--- of a pool that it has made follow; main begins with "info" and stderr. In a sandbox that has no files, and where a function cannot be sent, it is stderr.
---
--- ```lua
--- conrun.log.to(function(line) print(line:match "%a+ +%[.*$") end)
--- conrun.log.warn("%d items left", 7) --> warn  [main] 7 items left
--- conrun.log.debug "not shown"
--- ```
---@class conrun.log
local log = {}

--- Reads or sets the level below which nothing is written.
---
--- ```lua
--- print(conrun.log.level()) --> info
--- conrun.log.level "off"
--- conrun.log.error "nobody sees this"
--- ```
---@param name? "debug"|"info"|"warn"|"error"|"off"
---@return string level that holds now
function log.level(name) end

--- Says where lines go from now on. An error if the file cannot be opened.
---
--- ```lua
--- conrun.log.to(function(line) print((line:gsub("^%S+ ", ""))) end)
--- conrun.log.warn("%d items left", 7) --> warn [main] 7 items left
--- ```
---@param target "stderr"|string|fun(line: string) a path is appended to; a function gets each line without its end
function log.to(target) end

--- Writes a line of level "debug".
---
--- ```lua
--- conrun.log.level "debug"
--- conrun.log.to(function(line) print((line:gsub("^%S+ ", ""))) end)
--- conrun.log.debug("x is %s", 5) --> debug [main] x is 5
--- ```
---@param format string as for string.format; without further arguments it is taken as it is
---@param ... any
function log.debug(format, ...) end

--- Writes a line of level "info".
---
--- ```lua
--- conrun.log.to(function(line) print((line:gsub("^%S+ ", ""))) end)
--- conrun.log.info "100 % done" --> info [main] 100 % done
--- ```
---@param format string
---@param ... any
function log.info(format, ...) end

--- Writes a line of level "warn".
---
--- ```lua
--- conrun.log.to(function(line) print((line:gsub("^%S+ ", ""))) end)
--- conrun.log.warn "slow today" --> warn [main] slow today
--- ```
---@param format string
---@param ... any
function log.warn(format, ...) end

--- Writes a line of level "error".
---
--- ```lua
--- conrun.log.to(function(line) print((line:gsub("^%S+ ", ""))) end)
--- conrun.log.error "it broke" --> error [main] it broke
--- ```
---@param format string
---@param ... any
function log.error(format, ...) end

return log
