-- SPDX-License-Identifier: MIT
--
-- show: what the prompt shows of a value, for scripts.
--
-- `print` of a table gives its address, as Lua's always does; this gives what is in it.

local pretty = require "conrun.repl.pretty"

local columns = 80

--- Prints values as the prompt shows them, between tabs, as one line or several.
---@param ... any
return function(...)
  local texts = {}
  for i = 1, select("#", ...) do
    texts[i] = pretty.format((select(i, ...)), { width = columns })
  end
  print(table.concat(texts, "\t"))
end
