/* SPDX-License-Identifier: MIT */
/*
** oslib: os.exit, which ends a strand instead of the program.
**
** In the main strand os.exit ends the program, workers and all (cr_lua_lent, by
** host/).  In a worker it ends that worker only:
**
**   a process   leaves at once with the code, as os.exit of plain Lua does; the
**               keeper buries it and fails the task or call it was in
**   a thread    leaves at once too, for the end of its own life (entry.c): its state is
**               closed, and it buries itself as the keeper buries a process
**
** No error is raised for it, so nothing that catches errors can keep the strand.  The
** code is kept in worker->leaving, where the end of the worker finds it.
*/
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/lib.h"

/* A text is printed and means failure; in the main strand it is an error, as in
** Lua itself. */
static int exit_status(lua_State *L) {
  if (cr_self() && lua_type(L, 1) == LUA_TSTRING) {
    lua_writestringerror("%s\n", lua_tostring(L, 1));
    return EXIT_FAILURE;
  }
  if (lua_isboolean(L, 1)) return lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
  return (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
}

/* What it holds needs no care here: the keeper drops it as of any dead process. */
_Noreturn static void leave_process(lua_State *L, int status, bool close) {
  cr_state_hide();
  if (close) lua_close(L);
  fflush(NULL);
  _exit(status);
}

static int os_exit(lua_State *L) {
  int status = exit_status(L);
  cr_callbacks_last(L);
  bool close = lua_toboolean(L, 2);
  cr_worker *w = cr_self();
  if (!w) {
    if (cr_lua_lent.exit) cr_lua_lent.exit(L, status, close);
    exit(status);
  }
  if (cr_stray) {
    if (close) lua_close(L);
    exit(status);
  }
  atomic_store(&w->leaving, (status & 0xff) + 1);
  if (w->kind == CR_PROCESS) leave_process(L, status, close);
  cr_thread_leave();
}

static _Atomic(lua_CFunction) set_locale; /* Lua's own; the same in all states */

static int os_setlocale(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    cr_debris_locale();
    cr_lua->settings++;
  }
  return set_locale(L);
}

/* Replaces os.setlocale in the table on top.  [-0, +0, m] */
static void watch_locale(lua_State *L) {
  lua_getfield(L, -1, "setlocale");
  lua_CFunction f = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  if (!f || f == os_setlocale) return;
  set_locale = f;
  lua_pushcfunction(L, os_setlocale);
  lua_setfield(L, -2, "setlocale");
}

void cr_os_open(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_OSLIBNAME) == LUA_TTABLE) {
    lua_pushcfunction(L, os_exit);
    lua_setfield(L, -2, "exit");
    watch_locale(L);
  }
  lua_pop(L, 2);
}
