/* SPDX-License-Identifier: MIT */
/*
** unasked: failures that nobody asked about, told at the end of the program.
**
** A task that fails says so to whoever asks its future.  If nobody ever does, the program
** would end as if all were well; so one line says how many there were, and what the first
** was.  A program that has set conrun.on_error has said how it wants to hear of errors, and
** gets none.
**
** The futures of main are gone when its state is closed, so this comes after that; the
** error is read in a small state of its own.
*/
#include <string.h>

#include "host/host.h"

/* The error's message and strand in one line.  Argument: the value. */
static int tell(lua_State *L) {
  cr_value *v = lua_touserdata(L, 1);
  lua_Integer n = lua_tointeger(L, 2);
  if (cr_decode(L, v) < 1) return 0;
  const char *message = luaL_tolstring(L, 3, NULL);
  if (lua_istable(L, 3) && lua_getfield(L, 3, "message") == LUA_TSTRING)
    message = lua_tostring(L, -1);
  int length = (int)strcspn(message, "\n");
  fprintf(
      stderr,
      "%s: %lld task%s failed, and nobody asked; the first: %.*s (--unasked=off hides this line)\n",
      cr_report_prefix(), (long long)n, n == 1 ? "" : "s", length, message);
  return 0;
}

/* The first error, in hand; the count. */
static uint64_t take_failures(cr_value *v) {
  cr_sync_part *root = cr_sync_root();
  uint64_t n = atomic_load(&root->unasked);
  v->head = CR_V_NONE;
  if (n > 0) cr_value_take_out(&root->first, v);
  return n;
}

void cr_host_unasked(bool wanted) {
  cr_value v;
  uint64_t n = take_failures(&v);
  if (n == 0) return;
  lua_State *L = wanted ? cr_lib_new_state() : NULL;
  if (!L) {
    cr_value_free(&v);
    return;
  }
  lua_pushcfunction(L, tell);
  lua_pushlightuserdata(L, &v);
  lua_pushinteger(L, (lua_Integer)n);
  lua_pcall(L, 2, 0, 0);
  cr_lib_close_state(L);
}
