/* SPDX-License-Identifier: MIT */
/*
** brief: what is in a shared list, dict or array, in a few words for tostring.
**
** The first items are shown, each cut to a length, and nothing of what is inside a
** table or another shared object: a dict may well contain itself.  Whoever shows
** them has the text so far on top of the stack.
*/
#include <string.h>

#include "state/state.h"

#define LONGEST 20 /* bytes of a string that are shown */

/* Replaces the string on top by itself in quotes, cut and without control bytes. */
static void quote(lua_State *L) {
  char shown[LONGEST + 1];
  size_t length;
  const char *s = lua_tolstring(L, -1, &length);
  size_t n = length < LONGEST ? length : LONGEST;
  memcpy(shown, s, n);
  shown[n] = '\0';
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)s[i] < ' ') shown[i] = '?';
  lua_pushfstring(L, "\"%s%s\"", shown, length > n ? "..." : "");
  lua_remove(L, -2);
}

static void name_type(lua_State *L) {
  int type = luaL_getmetafield(L, -1, "__name");
  if (type != LUA_TNIL && type != LUA_TSTRING) lua_pop(L, 1);
  if (type != LUA_TSTRING) lua_pushstring(L, luaL_typename(L, -1));
  lua_replace(L, -2);
}

/* Replaces the value on top by a short text.  No metamethod is called. */
static void describe(lua_State *L) {
  switch (lua_type(L, -1)) {
  case LUA_TSTRING: quote(L); break;
  case LUA_TNIL:
  case LUA_TBOOLEAN:
  case LUA_TNUMBER:
    luaL_tolstring(L, -1, NULL);
    lua_remove(L, -2);
    break;
  case LUA_TTABLE:
    lua_pushliteral(L, "{...}");
    lua_replace(L, -2);
    break;
  default: name_type(L); break;
  }
}

void cr_brief_item(lua_State *L, int number) {
  describe(L);
  lua_pushstring(L, number == 1 ? ": " : ", ");
  lua_insert(L, -2);
  lua_concat(L, 3);
}

void cr_brief_entry(lua_State *L, int number) {
  lua_insert(L, -2);
  describe(L);
  lua_insert(L, -2);
  describe(L);
  lua_pushliteral(L, " = ");
  lua_insert(L, -2);
  lua_concat(L, 3);
  lua_pushstring(L, number == 1 ? ": " : ", ");
  lua_insert(L, -2);
  lua_concat(L, 3);
}

int cr_brief_end(lua_State *L, const cr_object *o, bool more) {
  if (more) {
    lua_pushliteral(L, ", ...");
    lua_concat(L, 2);
  }
  cr_handle_text(L, o, lua_tostring(L, -1));
  return 1;
}
