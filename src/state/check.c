/* SPDX-License-Identifier: MIT */
/*
** check: the arguments that all bindings share: deadlines and functions.
*/
#include <string.h>

#include "state/state.h"

cr_time cr_check_timeout(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return CR_FOREVER;
  if (lua_isboolean(L, index))
    luaL_argerror(L, index, "a timeout in seconds expected, got boolean; 0 only tries, none waits");
  lua_Number seconds = luaL_checknumber(L, index);
  if (!(seconds >= 0))
    luaL_argerror(L, index, "a timeout is in seconds and not negative; 0 only tries");
  return seconds == 0 ? 0 : cr_after(seconds);
}

cr_time cr_check_deadline(lua_State *L, int index) {
  lua_Integer deadline = luaL_checkinteger(L, index);
  luaL_argcheck(L, deadline >= 0, index, "a deadline is not negative");
  return deadline;
}

void cr_check_most(lua_State *L, int most) {
  for (int i = most + 1; i <= lua_gettop(L); i++)
    if (!lua_isnil(L, i))
      cr_bad_argument(L, i, lua_pushfstring(L, "no value expected, got %s", luaL_typename(L, i)));
}

int cr_refuse(lua_State *L, int index, const char *message) {
  lua_Debug ar;
  if (lua_getstack(L, 0, &ar) && lua_getinfo(L, "n", &ar) && strcmp(ar.namewhat, "metamethod") == 0)
    return cr_raise(L, "%s", message);
  return cr_bad_argument(L, index, message);
}

bool cr_callable(lua_State *L, int index) {
  if (lua_isfunction(L, index)) return true;
  if (luaL_getmetafield(L, index, "__call") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

void cr_check_callable(lua_State *L, int index) {
  if (!cr_callable(L, index)) luaL_typeerror(L, index, "function");
}
