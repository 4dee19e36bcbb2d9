/* SPDX-License-Identifier: MIT */
/*
** printlib: the global `print`, in whole lines from any strand.
**
** A line is put together as one string first, which is where Lua code
** (__tostring) may run, and then written by one fwrite and flushed, as Lua's own
** print is.  Within one process stdio's lock keeps lines whole.  As soon as a
** worker process exists, the lines of different processes meet in the file
** descriptor, where only a lock that all of them share keeps a long line whole:
** the root's `output`.
**
** The lock is made by the main strand, whose holding keeps it alive for the
** whole program.  Each other strand takes a holding at its first line, so that
** its burial gives up the lock if it dies in the middle of a line.
**
** Bytes that io.write has left in stdio's buffer are written by the next print
** of the same process, before its line.
*/
#include <stdio.h>

#include "lib/lib.h"

/* Upvalue of print: this state's holding of the output lock. */
typedef struct output {
  cr_hold *hold; /* NULL until needed */
} output;

static void make_lock(output *o) {
  cr_lock *lock = cr_lock_new(false);
  if (!lock) return; /* lines may then mix; printing goes on */
  o->hold = cr_object_born(lock);
  atomic_store(&cr_arena_root()->output, lock);
}

/* NULL while one process prints alone, or if there is no memory for a holding. */
static cr_lock *shared_lock(output *o) {
  cr_root *root = cr_arena_root();
  if (atomic_load_explicit(&root->processes, memory_order_relaxed) == 0) return NULL;
  cr_lock *lock = atomic_load(&root->output);
  if (lock && !o->hold) o->hold = cr_object_hold(&lock->object);
  return o->hold ? lock : NULL;
}

static void write_line(const char *line, size_t length) {
  fwrite(line, 1, length, stdout);
  fflush(stdout);
}

static int print_line(lua_State *L, output *o) {
  size_t length;
  const char *line = lua_tolstring(L, -1, &length);
  cr_lock *lock = shared_lock(o);
  if (!lock) {
    write_line(line, length);
    return 0;
  }
  int r;
  while ((r = cr_lock_acquire(lock, CR_FOREVER)) == EINTR) cr_look_up(L);
  write_line(line, length);
  if (r == 0 || r == EOWNERDEAD) cr_lock_release(lock);
  return 0;
}

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
  return print_line(L, lua_touserdata(L, lua_upvalueindex(1)));
}

void cr_print_open(lua_State *L) {
  output *o = lua_newuserdatauv(L, sizeof *o, 0);
  o->hold = NULL;
  if (cr_me->kind == CR_MAIN && !atomic_load(&cr_arena_root()->output)) make_lock(o);
  lua_pushcclosure(L, print, 1);
  lua_setglobal(L, "print");
}
