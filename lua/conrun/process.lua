-- SPDX-License-Identifier: MIT
--
-- process: workers that are processes.  They are used as threads are, and can be
-- killed without harm to the rest; see conrun.thread for what is the same.

local worker = require "conrun.worker"

local process = {}

--- Starts a process that calls a function: `start([options,] fn, ...)`.
---@type fun(...): conrun.Worker
process.start = worker.public.start_process

return setmetatable(process, { __index = require("conrun.core").answers_index "conrun.process" })
