/* SPDX-License-Identifier: MIT */
/*
** sharedlib: module "conrun.core.shared", put together from its parts:
** valuelib.c, arraylib.c, listlib.c, dictlib.c, bufferlib.c.  lua/conrun/shared.lua finishes
** it into "conrun.shared".
**
** The method tables stay reachable as value_methods and so on, because
** cr_lib_type leaves the last one in "methods".
*/
#include "lib/lib.h"

/* Moves the method table that a part has just left to a name of its own. */
static void name_methods(lua_State *L, const char *name) {
  lua_getfield(L, -1, "methods");
  lua_setfield(L, -2, name);
  lua_pushnil(L);
  lua_setfield(L, -2, "methods");
}

int luaopen_conrun_core_shared(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_newtable(L);
  cr_shared_value_open(L);
  name_methods(L, "value_methods");
  cr_shared_array_open(L);
  name_methods(L, "array_methods");
  cr_shared_list_open(L);
  name_methods(L, "list_methods");
  cr_shared_dict_open(L);
  name_methods(L, "dict_methods");
  cr_shared_buffer_open(L);
  name_methods(L, "buffer_methods");
  lua_setfield(L, -2, "public");
  return 1;
}
