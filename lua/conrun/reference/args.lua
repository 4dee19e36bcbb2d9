-- SPDX-License-Identifier: MIT
---@meta conrun.args
-- luacheck: ignore

--- The command line of a script, described by its default values. The scripts of conrun use it.
---@class conrun.args
local args = {}

--- Reads a script's options. The kind of each default says what the option takes: `false` makes a flag, an integer
--- takes a whole number of at least 1 (0 if the default is 0), `{ 8, least = 2, most = 64 }` one within limits, a float a number of at least 0, a string takes any text,
--- and a list takes one of its words, the first being the default. The field `no_lock` is the option `--no-lock`; `--help` prints the usage and ends the program. What is not
--- known ends the program with one line on stderr and exit code 1.
---
--- ```lua
--- local options = conrun.args.read({ "--count=3", "file.txt" }, "usage: ...",
---   { count = 10, kind = { "process", "thread" }, fast = false }, 1)
--- print(options.count, options.kind, options.fast, options[1]) --> 3 process false file.txt
--- ```
---@param list string[] the script's `arg`
---@param usage string
---@param spec table<string, boolean|integer|string|table> options by their defaults
---@param positional? integer how many other arguments are allowed, 0 unless given
---@return table options by field, and the other arguments from [1] on
function args.read(list, usage, spec, positional) end

--- A whole number of at least `least` from a text, or the end of the program.
---
--- ```lua
--- print(conrun.args.integer("--count", "12", 1)) --> 12
--- ```
---@param what string names the argument in the message
---@param text string?
---@param least? integer 1 unless given
---@param most? integer
---@return integer number
function args.integer(what, text, least, most) end

--- A list of whole numbers from a text such as "1,2,4", or the end of the program.
---
--- ```lua
--- print(table.concat(conrun.args.integers("--sizes", "2,4,8"), " ")) --> 2 4 8
--- ```
---@param what string names the argument in the message
---@param text string
---@param least? integer 1 unless given
---@param most? integer
---@return integer[] numbers
function args.integers(what, text, least, most) end

--- Ends the program with one line on stderr and exit code 1.
---
--- ```lua
--- -- conrun.args.fail("no file '%s'", name) ends the script with that line on stderr and exit code 1
--- print(type(conrun.args.fail)) --> function
--- ```
---@param format string as for string.format
---@param ... any
function args.fail(format, ...) end

return args
