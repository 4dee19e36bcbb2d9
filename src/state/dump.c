/* SPDX-License-Identifier: MIT */
/*
** dump: a strand prints its Lua stack, when it is asked to.
**
** Part of the report of a deadlock and of the answer to SIGQUIT: what it waits for
** and holds anybody can read in its record (worker/describe.c), the stack only
** itself.  The text is made first and written with one call, and no longer than
** what a pipe takes in one piece, so that the stacks of several strands do not mix.
** What goes wrong in the making (no memory) costs the dump, not the strand.
*/
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "state/state.h"

/* The traceback without its first line, which is a heading, and indented. */
static void add_stack(luaL_Buffer *b, lua_State *of, int level) {
  lua_State *L = b->L;
  cr_traceback(L, of, NULL, level);
  const char *first = strchr(lua_tostring(L, -1), '\n');
  luaL_gsub(L, first ? first + 1 : "\tno function", "\t", "    ");
  lua_remove(L, -2);
  luaL_addvalue(b);
  luaL_addchar(b, '\n');
}

static int make_text(lua_State *L) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  /* In a controlled run, a number that is the same each time. */
  int process = cr_controlled ? (int)cr_me->index : (int)getpid();
  lua_pushfstring(L, "strand '%s' (process %d):\n", cr_me->name, process);
  luaL_addvalue(&b);
  add_stack(&b, L, 1);
  if (cr_lua && cr_lua->L && cr_lua->L != L) {
    luaL_addstring(&b, "  a coroutine, resumed from:\n");
    add_stack(&b, cr_lua->L, 0);
  }
  luaL_pushresult(&b);
  return 1;
}

/* What does not fit ends with dots. */
static void write_whole(const char *text, size_t length) {
  static const char dots[] = "    ...\n";
  char room[PIPE_BUF];
  size_t most = sizeof room - sizeof dots;
  size_t n = length < most ? length : most;
  memcpy(room, text, n);
  if (n < length) {
    memcpy(room + n, dots, sizeof dots - 1);
    n += sizeof dots - 1;
  }
  cr_bars_pass();
  while (write(STDERR_FILENO, room, n) < 0 && errno == EINTR) {}
}

/* Runs on the stack that is to be shown; the frame of make_text itself is left out
** by the level of the traceback. */
void cr_dump(lua_State *L) {
  if (!lua_checkstack(L, LUA_MINSTACK)) return cr_dump_done();
  lua_pushcfunction(L, make_text);
  if (lua_pcall(L, 0, 1, 0) == LUA_OK) {
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);
    write_whole(text, n);
  }
  lua_pop(L, 1);
  cr_dump_done();
}

void cr_dump_if_asked(lua_State *L) {
  if (cr_notice_take(CR_DUMP)) cr_dump(L);
}
