/* SPDX-License-Identifier: MIT */
/*
** outcome: what a call has come to, the same for all bindings.
**
** Outcomes of the world are values (false, "timeout"); errors of the toolbox are objects
** of the module conrun.errors, with a kind.
*/
#include <string.h>

#include "state/state.h"

int cr_fail(lua_State *L, int error) {
  if (error == ENOMEM) {
    lua_pushliteral(L, "not enough memory"); /* the words and shape of Lua's own */
    return lua_error(L);
  }
  return cr_raise(L, "%s", strerror(error));
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
  if (error == ETIMEDOUT) cr_zygote_poll();
  if (with_nil)
    lua_pushnil(L);
  else
    lua_pushboolean(L, false);
  lua_pushstring(L, what);
  return 2;
}

/* ------------------------------------------------------------ error objects */

void cr_error_push(lua_State *L, const char *kind, const char *message) {
  lua_createtable(L, 0, 2);
  lua_pushstring(L, kind);
  lua_setfield(L, -2, "kind");
  cr_where(L);
  lua_pushstring(L, message);
  lua_concat(L, 2);
  lua_setfield(L, -2, "message");
  cr_error_metatable(L);
  lua_setmetatable(L, -2);
}

int cr_error_raise(lua_State *L, const char *kind, const char *message) {
  cr_error_push(L, kind, message);
  return lua_error(L);
}

void cr_news_push(lua_State *L, const char *kind, const char *message) {
  cr_error_push(L, kind, message);
  lua_pushstring(L, message);
  lua_setfield(L, -2, "message");
}

int cr_news_raise(lua_State *L, const char *kind, const char *message) {
  cr_news_push(L, kind, message);
  return lua_error(L);
}
