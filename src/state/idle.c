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

/* Functions of calls that are over, and garbage: arguments, results, handles. */
void idle_tidy(lua_State *L) {
  cr_code_tidy(L);
  cr_collect(L);
  if (cr_stray) exit(EXIT_SUCCESS); /* a finalizer has forked */
}
