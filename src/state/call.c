/* SPDX-License-Identifier: MIT */
/*
** call: a function and its arguments on the way into a worker.
**
** Checks of what the caller passed (callables, options), and the encoding of a
** call.  Everything that may raise happens here, while the parts are owned by
** values on the Lua stack; publishing them is left to the caller and is done
** without Lua.
**
** This file waits for nothing.
*/
#include <string.h>

#include "state/state.h"

/* ---------------------------------------------------------------- arguments */

bool cr_callable(lua_State *L, int index) {
  if (lua_isfunction(L, index)) return true;
  if (luaL_getmetafield(L, index, "__call") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

void cr_check_callable(lua_State *L, int index) {
  if (!cr_callable(L, index)) luaL_typeerror(L, index, "function");
}

/* The refused value is on top of the stack.  [-0, +?, v] */
static void refuse(lua_State *L, const char *name, const char *expected) {
  const char *got = lua_type(L, -1) == LUA_TSTRING ? lua_pushfstring(L, "'%s'", lua_tostring(L, -1))
                                                   : luaL_tolstring(L, -1, NULL);
  luaL_error(L, "bad option '%s' (%s expected, got %s)", name, expected, got);
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

const char *cr_option_string(lua_State *L, int index, const char *name) {
  if (!push_option(L, index, name)) return NULL;
  if (lua_type(L, -1) != LUA_TSTRING) refuse(L, name, "string");
  size_t n;
  const char *s = lua_tolstring(L, -1, &n);
  if (strlen(s) != n) refuse(L, name, "string without zero bytes");
  lua_pop(L, 1);
  return s;
}

cr_time cr_option_seconds(lua_State *L, int index, const char *name) {
  if (!push_option(L, index, name)) return 0;
  lua_Number s = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
  if (!(s > 0)) refuse(L, name, "number of seconds above 0");
  lua_pop(L, 1);
  if (s >= (lua_Number)CR_FOREVER / 1e9) return 0;
  return s < 1e-9 ? 1 : (cr_time)(s * 1e9);
}

/* --------------------------------------------------------------------- news */

void cr_news_push(lua_State *L, const char *kind, const char *message) {
  cr_error_push(L, kind, message);
  lua_pushstring(L, message);
  lua_setfield(L, -2, "message");
}

int cr_news_raise(lua_State *L, const char *kind, const char *message) {
  cr_news_push(L, kind, message);
  return lua_error(L);
}

/* ------------------------------------------------------------------ modules */

bool cr_module_push(lua_State *L, const char *name) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, name) == LUA_TTABLE) return true;
  lua_pop(L, 1);
  return false;
}

void cr_module_keep(lua_State *L, const char *name) {
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}

/* ------------------------------------------------------------------ a call */

/* One redo log: the message is the caller's hold before and the field's after,
** so a death in between leaves it in exactly one place. */
void cr_value_adopt(cr_value *field, const cr_value *v) {
  cr_value_log_put(field, v);
  cr_redo_commit();
  cr_value_published(v);
}

/* Encodes only to see that it can be done, so that an error names the argument
** by the number that the caller gave it. */
static void try_encode(lua_State *L, int first, int n, const char *noun) {
  cr_value v;
  cr_encode(L, first, n, noun, &v);
  cr_value_free(&v);
}

/* Puts `begin` and the settings below the function, if there are any.  Returns
** whether it did. */
static bool put_setup(lua_State *L, int fn) {
  if (cr_setup_push(L) == 0) return false;
  lua_rotate(L, fn, 2);
  return true;
}

cr_call cr_call_encode(lua_State *L, int fn, const char *noun) {
  int top = lua_gettop(L);
  cr_value v;
  cr_call call;
  luaL_checkstack(L, 10, NULL);
  bool setup = put_setup(L, fn);
  if (setup) {
    try_encode(L, fn + 2, 1, "function");
    try_encode(L, fn + 3, top - fn, noun);
  }
  call.code = cr_code_push(L, fn, "function");
  cr_encode(L, fn + 1, top - fn + (setup ? 2 : 0), noun, &v);
  call.arguments = cr_value_box(L, &v);
  return call;
}
