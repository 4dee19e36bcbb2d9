/* SPDX-License-Identifier: MIT */
/*
** script: the chunks that the command line names, run in the main strand.
**
** Every chunk is called in the same way: under the message handler of report.c,
** so that an error brings its traceback, and with SIGINT armed.  An error is
** reported here and comes back as a Lua status; the caller only has to stop.
**
** Names of chunks are those that Lua's own program gives them, because scripts
** and people read them in messages.
*/
#include "host/host.h"

#include <stdlib.h>
#include <string.h>

int cr_script_call(lua_State *L, int n, int results) {
  int handler = lua_gettop(L) - n;
  lua_pushcfunction(L, cr_report_handler);
  lua_insert(L, handler);
  cr_interrupt_arm();
  cr_runs.asked = false; /* what stopped the chunk before is over */
  int status = lua_pcall(L, n, results, handler);
  cr_interrupt_disarm();
  lua_remove(L, handler);
  return status;
}

/* Runs the chunk that was loaded with `status`, then forgets its results. */
static int run(lua_State *L, int status) {
  if (status == LUA_OK) status = cr_script_call(L, 0, 0);
  return cr_report_status(L, status);
}

static int run_text(lua_State *L, const char *text, const char *name) {
  return run(L, luaL_loadbuffer(L, text, strlen(text), name));
}

/* ---------------------------------------------------------------- arguments */

void cr_script_arguments(lua_State *L, const cr_options *o, int argc, char **argv) {
  int zero = o->script < argc ? o->script : 0;
  lua_createtable(L, argc - zero > 0 ? argc - zero - 1 : 0, zero + 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - zero);
  }
  lua_setglobal(L, "arg");
}

/* Pushes the script's arguments as they are in `arg` now, since -e or LUA_INIT
** may have changed it; returns their number.  [-0, +n, e] */
static int push_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) luaL_error(L, "'arg' is not a table");
  int table = lua_gettop(L), n = (int)luaL_len(L, table);
  luaL_checkstack(L, n + 3, "too many arguments to script");
  for (int i = 1; i <= n; i++) lua_rawgeti(L, table, i);
  lua_remove(L, table);
  return n;
}

/* ------------------------------------------------------------------- pieces */

int cr_script_environment(lua_State *L) {
  const char *name = "=LUA_INIT_" LUA_VERSION_MAJOR "_" LUA_VERSION_MINOR;
  const char *init = getenv(name + 1);
  if (init == NULL) init = getenv((name = "=LUA_INIT") + 1);
  if (init == NULL) return LUA_OK;
  if (init[0] == '@') return run(L, luaL_loadfile(L, init + 1));
  return run_text(L, init, name);
}

/* -l: `name`, or `global=name`. */
static int require_module(lua_State *L, const char *what) {
  const char *equals = strchr(what, '=');
  const char *module = equals != NULL ? equals + 1 : what;
  size_t length = equals != NULL ? (size_t)(equals - what) : strlen(what);
  const char *global = lua_pushlstring(L, what, length);
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  int status = cr_script_call(L, 1, 1);
  if (status == LUA_OK)
    lua_setglobal(L, global);
  else
    cr_report_status(L, status);
  lua_pop(L, 1);
  return status;
}

/* One option of argv; *i moves past an argument that stands apart. */
static int run_piece(lua_State *L, char **argv, int *i) {
  const char *option = argv[*i];
  switch (option[1]) {
  case 'W': lua_warning(L, "@on", 0); return LUA_OK;
  case 'e':
  case 'l': break;
  default: return LUA_OK;
  }
  const char *argument = option[2] != '\0' ? option + 2 : argv[++*i];
  if (option[1] == 'l') return require_module(L, argument);
  return run_text(L, argument, "=(command line)");
}

int cr_script_pieces(lua_State *L, const cr_options *o, char **argv) {
  int status = LUA_OK;
  for (int i = 1; i < o->script && status == LUA_OK; i++) status = run_piece(L, argv, &i);
  return status;
}

int cr_script_run(lua_State *L, const char *name, bool with_arguments) {
  const cr_embedded *own = name && strncmp(name, CR_SCRIPTS, sizeof CR_SCRIPTS - 1) == 0
                               ? cr_script_embedded(name)
                               : NULL;
  int status =
      own ? luaL_loadbufferx(L, own->source, own->size, lua_pushfstring(L, "@%s", name), "t")
          : luaL_loadfile(L, name);
  if (own) lua_remove(L, -2);
  if (status == LUA_OK)
    status = cr_script_call(L, with_arguments ? push_arguments(L) : 0, LUA_MULTRET);
  return cr_report_status(L, status);
}
