/* SPDX-License-Identifier: MIT */
/*
** live: what another program of conrun does, by --dump and --top.
**
** The words are made in Lua (lua/conrun/view/), from what conrun.core.view reads.  Text goes
** to standard output; why there is none, or not what was asked for, is one line on stderr
** and exit code 1.
*/
#include "host/host.h"

#include <stdlib.h>
#include <string.h>

/* Prints what is below the top, a text, and says what is on top, a message: each may be nil.
** True: there was a message.  [-2, +0, -] */
static bool tell(lua_State *L) {
  bool failed = lua_isstring(L, -1);
  if (lua_isstring(L, -2)) fputs(lua_tostring(L, -2), stdout);
  fflush(stdout);
  if (failed) cr_report_line(lua_tostring(L, -1));
  lua_pop(L, 2);
  return failed;
}

static void push_function(lua_State *L, const char *module, const char *name) {
  if (!cr_module(L, module)) luaL_error(L, "no %s", module);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

/* text(pid, json, stacks) -> text | nil, message | nil */
static bool dump(lua_State *L, const cr_options *o) {
  push_function(L, "conrun.view.dump", "text");
  lua_pushinteger(L, o->pid);
  lua_pushboolean(L, o->json);
  lua_pushboolean(L, o->stacks);
  lua_call(L, 3, 2);
  return tell(L);
}

/* choose(pid) -> program | nil, message, list; run(program, terminal) -> text | nil */
static bool top(lua_State *L, const cr_options *o) {
  push_function(L, "conrun.view.top", "choose");
  lua_pushinteger(L, o->pid);
  lua_call(L, 1, 3);
  if (lua_isnil(L, -3)) {
    lua_insert(L, -2); /* the list before the message */
    return tell(L);
  }
  lua_pop(L, 2);
  if (!cr_full_open()) return luaL_error(L, "cannot set the terminal: %s", strerror(errno));
  push_function(L, "conrun.view.top", "run");
  lua_insert(L, -2);
  cr_full_push(L);
  lua_call(L, 2, 1);
  cr_full_close();
  lua_pushnil(L);
  return tell(L);
}

/* Off a terminal there is one frame, that of --dump. */
static int show(lua_State *L) {
  const cr_options *o = lua_touserdata(L, 1);
  cr_color_choose(o->color);
  bool failed = o->top && cr_full_possible() ? top(L, o) : dump(L, o);
  lua_pushboolean(L, failed);
  return 1;
}

int cr_live(lua_State *L, const cr_options *o) {
  lua_pushcfunction(L, show);
  lua_pushlightuserdata(L, (void *)o);
  int status = lua_pcall(L, 1, 1, 0);
  cr_full_close();
  if (cr_report_status(L, status) != LUA_OK) return EXIT_FAILURE;
  bool failed = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
