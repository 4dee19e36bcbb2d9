/* SPDX-License-Identifier: MIT */
/*
** code: a function encoded once for many calls.
**
** A map sends thousands of tasks with one function; each task refers to one
** counted code object, and each worker decodes it once.  So what a function
** keeps in its upvalues lasts from task to task of the same call.
**
** Encoding.  A function that takes nothing along is the same bytes every time,
** so its code object is found again by the function.  (Should a script replace a
** standard global later, a function encoded before still means the old one.)
**
** Decoding.  The functions decoded are found by the code's serial number, which
** is never used twice.  They are held weakly, and a few recent ones strongly: a
** worker that lives long does not keep every function it ever ran.
*/
#include "codec/inside.h"

#define RECENT 16u

/* -------------------------------------------------------------------- encoding */

/* The handle for the function at `index` from an earlier call. [-0, +(0|1), m] */
static cr_code *push_known(lua_State *L, int index) {
  state_table(L, &cr_lua->codes, "k");
  lua_pushvalue(L, index);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  const cr_handle *h = lua_touserdata(L, -1);
  if (h && h->object) return (cr_code *)h->object;
  lua_pop(L, 1);
  return NULL;
}

/* The handle at the top of the stack is that of the function at `index`. */
static void remember(lua_State *L, int index) {
  state_table(L, &cr_lua->codes, "k");
  lua_pushvalue(L, index);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* The object is born empty, so that it owns nothing if encoding raises. */
cr_code *cr_code_push(lua_State *L, int index, const char *noun) {
  cr_value function;
  bool took;
  luaL_checkstack(L, 8, NULL);
  index = lua_absindex(L, index);
  cr_code *code = lua_isfunction(L, index) ? push_known(L, index) : NULL;
  if (code) return code;
  cr_handle *h = cr_handle_new(L, CR_CODE);
  cr_handle_fill(L, h, cr_code_new());
  code = (cr_code *)h->object;
  encode(L, index, 1, noun, &function, &took);
  cr_value_adopt(&code->function, &function);
  if (!took && lua_isfunction(L, index)) remember(L, index);
  return code;
}

/* -------------------------------------------------------------------- decoding */

/* Keeps the function at the top of the stack alive for a while. */
static void keep_recent(lua_State *L) {
  state_table(L, &cr_lua->recent, NULL);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, cr_lua->recent_at++ % RECENT + 1);
  lua_pop(L, 1);
}

void cr_code_forget(lua_State *L) {
  luaL_unref(L, LUA_REGISTRYINDEX, cr_lua->recent);
  cr_lua->recent = LUA_NOREF;
}

void cr_code_function(lua_State *L, cr_code *code) {
  lua_Integer serial = (lua_Integer)code->object.serial;
  luaL_checkstack(L, 6, NULL);
  state_table(L, &cr_lua->decoded, "v");
  if (lua_rawgeti(L, -1, serial) == LUA_TNIL) {
    lua_pop(L, 1);
    if (cr_decode_borrowed(L, &code->function) != 1) corrupt(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, serial);
    keep_recent(L);
  }
  lua_remove(L, -2);
}
