/* SPDX-License-Identifier: MIT */
/*
** clash: a C module whose functions have names that functions of conrun have too.
**
** Its own must be called here, and conrun must go on calling conrun's.
*/
#include <lauxlib.h>
#include <string.h>

int add(int a, int b);
void encode(const char *in, char *out);
int process_start(void);
int cr_queue_put(void);

int add(int a, int b) { return a + b; }
void encode(const char *in, char *out) { strcpy(out, in); }
int process_start(void) { return 7; }
int cr_queue_put(void) { return 8; }

static int run(lua_State *L) {
  char out[16] = "";
  encode("fine", out);
  lua_pushinteger(L, add(2, 3) + process_start() + cr_queue_put());
  lua_pushstring(L, out);
  return 2;
}

int luaopen_clash(lua_State *L) {
  lua_pushcfunction(L, run);
  return 1;
}
