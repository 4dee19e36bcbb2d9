# SPDX-License-Identifier: MIT
# embed: the Lua parts as a C file, so that one binary is the whole program.
#
# Each file becomes a string of its lines; its module name is its path below
# lua/ with dots for slashes, and the init.lua of a folder is the folder itself:
#   lua/conrun/init.lua -> conrun      lua/conrun/pool.lua -> conrun.pool
# The list ends with an entry without a name.
# The texts of the reference have nothing to run: their modules return the text.
# Run as: awk -f .ci/embed.awk FILE...

function module(path) {
  sub(/^lua\//, "", path)
  sub(/\.lua$/, "", path)
  sub(/\/init$/, "", path)
  gsub(/\//, ".", path)
  return path
}

BEGIN { print "#include \"lib/lib.h\"\n" }

function end_source() {
  if (is_text) print "    \"]===]\""
  if (count > 0) print "    ;\n"
}

FNR == 1 {
  end_source()
  is_text = FILENAME ~ /\/reference\//
  name[++count] = module(FILENAME)
  print "static const char source_" count "[] ="
  if (is_text) print "    \"return [===[\\n\""
}

{
  gsub(/[\\"?]/, "\\\\&")
  print "    \"" $0 "\\n\""
}

END {
  end_source()
  print "const cr_embedded cr_embedded_modules[] = {"
  for (i = 1; i <= count; i++)
    print "    {\"" name[i] "\", source_" i ", sizeof source_" i " - 1},"
  print "    {NULL, NULL, 0}};"
}
