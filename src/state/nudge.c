/* SPDX-License-Identifier: MIT */
/*
** nudge: how Lua code that does not wait comes to look up.
**
** Whoever posts a notice to a strand also sends a signal to its thread.  The signal's
** handler (nudge) may call one function of Lua, lua_sethook: the hook that it sets runs
** at the next instruction of the Lua code, outside of the handler, and does what the
** notices say.
*/
#include <signal.h>
#include <stdlib.h>

#include "state/inside.h"

/* Once the end was asked for, or the time of the task is over, the hook comes back
** again and again, so that a pcall cannot catch it for good: first with room
** between, for <close> and __gc, and for code that still goes on after ENOUGH
** times, at each instruction. */
#define END_AGAIN 100000
#define ENOUGH 10

/* How often this strand's code was told to end. */
static _Thread_local int told;

/* The hook that the program had set itself when the nudge came; it is put back. */
static _Thread_local struct {
  lua_Hook hook;
  int mask, count;
} before;

static void look_up(lua_State *L, lua_Debug *event) {
  (void)event;
  uint32_t notices = cr_notices();
  bool late = cr_pool_late();
  if ((notices & CR_END) || late) {
    lua_sethook(L, look_up, LUA_MASKCOUNT, ++told < ENOUGH ? END_AGAIN : 1);
  } else {
    lua_sethook(L, before.hook, before.mask, before.count);
    told = 0;
  }
  if (notices & CR_DUMP) cr_dump_if_asked(L);
  if (notices & (CR_END | CR_INTERRUPT)) cr_look_up(L);
  if (late) cr_raise(L, "interrupted!");
}

/* The steps before the work keep their errors to themselves, so an interruption must
** not be raised in them: it would be taken and lost, and the work run on. */
static _Thread_local volatile sig_atomic_t preparing;

/* In a signal handler: makes running Lua code look up at its next instruction.
** lua_sethook is the one function of Lua that may be called here; the getters only read
** a word each.  A running coroutine is another lua_State: it is stopped when it yields,
** ends or waits. */
static void nudge(void) {
  lua_State *L = preparing || !cr_lua ? NULL : cr_lua->L;
  if (!L) return;
  if (lua_gethook(L) != look_up) {
    before.count = lua_gethookcount(L);
    before.mask = lua_gethookmask(L);
    before.hook = lua_gethook(L);
  }
  lua_sethook(L, look_up, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* A pool's worker between two tasks. */
static void look_up_idle(lua_State *L) {
  if (cr_heed(L) & CR_END) cr_post(cr_me, CR_END);
  if (cr_stray) exit(EXIT_SUCCESS); /* a callback has forked, and this is the child */
}

void nudge_begin(void) {
  preparing = true;
  told = 0; /* the thread may have lived another strand before */
}

void nudge_ready(void) {
  preparing = false;
  if (cr_notices()) nudge(); /* one that came before, and was only posted */
}

/* Whoever asked for the end is answered by it, and finalizers may run. */
void nudge_end(lua_State *L) {
  lua_sethook(L, NULL, 0, 0);
  cr_notices_take();
}

void nudge_register(void) {
  cr_lent.nudge = nudge;
  cr_lua_lent.look_up_idle = look_up_idle;
}
