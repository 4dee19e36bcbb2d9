/* SPDX-License-Identifier: MIT */
/*
** report: an error that nobody caught in a worker goes to conrun.on_error, or stderr.
*/
#include <string.h>

#include "state/inside.h"

/* conrun.on_error(handler | nil) -> the handler before. */
static int on_error(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) cr_check_callable(L, 1);
  lua_settop(L, 1);
  cr_lua->settings++;
  debris_handler(L);
  lua_getfield(L, LUA_REGISTRYINDEX, ON_ERROR);
  lua_insert(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, ON_ERROR);
  return 1;
}

/* Writes the error on top of the stack in one piece, so that lines of two
** workers do not mix.  [-1, +0, m] */
static void write_report(lua_State *L, const char *what, const cr_worker *w) {
  int value = lua_gettop(L);
  cr_text(L, value);
  cr_error_stacks(L, value);
  lua_pushfstring(L, "conrun: %s in %s '%s': %s%s\n", what, cr_kind_names[w->kind], w->name,
                  lua_tostring(L, -2), lua_tostring(L, -1));
  cr_lua_lent.complain(L, lua_tostring(L, -1), lua_rawlen(L, -1));
}

/* Pushes what the call of `w` failed with; false if it did not fail, or failed
** because somebody wanted it to end. */
static bool push_failure(lua_State *L, cr_worker *w) {
  cr_future *call = cr_at(cr_future, &w->call);
  if (!call || cr_future_state(call) != CR_FAILED || atomic_load(&w->leaving)) return false;
  if (cr_decode_borrowed(L, &call->result) < 1) return false;
  if (!lua_istable(L, -1)) return true;
  lua_getfield(L, -1, "kind");
  const char *kind = lua_tostring(L, -1);
  bool wanted = kind && strcmp(kind, "cancelled") == 0;
  lua_pop(L, 1);
  return !wanted;
}

/* Who waits for the result gets the error: if nobody catches it there, it is told then. */
static bool is_heard(const cr_worker *w) {
  const cr_future *call = cr_at(cr_future, &w->call);
  return atomic_load(&call->flags) & CR_FUTURE_HEARD;
}

int report_failure(lua_State *L) {
  cr_worker *w = lua_touserdata(L, 1);
  if (!push_failure(L, w)) return 0;
  if (lua_getfield(L, LUA_REGISTRYINDEX, ON_ERROR) != LUA_TNIL) {
    lua_pushvalue(L, -2);
    lua_pushstring(L, w->name);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK) return 0;
    write_report(L, "error in the on_error handler", w);
    lua_settop(L, 2);
    write_report(L, "uncaught error", w);
    return 0;
  }
  lua_settop(L, 2);
  if (!is_heard(w)) write_report(L, "uncaught error", w);
  return 0;
}

bool cr_handles_errors(lua_State *L) {
  bool handled = lua_getfield(L, LUA_REGISTRYINDEX, ON_ERROR) != LUA_TNIL;
  lua_pop(L, 1);
  return handled;
}

void cr_entry_open(lua_State *L) {
  lua_pushcfunction(L, on_error);
  lua_setfield(L, -2, "on_error");
}
