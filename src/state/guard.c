/* SPDX-License-Identifier: MIT */
/*
** guard: what an error must not lose.
**
** A wait may raise in the middle of a binding.  What the binding has in its
** hands then is owned by a to-be-closed userdata on the Lua stack: a value that
** was encoded and not yet put (box), or something acquired that is to be given
** back (guard, which is also what `hold` returns for <close>).
**
** A guard that is dropped without being closed keeps what it has, just as an
** `acquire` without a `release` does: it has no finalizer, which would release
** at a moment that nobody can foresee.
*/
#include <stdlib.h>

#include "state/state.h"

/* -------------------------------------------------------------- value boxes */

#define BOX_SIZE 2

/* Idempotent, for __close and __gc. */
static int box_free(lua_State *L) {
  cr_value *box = lua_touserdata(L, 1);
  for (int i = 0; box && i < BOX_SIZE; i++) {
    cr_value_free(&box[i]);
    box[i].kind = CR_V_NONE;
  }
  return 0;
}

static int box_new(lua_State *L) {
  cr_value *box = lua_newuserdatauv(L, BOX_SIZE * sizeof *box, 0);
  for (int i = 0; i < BOX_SIZE; i++) box[i].kind = CR_V_NONE;
  if (luaL_newmetatable(L, "conrun.box")) {
    lua_pushcfunction(L, box_free);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, box_free);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return 1;
}

/* The box itself may be what memory does not suffice for; then the values are
** freed before the error goes on. */
cr_value *cr_values_box(lua_State *L, const cr_value v[], int n) {
  lua_pushcfunction(L, box_new);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
    for (int i = 0; i < n; i++) cr_value_free(&v[i]);
    lua_error(L);
  }
  cr_value *box = lua_touserdata(L, -1);
  for (int i = 0; i < n; i++) box[i] = v[i];
  lua_toclose(L, -1);
  return box;
}

cr_value *cr_value_box(lua_State *L, const cr_value *v) { return cr_values_box(L, v, 1); }

/* ------------------------------------------------------------------- guards */

static void close_guard(cr_guard *g) {
  if (!g->armed) return;
  g->armed = false;
  if (g->handle->object) g->release(g->handle);
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

/* ------------------------------------------------------------- handle types */

/* Addresses are the registry's keys to the method tables of this state. */
static const char method_keys[CR_TYPES];

/* A module can be opened again, by a script that empties package.loaded; the handles
** that are there keep their metatable, so it stays the one of the type.  Pushes its
** methods, or nothing if the type is new.  [-0, +(0|1), m] */
static bool push_methods(lua_State *L, enum cr_type_id type) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &method_keys[type]) == LUA_TTABLE) return true;
  lua_pop(L, 1);
  return false;
}

void cr_lib_type(lua_State *L, enum cr_type_id type, const luaL_Reg *methods,
                 const luaL_Reg *meta) {
  if (push_methods(L, type)) {
    lua_setfield(L, -2, "methods");
    return;
  }
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_newtable(L);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, meta, 1);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &method_keys[type]);
  cr_handle_type(L, type);
  lua_pop(L, 1);
}

const char *cr_handle_text(lua_State *L, const cr_object *o, const char *state) {
  lua_Integer serial = (lua_Integer)o->serial;
  return lua_pushfstring(L, "%s %I (%s)", cr_type_of(o)->name, serial, state);
}
