/* SPDX-License-Identifier: MIT */
/*
** deep: calls of Lua code in the middle of calls, as deep as memory allows.
**
** A worker computes the task that it waits for in the middle of the one that waits, and
** a callback that waits lets the next one run.  Two things end such a chain: the C stack,
** and Lua's own count of C calls within each other, which stops at 200.  So every few
** levels the call goes on with a stack of its own (base/stack.c) and in a coroutine of its
** own, in which Lua counts anew.
**
** What runs there cannot yield out of it: it is called protected, as on the other levels.
*/
#include "state/inside.h"

#define LEVELS 8 /* on one stack; each takes some ten of the 200 C calls */

static _Thread_local int level;

typedef struct job {
  lua_State *co;
  void (*f)(lua_State *L, void *arg);
  void *arg;
  bool done;
} job;

static int run(lua_State *co) {
  job *j = lua_touserdata(co, 1);
  lua_settop(co, 0);
  j->done = true;
  j->f(co, j->arg);
  return 0;
}

static void resume(void *arg) {
  job *j = arg;
  int results;
  lua_pushcfunction(j->co, run);
  lua_pushlightuserdata(j->co, j);
  lua_resume(j->co, NULL, 1, &results);
}

static int make_coroutine(lua_State *L) {
  lua_newthread(L);
  return 1;
}

/* False: not called, for want of memory. */
static bool call_elsewhere(lua_State *L, job *j) {
  lua_pushcfunction(L, make_coroutine);
  if (lua_pcall(L, 0, 1, 0) == LUA_OK) {
    j->co = lua_tothread(L, -1);
    cr_run_in(j->co);
    (void)cr_stack_call(resume, j);
    cr_run_in(L);
  }
  lua_pop(L, 1);
  return j->done;
}

bool cr_deep(lua_State *L, void (*f)(lua_State *L, void *arg), void *arg) {
  job j = {.f = f, .arg = arg};
  bool called = true;
  if (!lua_checkstack(L, LUA_MINSTACK)) return false;
  if (++level % LEVELS == 0)
    called = call_elsewhere(L, &j);
  else
    f(L, arg);
  level--;
  return called;
}

void deep_left(void) {
  cr_stacks_left();
  level = 0;
}
