/* SPDX-License-Identifier: MIT */
/*
** report: what the program says when something went wrong.
**
** An uncaught error is made into text where it was raised, by the message
** handler, while the stack that a traceback shows is still there.  The errors of
** other strands bring a traceback of their own; it is printed after the local
** message, for that is where the fault is.
*/
#include "host/host.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The name of the program is the one word that messages need from everywhere;
** written at start, and once more on entering and leaving the interactive mode. */
static const char *prefix = "conrun";

void cr_report_name(const char *name) { prefix = name; }
const char *cr_report_prefix(void) { return prefix; }

void cr_report_line(const char *message) {
  if (cr_arena_exists()) cr_screen_rest();
  if (prefix != NULL) fprintf(stderr, "%s: ", prefix);
  fprintf(stderr, "%s\n", message);
  fflush(stderr);
}

/* About the last error reported; the exit code depends on it. */
static bool interrupted;

bool cr_report_interrupted(void) { return interrupted; }

int cr_report_status(lua_State *L, int status) {
  if (status == LUA_OK) return status;
  const char *message = lua_tostring(L, -1);
  interrupted = cr_interrupt_was(message);
  cr_report_line(message != NULL ? message : "(error message is not a string)");
  lua_pop(L, 1);
  return status;
}

/* Pushes the text of an error object that says itself how it is printed; false
** if it does not.  [-0, +(0|1), e] */
static bool describe(lua_State *L) {
  if (!luaL_callmeta(L, 1, "__tostring")) return false;
  if (lua_type(L, -1) == LUA_TSTRING) return true;
  lua_pop(L, 1);
  return false;
}

/* Is the error object at 1 one of conrun.errors?  If that module is not loaded
** nobody can have made one.  [-0, +0, -] */
static bool is_remote(lua_State *L) {
  int top = lua_gettop(L);
  bool same = lua_istable(L, 1) && lua_getmetatable(L, 1) &&
              lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE &&
              lua_getfield(L, -1, "conrun.errors") == LUA_TTABLE &&
              lua_getfield(L, -1, "metatable") == LUA_TTABLE && lua_rawequal(L, -1, top + 1);
  lua_settop(L, top);
  return same;
}

/* Appends the worker's traceback to the text on top.  [-1, +1, m] */
static void add_remote(lua_State *L) {
  lua_pushliteral(L, "traceback");
  if (lua_rawget(L, 1) != LUA_TSTRING) {
    lua_pop(L, 1);
    return;
  }
  lua_pushliteral(L, "\n");
  lua_insert(L, -2);
  lua_concat(L, 3);
}

int cr_report_handler(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  if (text == NULL) {
    if (describe(L)) {
      if (is_remote(L)) add_remote(L);
      return 1;
    }
    text = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  luaL_traceback(L, L, text, 1);
  return 1;
}

/* ------------------------------------------------------------------- colours */

/* What --color said; r/o once the options are read. */
static enum cr_color color;

void cr_color_choose(enum cr_color when) { color = when; }

bool cr_color_on(int fd) {
  const char *never = getenv("NO_COLOR"), *terminal = getenv("TERM");
  if (color != CR_COLOR_AUTO) return color == CR_COLOR_ALWAYS;
  if (never != NULL && never[0] != '\0') return false;
  return isatty(fd) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}
