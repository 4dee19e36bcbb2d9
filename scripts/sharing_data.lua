-- SPDX-License-Identifier: MIT
--
-- Which tools share data, with threads and processes?
--
-- The code in sharing/order.lua and sharing/data.lua never asks which of the two
-- it runs with: a tool is the same object, with the same methods, for both.  A
-- function that is started takes its upvalues along, and a tool among them stays
-- the same tool on both sides.  Each is used in a way whose result is right only
-- if the tool works.

local folder = arg[0]:match "^(.*/)" or "./"
package.path = folder .. "lib/?.lua;" .. folder .. "?.lua;" .. package.path

local args = require "conrun.args"
local lesson = require "lesson"

local usage = [[
Which tools share data, with threads and processes?

conrun scripts/sharing_data.lua [--kind=both|thread|process] [--only=WORD]

  --kind=both   with threads, and again with processes
  --only=WORD   only tools with this word in their names
]]

local options = args.read(arg, usage, { kind = { "both", "thread", "process" }, only = "" })

local tools = {}
for _, part in ipairs { "sharing.order", "sharing.data" } do
  for _, tool in ipairs(require(part)) do
    if tool.name:lower():find(options.only:lower(), 1, true) then
      tools[#tools + 1] = tool
    end
  end
end
if #tools == 0 then
  args.fail("no tool has '%s' in its name; try --only=lock", options.only)
end

local text, exact = lesson.try("tool", tools, lesson.kinds(options.kind))
print(text)
print(("\n%d of %d tools shared their data exactly."):format(exact, #tools))
