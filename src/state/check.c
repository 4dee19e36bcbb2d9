/* SPDX-License-Identifier: MIT */
/*
** check: arguments in, outcomes out, the same for all bindings.
**
** The reference promises the same manners everywhere: timeouts are seconds in
** the last argument, outcomes of the world are values, misuse raises and names
** the argument, errors of the toolbox are objects of conrun.errors.  Each of
** these manners is one function here.
*/
#include <math.h>
#include <string.h>

#include "state/state.h"

/* ---------------------------------------------------------------- arguments */

cr_time cr_check_timeout(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return CR_FOREVER;
  lua_Number seconds = luaL_checknumber(L, index);
  if (!(seconds >= 0))
    luaL_argerror(L, index, "a timeout is in seconds and not negative; 0 only tries");
  return seconds == 0 ? 0 : cr_after(seconds);
}

int cr_refuse(lua_State *L, int index, const char *message) {
  lua_Debug ar;
  if (lua_getstack(L, 0, &ar) && lua_getinfo(L, "n", &ar) && strcmp(ar.namewhat, "metamethod") == 0)
    return luaL_error(L, "%s", message);
  return luaL_argerror(L, index, message);
}

/* How many single-character edits make `a` into `b`; `b` is one of our own
** short names, `a` is what the user wrote. */
#define NAME_LONGEST 32
static size_t distance(const char *a, const char *b) {
  size_t row[NAME_LONGEST + 1], n = strlen(b);
  if (n > NAME_LONGEST || strlen(a) > NAME_LONGEST) return NAME_LONGEST;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 0; a[i]; i++) {
    size_t corner = row[0];
    row[0] = i + 1;
    for (size_t j = 1; j <= n; j++) {
      size_t best = corner + (a[i] != b[j - 1]);
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      corner = row[j];
      row[j] = best;
    }
  }
  return row[n];
}

static const char *nearest(const char *name, const char *const known[]) {
  const char *found = NULL;
  size_t least = strlen(name) < 5 ? 2 : 3; /* short names are near to everything */
  for (; *known; known++) {
    size_t d = distance(name, *known);
    if (d < least) {
      least = d;
      found = *known;
    }
  }
  return found;
}

static bool is_known(const char *name, const char *const known[]) {
  for (; *known; known++)
    if (strcmp(name, *known) == 0) return true;
  return false;
}

static void refuse_option(lua_State *L, int index, const char *name, const char *const known[]) {
  const char *near = nearest(name, known);
  if (near)
    lua_pushfstring(L, "unknown option '%s' (did you mean '%s'?)", name, near);
  else {
    lua_pushfstring(L, "unknown option '%s' (known are", name);
    for (const char *const *k = known; *k; k++) {
      lua_pushfstring(L, "%s '%s'", k == known ? "" : ",", *k);
      lua_concat(L, 2);
    }
    lua_pushliteral(L, ")");
    lua_concat(L, 2);
  }
  luaL_argerror(L, index, lua_tostring(L, -1));
}

void cr_check_options(lua_State *L, int index, const char *const known[]) {
  luaL_checktype(L, index, LUA_TTABLE);
  index = lua_absindex(L, index);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      const char *key = luaL_tolstring(L, -2, NULL);
      key = lua_pushfstring(L, "options have names, but there is a field [%s]", key);
      luaL_argerror(L, index, key);
    }
    size_t length;
    const char *name = lua_tolstring(L, -2, &length);
    bool whole = strlen(name) == length; /* no zero byte in it */
    if (!whole || !is_known(name, known)) refuse_option(L, index, name, known);
  }
}

/* ----------------------------------------------------------------- outcomes */

int cr_fail(lua_State *L, int error) {
  if (error == ENOMEM) {
    lua_pushliteral(L, "not enough memory"); /* the words and shape of Lua's own */
    return lua_error(L);
  }
  return luaL_error(L, "%s", strerror(error));
}

static const char *outcome(int error) {
  switch (error) {
  case ETIMEDOUT: return "timeout";
  case ESHUTDOWN: return "closed";
  case EPIPE: return "broken";
  case ECANCELED: return "cancelled";
  default: return NULL;
  }
}

int cr_outcome(lua_State *L, bool with_nil, int error) {
  const char *what = outcome(error);
  if (!what) return cr_fail(L, error);
  if (with_nil)
    lua_pushnil(L);
  else
    lua_pushboolean(L, false);
  lua_pushstring(L, what);
  return 2;
}

/* ------------------------------------------------------------ error objects */

/* The metatable is completed by conrun.errors, so that module comes first. */
static void push_metatable(lua_State *L) {
  if (luaL_getmetatable(L, "conrun.error") == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "conrun.errors");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "metatable");
  lua_remove(L, -2);
}

void cr_error_push(lua_State *L, const char *kind, const char *message) {
  lua_createtable(L, 0, 2);
  lua_pushstring(L, kind);
  lua_setfield(L, -2, "kind");
  luaL_where(L, 1);
  lua_pushstring(L, message);
  lua_concat(L, 2);
  lua_setfield(L, -2, "message");
  push_metatable(L);
  lua_setmetatable(L, -2);
}

int cr_error_raise(lua_State *L, const char *kind, const char *message) {
  cr_error_push(L, kind, message);
  return lua_error(L);
}
