# SPDX-License-Identifier: MIT
# embed_scripts: the example scripts as a C file, so that a copied binary has them.
#
# Each file becomes a string of its lines, under its path below scripts/.  The list ends
# with an entry without a name.
# Run as: awk -f .ci/embed_scripts.awk FILE...

BEGIN { print "#include \"state/state.h\"\n" }

function end_source() {
  if (count > 0) print "    ;\n"
}

FNR == 1 {
  end_source()
  name[++count] = FILENAME
  sub(/^scripts\//, "", name[count])
  print "static const char source_" count "[] ="
}

{
  gsub(/[\\"?]/, "\\\\&")
  print "    \"" $0 "\\n\""
}

END {
  end_source()
  print "const cr_embedded cr_embedded_scripts[] = {"
  for (i = 1; i <= count; i++)
    print "    {\"" name[i] "\", source_" i ", sizeof source_" i " - 1},"
  print "    {NULL, NULL, 0}};"
}
