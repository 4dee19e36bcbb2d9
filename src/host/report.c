/* SPDX-License-Identifier: MIT */
/*
** report: what the program says when something went wrong.
**
** An uncaught error is made into text where it was raised, by the message
** handler, while the stack that a traceback shows is still there.  The errors of
** other strands bring a traceback of their own; it is printed after that of this
** strand, which tells where it was asked for.
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

/* What prints itself is a message without a stack, as in Lua's own program; but for the
** errors of other strands. */
int cr_report_handler(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING) {
    cr_mend_place(L, 1);
    lua_replace(L, 1);
  }
  const char *text = lua_tostring(L, 1);
  bool remote = text == NULL && cr_is_error(L, 1);
  if (text == NULL) {
    bool described = describe(L);
    if (described && !remote) return 1;
    text = described ? lua_tostring(L, -1)
                     : lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  cr_traceback(L, L, text, 1);
  if (remote) {
    cr_error_stacks(L, 1);
    lua_concat(L, 2);
  }
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
