/* SPDX-License-Identifier: MIT */
/*
** call: a function and its arguments on the way into a worker.
**
** Everything that may raise happens here, while the parts are owned by values on the
** Lua stack; publishing them is left to the caller and is done without Lua.
*/
#include "state/state.h"

/* Encodes only to see that it can be done, so that an error names the argument
** by the number that the caller gave it. */
static void try_encode(lua_State *L, int first, int n, const char *noun) {
  cr_value v;
  cr_encode_call(L, first, n, noun, &v);
  cr_value_free(&v);
}

/* Puts `begin` and the settings below the function, if there are any.  Returns
** whether it did. */
static bool put_setup(lua_State *L, int fn, enum cr_strand_kind kind) {
  if (cr_setup_push(L, kind) == 0) return false;
  lua_rotate(L, fn, 2);
  return true;
}

cr_call cr_call_encode(lua_State *L, int fn, const char *noun, enum cr_strand_kind kind) {
  int top = lua_gettop(L);
  cr_value v;
  cr_call call;
  luaL_checkstack(L, 10, NULL);
  bool setup = put_setup(L, fn, kind);
  if (setup) {
    try_encode(L, fn + 2, 1, "function");
    try_encode(L, fn + 3, top - fn, noun);
  }
  call.code = cr_code_push(L, fn, "function");
  call.handle = lua_touserdata(L, -1);
  cr_encode_call(L, fn + 1, top - fn + (setup ? 2 : 0), noun, &v);
  call.arguments = cr_value_box(L, &v);
  return call;
}
