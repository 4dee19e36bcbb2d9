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
**
** A finalizer costs more than all the rest of a guard.  So there are two metatables: one has
** it, for what the user may drop, and the other is that of the guards of `with` and of all
** that were closed.
*/
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "state/state.h"

enum metatable {
  PLAIN,
  FINALIZED
};

/* A userdata that is large enough for its beginning to be read, and begins with its own
** address, is a guard: luaL_checkudata takes several times as long. */
static cr_guard *check(lua_State *L) {
  cr_guard *g = lua_touserdata(L, 1);
  if (!g || lua_rawlen(L, 1) < sizeof *g || g->self != g) luaL_typeerror(L, 1, "conrun.guard");
  return g;
}

static void close_guard(cr_guard *g) {
  if (!g->armed || cr_stray) return;
  g->armed = false;
  if (!g->handle->object) return;
  cr_point(CR_AT_USE, g->handle->object);
  g->kind->release(g->handle);
}

static void set_meta(lua_State *L, int index, enum metatable which) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->guards[which]);
  lua_setmetatable(L, index);
}

static int guard_close(lua_State *L) {
  cr_guard *g = check(L);
  close_guard(g);
  if (g->given) set_meta(L, 1, PLAIN);
  g->given = false;
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
  if (!cr_lua || cr_lua->ending || cr_stray) return 0;
  cr_guard *g = check(L);
  if (!g->armed || !g->given || !g->handle->object) return 0;
  if (!g->kind->has(g->handle, g->taken)) return 0;
  complain(g);
  close_guard(g);
  return 0;
}

static int guard_text(lua_State *L) {
  lua_pushfstring(L, "guard (%s)", check(L)->armed ? "holding" : "released");
  return 1;
}

static const luaL_Reg guard_meta[] = {
    {"__close", guard_close}, {"__tostring", guard_text}, {"release", guard_close}, {NULL, NULL}};

static void make_meta(lua_State *L, enum metatable which) {
  luaL_newlib(L, guard_meta);
  lua_pushliteral(L, "conrun.guard");
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  if (which == FINALIZED) {
    lua_pushcfunction(L, guard_gc);
    lua_setfield(L, -2, "__gc");
  }
  cr_lua->guards[which] = luaL_ref(L, LUA_REGISTRYINDEX);
}

static cr_guard *push(lua_State *L, const cr_guarded *kind, enum metatable which, size_t room) {
  if (cr_lua->guards[PLAIN] == LUA_NOREF) make_meta(L, PLAIN);
  if (cr_lua->guards[FINALIZED] == LUA_NOREF) make_meta(L, FINALIZED);
  cr_guard *g = lua_newuserdatauv(L, sizeof *g + room, 1);
  *g = (cr_guard){
      .self = g, .kind = kind, .handle = lua_touserdata(L, 1), .given = which == FINALIZED};
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  set_meta(L, -2, which);
  return g;
}

cr_guard *cr_guard_push(lua_State *L, const cr_guarded *kind) { return push(L, kind, PLAIN, 0); }

cr_guard *cr_guard_push_given(lua_State *L, const cr_guarded *kind, bool notes) {
  return push(L, kind, FINALIZED, notes ? CR_SOURCE_MAX : 0);
}

void cr_guard_give(lua_State *L, cr_guard *g, bool notes, uint64_t taken) {
  lua_Debug ar;
  if (notes && lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar)) {
    memcpy(g->source, ar.short_src, sizeof ar.short_src);
    g->line = ar.currentline;
  }
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
