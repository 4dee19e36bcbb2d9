/* SPDX-License-Identifier: MIT */
/*
** guard: something acquired that is to be given back, as a value for <close>.
**
** `hold` returns one; `with` keeps one on its own stack, and so the lock is free again
** whatever the function that runs under it does.
**
** A guard that is dropped without being closed was meant to be a <close> variable.  Its
** finalizer gives back what it took, if its strand still has just that, and complains,
** with the line, on stderr: what it guarded was guarded for a time that nobody could foresee.
** The complaint is one write and waits for nobody.  At the end of a state nothing is said,
** for then everything is closed.
*/
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "state/state.h"

static void close_guard(cr_guard *g) {
  if (!g->armed || cr_stray) return;
  g->armed = false;
  if (!g->handle->object) return;
  cr_point(CR_AT_USE, g->handle->object);
  g->release(g->handle);
}

static int guard_close(lua_State *L) {
  close_guard(luaL_checkudata(L, 1, "conrun.guard"));
  return 0;
}

static const cr_lock *lock_of(const cr_object *o) {
  if (o->type == CR_CONDITION) return cr_condition_lock((cr_condition *)o);
  return o->type == CR_LOCK ? (const cr_lock *)o : NULL;
}

/* A lock that is not recursive has noted where it was taken, and still has that. */
static const char *where(const cr_guard *g, char room[CR_WHERE_MAX]) {
  const cr_lock *l = lock_of(g->handle->object);
  if (g->line > 0)
    snprintf(room, CR_WHERE_MAX, "%s:%d", g->source, g->line);
  else if (!l || !*cr_lock_where(l, "", room))
    memcpy(room, "?", 2); /* no function of Lua made it: it was a coroutine's first */
  return room;
}

static void complain(const cr_guard *g) {
  char line[CR_WHERE_MAX + 200], place[CR_WHERE_MAX];
  int n = snprintf(line, sizeof line,
                   "conrun: a guard of %s %lu, made at %s, was dropped and is released now; write "
                   "local guard <close> = ...:hold()\n",
                   cr_type_name((enum cr_type_id)g->handle->object->type),
                   (unsigned long)g->handle->object->serial, where(g, place));
  if (n > (int)sizeof line - 1) n = (int)sizeof line - 1;
  cr_bars_pass();
  (void)!write(STDERR_FILENO, line, (size_t)n);
}

static int guard_gc(lua_State *L) {
  cr_guard *g = luaL_checkudata(L, 1, "conrun.guard");
  bool ending = !cr_lua || cr_lua->ending;
  if (!g->armed || !g->has || cr_stray || ending || !g->handle->object) return 0;
  if (!g->has(g->handle, g->taken)) return 0;
  complain(g);
  close_guard(g);
  return 0;
}

static int guard_text(lua_State *L) {
  cr_guard *g = luaL_checkudata(L, 1, "conrun.guard");
  lua_pushfstring(L, "guard (%s)", g->armed ? "holding" : "released");
  return 1;
}

static const luaL_Reg guard_meta[] = {{"__close", guard_close},
                                      {"__gc", guard_gc},
                                      {"__tostring", guard_text},
                                      {"release", guard_close},
                                      {NULL, NULL}};

cr_guard *cr_guard_push(lua_State *L, int index, cr_handle *h, void (*release)(cr_handle *)) {
  index = lua_absindex(L, index);
  cr_guard *g = lua_newuserdatauv(L, sizeof *g, 1);
  *g = (cr_guard){.release = release, .handle = h};
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  if (luaL_newmetatable(L, "conrun.guard")) {
    luaL_setfuncs(L, guard_meta, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
  return g;
}

void cr_guard_give(lua_State *L, cr_guard *g, bool (*has)(const cr_handle *, uint64_t),
                   uint64_t taken) {
  lua_Debug ar;
  if (L && lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar)) {
    memcpy(g->source, ar.short_src, sizeof ar.short_src);
    g->line = ar.currentline;
  }
  g->has = has;
  g->taken = taken;
  g->armed = true;
}

/* Continuation of cr_guard_call: the results are what is above the guard. */
static int called(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L) - 2;
}

/* The guard is a to-be-closed slot and not the work of a pcall, so the error of
** the function goes on unchanged and its traceback still reaches to its origin. */
int cr_guard_call(lua_State *L) {
  lua_callk(L, lua_gettop(L) - 3, LUA_MULTRET, 0, called);
  return called(L, LUA_OK, 0);
}
