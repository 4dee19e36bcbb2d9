/* SPDX-License-Identifier: MIT */
/*
** list: how many values are in a list of which some may be nil.
**
** table.pack notes the number of its values in the field `n`, since the length of a list
** does not count a nil at its end.  Wherever conrun takes a list of arguments it takes as
** many as `n` says, and where it hands out a list with a nil in it, `n` says how many.
*/
#include "codec/inside.h"

/* The field `n` of a table, or -1. */
static lua_Integer noted(lua_State *L, int list) {
  int whole = 0;
  lua_Integer n = -1;
  if (!lua_istable(L, list)) return n;
  lua_pushliteral(L, "n");
  if (lua_rawget(L, list) == LUA_TNUMBER) n = lua_tointegerx(L, -1, &whole);
  lua_pop(L, 1);
  return whole ? n : -1;
}

bool cr_list_missing(lua_State *L, int list) {
  list = lua_absindex(L, list);
  if (!lua_istable(L, list) || lua_rawlen(L, list) > 0 || noted(L, list) >= 0) return false;
  if (luaL_getmetafield(L, list, "__len") != LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  int top = lua_gettop(L);
  lua_pushnil(L);
  bool keys = lua_next(L, list) != 0;
  lua_settop(L, top);
  return keys;
}

lua_Integer cr_list_length(lua_State *L, int list) {
  list = lua_absindex(L, list);
  int whole;
  lua_Integer n = noted(L, list);
  if (n >= 0) return n;
  if (cr_list_missing(L, list)) cr_raise(L, "list expected, got a table that has keys alone");
  lua_len(L, list);
  n = lua_tointegerx(L, -1, &whole);
  lua_pop(L, 1);
  if (!whole) cr_raise(L, "object length is not an integer");
  return n < 0 ? 0 : n; /* a metamethod may say anything */
}

int cr_list_unpack(lua_State *L, const char *too_many) {
  lua_Integer n = cr_list_length(L, -1);
  int list = lua_gettop(L);
  luaL_checkstack(L, n < 1000000 ? (int)n + 1 : 1000000, too_many);
  for (lua_Integer i = 1; i <= n; i++) lua_geti(L, list, i);
  lua_remove(L, list);
  return (int)n;
}

void cr_list_seal(lua_State *L, int list, lua_Integer n) {
  list = lua_absindex(L, list);
  lua_pushliteral(L, "n");
  lua_pushinteger(L, n);
  lua_rawset(L, list);
}
