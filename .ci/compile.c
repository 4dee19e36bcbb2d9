/* SPDX-License-Identifier: MIT */
/*
** compile: the Lua parts as precompiled chunks, so that no strand has to parse them.
**
** A program of the build, linked with the list that embed.awk has made of the
** sources and with the Lua that the binary will have, so the chunks are of its very
** kind.  It prints the same list again with chunks in the place of sources.  Names
** and lines stay in, for tracebacks.  A mistake in a source ends the build.
*/
#include <stdio.h>
#include <stdlib.h>

#include "lib/lib.h"

static int write_bytes(lua_State *L, const void *bytes, size_t size, void *unused) {
  (void)L, (void)unused;
  const unsigned char *at = bytes;
  for (size_t i = 0; i < size; i++) printf("%u,%s", at[i], i % 24 == 23 ? "\n" : "");
  return 0;
}

static void compile(lua_State *L, const cr_embedded *m, int number) {
  const char *chunk = lua_pushfstring(L, "=[%s]", m->name);
  if (luaL_loadbufferx(L, m->source, m->size, chunk, "t") != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(EXIT_FAILURE);
  }
  printf("static const unsigned char chunk_%d[] = {\n", number);
  lua_dump(L, write_bytes, NULL, 0);
  printf("};\n\n");
  lua_settop(L, 0);
}

int main(void) {
  lua_State *L = luaL_newstate();
  if (!L) return EXIT_FAILURE;
  printf("#include \"lib/lib.h\"\n\n");
  int n = 0;
  for (const cr_embedded *m = cr_embedded_modules; m->name; m++) compile(L, m, n++);
  printf("const cr_embedded cr_embedded_modules[] = {\n");
  for (int i = 0; i < n; i++)
    printf("    {\"%s\", (const char *)chunk_%d, sizeof chunk_%d},\n", cr_embedded_modules[i].name,
           i, i);
  printf("    {NULL, NULL, 0}};\n");
  lua_close(L);
  return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
