/* SPDX-License-Identifier: MIT */
/*
** lasting: a Lua module that, as libuv does, leaves something behind that points into its
** code: here a signal handler.  Were the library unloaded, the next signal would end the
** process.
*/
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>

static void handle(int number) { (void)number; }

int luaopen_lasting(lua_State *L) {
  signal(SIGUSR1, handle);
  lua_pushboolean(L, 1);
  return 1;
}
