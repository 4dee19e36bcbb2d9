/* SPDX-License-Identifier: MIT */
/*
** type: the methods of handles, and modules that keep their tables.
**
** A script can empty package.loaded and require a module again.  The handles that there
** are keep their metatable, so what a type's module has once made stays that of the type.
*/
#include "state/state.h"

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
  cr_answers_methods(L, cr_type_name(type));
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

void cr_lib_public(lua_State *L, const luaL_Reg *functions) {
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  lua_setfield(L, -2, "public");
}

const char *cr_handle_text(lua_State *L, const cr_object *o, const char *state) {
  lua_Integer serial = (lua_Integer)o->serial;
  return lua_pushfstring(L, "%s %I (%s)", cr_type_of(o)->name, serial, state);
}

bool cr_module_push(lua_State *L, const char *name) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, name) == LUA_TTABLE) return true;
  lua_pop(L, 1);
  return false;
}

void cr_module_keep(lua_State *L, const char *name) {
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}
