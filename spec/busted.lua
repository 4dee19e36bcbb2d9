-- SPDX-License-Identifier: MIT
-- Runs busted on the files named as arguments, in the program that runs this:
--   build/conrun spec/busted.lua spec/lib/lock_spec.lua
-- It is what busted's own command does, under a name of this tree, since that
-- command is a Lua script on one system and a shell script on another.
require "busted.runner" { standalone = false }
