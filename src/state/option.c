/* SPDX-License-Identifier: MIT */
/*
** option: the options of a function, which are fields of a table.
**
** A name that no option has is refused before any is read, with the name that was
** probably meant; a value of the wrong kind is refused by the option's name.
*/
#include <string.h>

#include "state/state.h"

/* ------------------------------------------------------------------- their names */

static bool is_known(const char *name, const char *const known[]) {
  for (; *known; known++)
    if (strcmp(name, *known) == 0) return true;
  return false;
}

static void refuse_option(lua_State *L, int index, const char *name, const char *const known[]) {
  cr_guess guess = {.word = name, .length = strlen(name)};
  for (const char *const *k = known; *k; k++) cr_guess_try(&guess, *k);
  const char *known_as = cr_answer_find("option", name);
  if (known_as && is_known(known_as, known)) guess.best = known_as;
  if (guess.best)
    lua_pushfstring(L, "unknown option '%s' (did you mean '%s'?)", name, guess.best);
  else {
    lua_pushfstring(L, "unknown option '%s' (known are", name);
    for (const char *const *k = known; *k; k++) {
      lua_pushfstring(L, "%s '%s'", k == known ? "" : ",", *k);
      lua_concat(L, 2);
    }
    lua_pushliteral(L, ")");
    lua_concat(L, 2);
  }
  cr_bad_argument(L, index, lua_tostring(L, -1));
}

/* Of several that are not known the first by its name is told, whatever order the table
** has them in. */
void cr_check_options(lua_State *L, int index, const char *const known[]) {
  const char *unknown = NULL;
  luaL_checktype(L, index, LUA_TTABLE);
  index = lua_absindex(L, index);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      const char *key = luaL_tolstring(L, -2, NULL);
      key = lua_pushfstring(L, "options have names, but there is a field [%s]", key);
      cr_bad_argument(L, index, key);
    }
    size_t length;
    const char *name = lua_tolstring(L, -2, &length);
    bool whole = strlen(name) == length; /* no zero byte in it */
    if (whole && is_known(name, known)) continue;
    if (!unknown || strcmp(name, unknown) < 0) unknown = name;
  }
  if (unknown) refuse_option(L, index, unknown, known);
}

/* ------------------------------------------------------------------- their values */

/* The refused value is on top of the stack.  [-0, +?, v] */
static void refuse(lua_State *L, const char *name, const char *expected) {
  const char *got = lua_type(L, -1) == LUA_TSTRING ? lua_pushfstring(L, "'%s'", lua_tostring(L, -1))
                                                   : luaL_tolstring(L, -1, NULL);
  cr_raise(L, "bad option '%s' (%s expected, got %s)", name, expected, got);
}

/* Pushes the option; false, and nothing pushed, when it is absent. */
static bool push_option(lua_State *L, int index, const char *name) {
  if (index == 0) return false;
  if (lua_getfield(L, index, name) != LUA_TNIL) return true;
  lua_pop(L, 1);
  return false;
}

/* A text of digits is refused too: options are no command line. */
lua_Integer cr_option_integer(lua_State *L, int index, const char *name, lua_Integer least,
                              lua_Integer absent) {
  if (!push_option(L, index, name)) return absent;
  int whole = 0;
  lua_Integer n = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &whole) : 0;
  if (!whole || n < least) {
    const char *expected = lua_pushfstring(L, "integer of at least %I", least);
    lua_insert(L, -2);
    refuse(L, name, expected);
  }
  lua_pop(L, 1);
  return n;
}

bool cr_option_boolean(lua_State *L, int index, const char *name, bool absent) {
  if (!push_option(L, index, name)) return absent;
  if (!lua_isboolean(L, -1)) refuse(L, name, "boolean");
  bool b = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return b;
}

const char *cr_option_string(lua_State *L, int index, const char *name, char *copy, size_t room) {
  if (!push_option(L, index, name)) return NULL;
  if (lua_type(L, -1) != LUA_TSTRING) refuse(L, name, "string");
  size_t n;
  const char *s = lua_tolstring(L, -1, &n);
  if (strlen(s) != n) refuse(L, name, "string without zero bytes");
  if (n >= room) cr_raise(L, "bad option '%s' (at most %d bytes)", name, (int)room - 1);
  memcpy(copy, s, n + 1);
  lua_pop(L, 1);
  return copy;
}

cr_time cr_option_seconds(lua_State *L, int index, const char *name) {
  if (!push_option(L, index, name)) return 0;
  lua_Number s = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
  if (!(s > 0)) refuse(L, name, "number of seconds above 0");
  lua_pop(L, 1);
  if (s >= (lua_Number)CR_FOREVER / 1e9) return 0;
  return s < 1e-9 ? 1 : (cr_time)(s * 1e9);
}
