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
** is never used twice.  They are held weakly, and a few recent ones strongly as long as
** their code is there, that is, their call is not over: a worker that lives long does not
** keep every function it ever ran.
**
** What a function takes along (a handle to an end of a pipe, say) is kept by its code, and
** by the function where it was decoded.  So whoever has made the code lets go of it when
** the call is posted, and a worker forgets the function when the call is over.
*/
#include "codec/inside.h"

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

/* The object is born empty, so that it owns nothing if encoding raises.  What finalizers
** encode before the function is reached, is not for another machine. */
cr_code *cr_code_push(lua_State *L, int index, const char *noun) {
  cr_value function;
  bool took, far = cr_lua->far;
  cr_far(false);
  luaL_checkstack(L, 8, NULL);
  index = lua_absindex(L, index);
  cr_code *code = lua_isfunction(L, index) ? push_known(L, index) : NULL;
  if (code) return code;
  cr_handle *h = cr_handle_new(L, CR_CODE);
  cr_handle_fill(L, h, cr_code_new());
  code = (cr_code *)h->object;
  cr_far(far);
  encode(L, index, 1, noun, &function, &took);
  cr_far(false);
  cr_value_adopt(&code->function, &function);
  if (!took && lua_isfunction(L, index)) remember(L, index);
  code->kept = !took;
  return code;
}

/* One that takes nothing along keeps nothing. */
void cr_code_done(cr_handle *h) {
  if (h->object && !((cr_code *)h->object)->kept) cr_handle_close(h);
}

/* -------------------------------------------------------------------- decoding */

/* Keeps the function at the top of the stack, that of `code`, alive for a while. */
static void keep_recent(lua_State *L, const cr_code *code) {
  uint32_t i = cr_lua->recent_at++ % RECENT;
  cr_lua->codec->recent[i] = (recent_code){&code->object, code->object.serial};
  state_table(L, &cr_lua->recent, NULL);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, i + 1);
  lua_pop(L, 1);
}

void cr_code_forget(lua_State *L) {
  luaL_unref(L, LUA_REGISTRYINDEX, cr_lua->recent);
  cr_lua->recent = LUA_NOREF;
}

/* Nothing is made here, so nothing raises: the table and its places are there. */
void cr_code_tidy(lua_State *L) {
  if (cr_lua->recent == LUA_NOREF) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->recent);
  for (int i = 0; i < RECENT; i++) {
    const recent_code *r = &cr_lua->codec->recent[i];
    if (!r->code || cr_object_lives(r->code, r->serial)) continue;
    lua_pushnil(L);
    lua_rawseti(L, -2, i + 1);
    cr_lua->codec->recent[i].code = NULL;
  }
  lua_pop(L, 1);
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
    keep_recent(L, code);
  }
  lua_remove(L, -2);
}
