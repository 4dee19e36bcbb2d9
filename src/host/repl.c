/* SPDX-License-Identifier: MIT */
/*
** repl: the interactive mode, plain as Lua's.
**
** A line is tried as an expression first, then as a statement; while it is an
** unfinished statement more lines are asked for.  Results go to the global
** `print`.  An error is reported and the conversation goes on, so is an
** interruption; SIGINT at the prompt ends the program.
**
** There is no line editing: terminals and wrappers such as rlwrap have it.
*/
#include "host/host.h"

#include <string.h>

static const char chunk_name[] = "=stdin";
enum {
  PIECE = 1024 /* bytes read at once; a line may have many pieces */
};

/* The global that scripts may set to change a prompt.  [-0, +0, e] */
static void ask(lua_State *L, bool first) {
  bool set = lua_getglobal(L, first ? "_PROMPT" : "_PROMPT2") != LUA_TNIL;
  fputs(set ? luaL_tolstring(L, -1, NULL) : first ? "> " : ">> ", stdout);
  fflush(stdout);
  lua_pop(L, set ? 2 : 1);
}

/* Pushes a line without its end; false at the end of input.  [-0, +(0|1), e] */
static bool read_line(lua_State *L, bool first) {
  ask(L, first);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  bool any = false, ended = false;
  while (!ended) {
    char *room = luaL_prepbuffsize(&b, PIECE);
    if (fgets(room, PIECE, stdin) == NULL) break;
    size_t n = strlen(room);
    any = true;
    ended = n > 0 && room[n - 1] == '\n';
    luaL_addsize(&b, ended ? n - 1 : n);
  }
  luaL_pushresult(&b);
  if (!any) lua_pop(L, 1);
  return any;
}

/* The line on top with a `=` in front for `return`, as old habits have it. */
static void expand_equals(lua_State *L) {
  const char *line = lua_tostring(L, -1);
  if (line[0] != '=') return;
  lua_pushfstring(L, "return %s", line + 1);
  lua_remove(L, -2);
}

static int load_line(lua_State *L, const char *text) {
  return luaL_loadbuffer(L, text, strlen(text), chunk_name);
}

/* Turns the line on top into a function that returns its value, if it is an
** expression.  [-0, +(0|1), m] */
static bool load_expression(lua_State *L) {
  const char *text = lua_pushfstring(L, "return %s", lua_tostring(L, -1));
  bool good = load_line(L, text) == LUA_OK;
  if (good)
    lua_remove(L, -2);
  else
    lua_pop(L, 2);
  return good;
}

/* Does the syntax error on top say that the text ended too early?  Then it goes. */
static bool is_unfinished(lua_State *L, int status) {
  static const char mark[] = "<eof>";
  size_t n;
  if (status != LUA_ERRSYNTAX) return false;
  const char *message = lua_tolstring(L, -1, &n);
  if (n < sizeof mark - 1 || strcmp(message + n - (sizeof mark - 1), mark) != 0) return false;
  lua_pop(L, 1);
  return true;
}

/* Loads the statement that begins with the line on top.  [-0, +1, e] */
static int load_statement(lua_State *L) {
  for (;;) {
    int status = load_line(L, lua_tostring(L, -1));
    if (!is_unfinished(L, status)) return status;
    if (!read_line(L, false)) return load_line(L, lua_tostring(L, -1));
    lua_pushliteral(L, "\n");
    lua_insert(L, -2);
    lua_concat(L, 3);
  }
}

/* The next thing to do; -1 at the end of input.  The stack then holds just it. */
static int load(lua_State *L) {
  lua_settop(L, 0);
  if (!read_line(L, true)) return -1;
  expand_equals(L);
  int status = load_expression(L) ? LUA_OK : load_statement(L);
  lua_remove(L, 1);
  return status;
}

static void print_results(lua_State *L) {
  int n = lua_gettop(L);
  if (n == 0) return;
  luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
  lua_getglobal(L, "print");
  lua_insert(L, 1);
  if (lua_pcall(L, n, 0, 0) == LUA_OK) return;
  cr_report_line(lua_pushfstring(L, "error calling 'print' (%s)", lua_tostring(L, -1)));
}

void cr_repl_run(lua_State *L) {
  const char *name = cr_report_prefix();
  cr_report_name(NULL);
  for (int status; (status = load(L)) != -1;) {
    if (status == LUA_OK) status = cr_script_call(L, 0, LUA_MULTRET);
    if (cr_report_status(L, status) == LUA_OK) print_results(L);
  }
  lua_settop(L, 0);
  fputs("\n", stdout);
  fflush(stdout);
  cr_report_name(name);
}
