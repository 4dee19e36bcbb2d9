-- SPDX-License-Identifier: MIT
---@meta conrun.pipe
-- luacheck: ignore

--- Pipes: two ends that belong together; what one sends the other receives, in order, whole messages of any size.
--- Sending never waits.
---
--- An end is closed when no strand holds it any more: by `close`, by `<close>`, by being collected as garbage,
--- or by death. The other end then receives what was sent, and after that "closed".
---@class conrun.pipe
local pipe = {}

---@class conrun.PipeOptions
---@field duplex? boolean default true; false: `a` only receives what `b` sends

--- A pipe with its two ends.
---
--- ```lua
--- local here, there = conrun.pipe.new()
--- local worker = conrun.process.start(function() there:send("hello " .. there:recv()) end)
--- here:send "pipe"
--- print(here:recv()) --> hello pipe
--- worker:join()
--- ```
---@param options? conrun.PipeOptions
---@return conrun.Pipe a
---@return conrun.Pipe b
function pipe.new(options) end

--- One end of a pipe. It can be looped over: `for v in a do` receives until nothing more can come, and raises at a nil
--- that was sent, which a loop cannot tell from its end. `conrun.select` takes ends that receive: one is ready when a message is there or no more can
--- come. As a `<close>` variable an end is closed at the end of its block.
---@class conrun.Pipe
local Pipe = {}

--- Sends a value. An error if this end only receives or was closed by this strand.
---
--- ```lua
--- local a, b = conrun.pipe.new()
--- print(a:send { x = 1 }, b:recv().x) --> true 1
--- b:close()
--- print(a:send "anyone?")             --> false closed
--- ```
---@param value any
---@return boolean sent
---@return string? why "closed" if nobody holds the other end
function Pipe:send(value) end

--- Receives the next value, waiting for it. An error if this end only sends or was closed by this strand.
---
--- ```lua
--- local a, b = conrun.pipe.new()
--- b:send "hello"
--- b:close()
--- print(a:recv()) --> hello
--- print(a:recv()) --> nil closed
--- ```
---@param timeout? number
---@return any value nil also if there was none
---@return string? why "timeout"; "closed" when nothing more can come
function Pipe:recv(timeout) end

--- Would `recv` return at once? Takes nothing away. Unlike elsewhere, no timeout means 0.
---
--- ```lua
--- local a, b = conrun.pipe.new()
--- print(a:poll()) --> false
--- b:send(1)
--- print(a:poll()) --> true
--- ```
---@param timeout? number waits so long for something to come
---@return boolean ready also when the other end is closed
function Pipe:poll(timeout) end

--- Lets go of this strand's handle. Closing twice is no error; any other use of it then is.
---
--- ```lua
--- local a, b = conrun.pipe.new()
--- a:close()
--- print(b:recv()) --> nil closed
--- ```
function Pipe:close() end

return pipe
