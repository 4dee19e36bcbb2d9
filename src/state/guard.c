/* SPDX-License-Identifier: MIT */
/*
** guard: something acquired that is to be given back, as a value for <close>.
**
** `hold` returns one; `with` keeps one on its own stack, and so the lock is free again
** whatever the function that runs under it does.
**
** A guard that is dropped without being closed keeps what it has, just as an
** `acquire` without a `release` does: it has no finalizer, which would release
** at a moment that nobody can foresee.
*/
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

static int guard_text(lua_State *L) {
  cr_guard *g = luaL_checkudata(L, 1, "conrun.guard");
  lua_pushfstring(L, "guard (%s)", g->armed ? "holding" : "released");
  return 1;
}

static const luaL_Reg guard_meta[] = {
    {"__close", guard_close}, {"__tostring", guard_text}, {"release", guard_close}, {NULL, NULL}};

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
