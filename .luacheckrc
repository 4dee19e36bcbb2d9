-- SPDX-License-Identifier: MIT
std = "lua54"
max_line_length = 120
files["spec"] = { std = "lua54+busted" }
-- Scripts and specs define globals on purpose: workers take them along.
files["scripts"] = { allow_defined_top = true }
files["spec/**/*_spec.lua"] = { std = "lua54+busted", allow_defined_top = true }
