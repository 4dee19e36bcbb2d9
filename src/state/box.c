/* SPDX-License-Identifier: MIT */
/*
** box: values in the hands of a binding, owned by the Lua stack.
**
** A binding that has encoded a value and must wait before it can put it somewhere may
** be left by an error meanwhile.  A box is a to-be-closed userdata of the binding that
** owns such values: they are freed when the C function is left, however that comes.
*/
#include "state/state.h"

#define BOX "conrun.box"
#define BOX_SIZE 2

/* Idempotent, for __close and __gc. */
static int box_free(lua_State *L) {
  cr_value *box = luaL_testudata(L, 1, BOX);
  for (int i = 0; box && !cr_stray && i < BOX_SIZE; i++) {
    cr_value_free(&box[i]);
    box[i].kind = CR_V_NONE;
  }
  return 0;
}

static int box_new(lua_State *L) {
  cr_value *box = lua_newuserdatauv(L, BOX_SIZE * sizeof *box, 0);
  for (int i = 0; i < BOX_SIZE; i++) box[i].kind = CR_V_NONE;
  if (luaL_newmetatable(L, BOX)) {
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
