/* SPDX-License-Identifier: MIT */
/*
** memfile: a memory file of a given name and beginning, which stays open, as that of another
** version of conrun would look from outside.
*/
#include <lauxlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* make(name, bytes) */
static int make(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 2, &n);
  int fd = memfd_create(luaL_checkstring(L, 1), 0);
  if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) return luaL_error(L, "no memory file");
  return 0;
}

int luaopen_memfile(lua_State *L) {
  lua_pushcfunction(L, make);
  return 1;
}
