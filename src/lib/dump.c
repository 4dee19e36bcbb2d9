/* SPDX-License-Identifier: MIT */
/*
** dump: a strand prints where it is, when it is asked to.
**
** Part of the report of a deadlock (worker/deadlock.c).  The text is made first
** and written with one call, so that the stacks of several strands do not mix.
** What goes wrong in the making (no memory) costs the dump, not the strand.
*/
#include <string.h>
#include <unistd.h>

#include "lib/lib.h"

static void add_lock(luaL_Buffer *b, const cr_lock *l) {
  lua_State *L = b->L;
  lua_pushfstring(L, "  holds lock %I%s%s\n", (lua_Integer)l->object.serial,
                  l->where[0] ? ", taken at " : "", l->where);
  luaL_addvalue(b);
}

static void add_held(luaL_Buffer *b, const cr_hold *h) {
  uint64_t what = atomic_load(&((cr_hold *)h)->what);
  cr_object *o = (cr_object *)(uintptr_t)what;
  if (what && !(what & 3) && o->type == CR_LOCK && cr_lock_mine((cr_lock *)o))
    add_lock(b, (cr_lock *)o);
}

static void add_locks(luaL_Buffer *b) {
  for (int i = 0; i < CR_HOLDS_INLINE; i++) add_held(b, &cr_me->first[i]);
  cr_holds *more = (cr_holds *)(uintptr_t)atomic_load(&cr_me->more);
  for (; more; more = (cr_holds *)(uintptr_t)atomic_load(&more->next))
    for (uint64_t i = 0; i < more->count; i++) add_held(b, &more->hold[i]);
}

/* The traceback without its first line, which is a heading, and indented. */
static void add_stack(luaL_Buffer *b) {
  lua_State *L = b->L;
  luaL_traceback(L, L, NULL, 1);
  const char *stack = lua_tostring(L, -1), *first = strchr(stack, '\n');
  luaL_gsub(L, first ? first + 1 : stack, "\t", "    ");
  lua_remove(L, -2);
  luaL_addvalue(b);
  luaL_addchar(b, '\n');
}

static int make_text(lua_State *L) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  lua_pushfstring(L, "strand '%s' (process %d):\n", cr_me->name, (int)getpid());
  luaL_addvalue(&b);
  add_locks(&b);
  add_stack(&b);
  luaL_pushresult(&b);
  return 1;
}

/* Runs on the stack that is to be shown; the frame of make_text itself is left out
** by the level of the traceback. */
void cr_dump(lua_State *L) {
  if (!lua_checkstack(L, LUA_MINSTACK)) return cr_dump_done();
  lua_pushcfunction(L, make_text);
  if (lua_pcall(L, 0, 1, 0) == LUA_OK) {
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);
    while (n > 0) {
      ssize_t done = write(STDERR_FILENO, text, n);
      if (done <= 0) break;
      text += done;
      n -= (size_t)done;
    }
  }
  lua_pop(L, 1);
  cr_dump_done();
}
