/* SPDX-License-Identifier: MIT */
/*
** idle: what a pool's worker does between two tasks.
*/
#include <stdlib.h>

#include "state/inside.h"

void idle_look_up(lua_State *L) {
  if (cr_heed(L) & CR_END) cr_post(cr_me, CR_END);
  if (cr_stray) exit(EXIT_SUCCESS); /* a callback has forked, and this is the child */
}

#define MUCH 64 /* kilobytes more than when it was tidied up last */

/* To wait with a deadline costs half as much again as a small task, so it is not done for a
** few bytes: what others may wait for is held by handles. */
bool idle_untidy(lua_State *L) {
  return cr_lua->opened != cr_lua->tidied ||
         lua_gc(L, LUA_GCCOUNT) > cr_lua->tidied_kilobytes + MUCH;
}

/* Functions of calls that are over, and garbage: arguments, results, handles. */
void idle_tidy(lua_State *L) {
  cr_code_tidy(L);
  cr_collect(L);
  cr_lua->tidied = cr_lua->opened;
  cr_lua->tidied_kilobytes = lua_gc(L, LUA_GCCOUNT);
  if (cr_stray) exit(EXIT_SUCCESS); /* a finalizer has forked */
}
