/* SPDX-License-Identifier: MIT */
/*
** gate: what lua_load makes of bytecode while the decoder is fuzzed.
**
** The decoder loads bytecode whose hash is right.  In conrun only the strands of
** the program itself write messages, so that is bytecode of this Lua; a fuzzer
** finds the hash of anything, and Lua would run it.  So the linker puts this in
** the place of lua_load (--wrap): bytecode stands for a harmless function with as
** many upvalues as the dump has, and text is loaded as ever.
*/
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

#define UPVALUES_AT 31u /* the byte of a dump that says how many there are */
#define UPVALUES_MOST 9u

/* The linker's names for the two. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_lua_load(lua_State *L, lua_Reader reader, void *data, const char *name,
                    const char *mode);
int __wrap_lua_load(lua_State *L, lua_Reader reader, void *data, const char *name,
                    const char *mode);
/* NOLINTEND(bugprone-reserved-identifier) */

/* A function with n upvalues, all nil, that returns them and its arguments. */
static int load_function(lua_State *L, unsigned n) {
  static const char names[] = "a,b,c,d,e,f,g,h,i";
  char source[128] = "return function(...) return ... end";
  if (n > 0)
    snprintf(source, sizeof source, "local %.*s return function(...) return %.*s, ... end",
             (int)(2 * n - 1), names, (int)(2 * n - 1), names);
  if (luaL_loadstring(L, source) != LUA_OK) return LUA_ERRMEM;
  return lua_pcall(L, 0, 1, 0);
}

int __wrap_lua_load(lua_State *L, lua_Reader reader, void *data, const char *name,
                    const char *mode) {
  size_t n;
  if (!mode || strcmp(mode, "b") != 0) return __real_lua_load(L, reader, data, name, mode);
  const char *dump = reader(L, data, &n);
  unsigned upvalues = n == 0 ? 0 : (unsigned char)dump[n > UPVALUES_AT ? UPVALUES_AT : n - 1];
  if (upvalues <= UPVALUES_MOST) return load_function(L, upvalues);
  lua_pushliteral(L, "bytecode is not for this Lua");
  return LUA_ERRSYNTAX;
}
