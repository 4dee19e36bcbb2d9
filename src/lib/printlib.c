/* SPDX-License-Identifier: MIT */
/*
** printlib: the global `print`, in whole lines from any strand.
**
** A line is put together as one string first, which is where Lua code
** (__tostring) may run, and then written by one fwrite and flushed, as Lua's own
** print is; screen.c keeps it apart from other strands' lines and from bars.
**
** Bytes that io.write has left in stdio's buffer are written by the next print
** of the same process, before its line.
*/
#include "lib/lib.h"

static int print(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&b, '\t');
    luaL_tolstring(L, i, NULL);
    luaL_addvalue(&b);
  }
  luaL_addchar(&b, '\n');
  luaL_pushresult(&b);
  size_t length;
  const char *line = lua_tolstring(L, -1, &length);
  cr_screen_write(L, stdout, line, length);
  return 0;
}

void cr_print_open(lua_State *L) {
  lua_pushcfunction(L, print);
  lua_setglobal(L, "print");
}
