-- SPDX-License-Identifier: MIT
--
-- A standard of luacheck: what the prompt adds to Lua's globals.
--
-- In a .luacheckrc:
--
--   stds.conrun = dofile "/usr/local/share/conrun/luacheck.lua"
--   std = "lua54+conrun"
--
-- Scripts need none of it: they get conrun by `require`, and add no globals.

return {
  read_globals = { "help" },
  globals = { "conrun", "_PROMPT", "_PROMPT2" },
}
