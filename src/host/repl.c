/* SPDX-License-Identifier: MIT */
/*
** repl: the interactive mode, of two manners.
**
** Plain as Lua's, where no person is (a file, a pipe) and under the name `lua`.  A
** line is tried as an expression first, then as a statement; while it is an
** unfinished statement more lines are asked for.  Results go to the global
** `print`.  An error is reported and the conversation goes on, so is an
** interruption; SIGINT at the prompt ends the program.
**
** With a person at a terminal.  What is typed is edited (edit.c), and what becomes of
** it is the business of module conrun.repl: it loads a block, shows results, helps
** and completes.  The order of one turn:
**
**   1 read       what others print goes above the prompt (terminal.c)
**   2 load       a block is an expression, a statement or a question, `?name`
**   3 run        Ctrl-C raises "interrupted!", however often it is pressed
**   4 show       the results, or the error
**   5 pause      all of it is on the screen before the next prompt
**
** Where the terminal or the lack of libedit allows no editing, step 1 is that of the
** plain manner, and the others are the same.
*/
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "host/prompt.h"

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

/* Prints the line on top: the lua that people have reads with a library that repeats
** what no terminal has shown.  [-0, +0, -] */
static void echo(lua_State *L) {
  size_t n;
  const char *line = lua_tolstring(L, -1, &n);
  fwrite(line, 1, n, stdout);
  fputs("\n", stdout);
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
  if (!any)
    lua_pop(L, 1);
  else if (!isatty(STDIN_FILENO))
    echo(L);
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
static int load_plainly(lua_State *L) {
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

static void converse_plainly(lua_State *L) {
  for (int status; (status = load_plainly(L)) != -1;) {
    if (status == LUA_OK) status = cr_script_call(L, 0, LUA_MULTRET);
    if (cr_report_status(L, status) == LUA_OK) print_results(L);
  }
  lua_settop(L, 0);
  fputs("\n", stdout);
  fflush(stdout);
}

/* ------------------------------------------------------------ with a person */

static int tell_columns(lua_State *L) {
  lua_pushinteger(L, cr_terminal_columns());
  return 1;
}

static int tell_rows(lua_State *L) {
  lua_pushinteger(L, cr_terminal_rows());
  return 1;
}

static int close_folder(lua_State *L) {
  DIR **d = lua_touserdata(L, 1);
  if (*d) closedir(*d);
  *d = NULL;
  return 0;
}

/* list(folder) -> the names in it, for the completion of modules' names.  The folder
** is closed by its box if memory runs out. */
static int list_folder(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  DIR **d = lua_newuserdatauv(L, sizeof(DIR *), 0);
  *d = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_folder);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_newtable(L);
  *d = opendir(name);
  struct dirent *entry;
  for (lua_Integer i = 1; *d && (entry = readdir(*d)) != NULL; i++) {
    lua_pushstring(L, entry->d_name);
    lua_rawseti(L, -2, i);
  }
  if (*d) closedir(*d);
  *d = NULL;
  return 1;
}

/* Loads the module that knows what to do with what is typed.  [-0, +0, e] */
static int start(lua_State *L) {
  static const luaL_Reg host[] = {
      {"columns", tell_columns}, {"rows", tell_rows}, {"list", list_folder}, {NULL, NULL}};
  if (!cr_module(L, CR_REPL)) return luaL_error(L, "no module '%s'", CR_REPL);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, CR_REPL);
  lua_getfield(L, -1, "start");
  luaL_newlib(L, host);
  lua_pushboolean(L, cr_color_on(STDOUT_FILENO));
  lua_setfield(L, -2, "colors");
  lua_call(L, 1, 0);
  return 0;
}

/* Calls a function of that module with the `n` values on top.  [-n, +results, -] */
static int consult(lua_State *L, const char *function, int n, int results) {
  lua_getfield(L, LUA_REGISTRYINDEX, CR_REPL);
  lua_getfield(L, -1, function);
  lua_remove(L, -2);
  lua_insert(L, -n - 1);
  return cr_script_call(L, n, results);
}

/* The error on top, in colour if there is any.  Behind the ^C that a terminal shows
** by itself it begins a new line.  [-1, +0, -] */
static void complain(lua_State *L, int status) {
  if (cr_interrupt_was(lua_tostring(L, -1))) fputs("\n", stdout);
  fflush(stdout);
  lua_pushvalue(L, -1);
  if (consult(L, "emphasize", 1, 1) == LUA_OK)
    lua_replace(L, -2);
  else
    lua_pop(L, 1);
  cr_report_status(L, status);
}

/* Steps 2 to 4; the block is all that is on the stack.  [-1, +0, -] */
static void answer(lua_State *L) {
  int status = consult(L, "load", 1, 2);
  if (status == LUA_OK && lua_isnil(L, 1)) status = LUA_ERRSYNTAX;
  if (status == LUA_OK) {
    lua_settop(L, 1);
    status = cr_script_call(L, 0, LUA_MULTRET);
  }
  if (status == LUA_OK) status = consult(L, "show", lua_gettop(L), 0);
  if (status != LUA_OK) complain(L, status);
  lua_settop(L, 0);
}

/* Ctrl-C that no code has met: it came too late, or at a prompt without editing, where
** the terminal has forgotten the line.  It has left its ^C on the screen. */
static bool was_cancelled(void) {
  if (!cr_notice_take(CR_INTERRUPT)) return false;
  clearerr(stdin);
  fputs("\n", stdout);
  return true;
}

/* The prompt is kept on the stack below the block.  [-0, +(0|1), e] */
static enum cr_edit_outcome read_edited(lua_State *L) {
  bool set = lua_getglobal(L, "_PROMPT") != LUA_TNIL;
  const char *prompt = set ? luaL_tolstring(L, -1, NULL) : "> ";
  was_cancelled();
  cr_terminal_pause();
  enum cr_edit_outcome outcome = cr_edit_read(L, prompt);
  cr_terminal_run();
  if (outcome == CR_EDIT_BLOCK) lua_replace(L, 1);
  lua_settop(L, outcome == CR_EDIT_BLOCK ? 1 : 0);
  return outcome;
}

static bool is_unfinished_block(lua_State *L) {
  lua_pushvalue(L, 1);
  bool unfinished = consult(L, "unfinished", 1, 1) == LUA_OK && lua_toboolean(L, -1);
  lua_pop(L, 1);
  return unfinished;
}

/* A block, line by line.  [-0, +(0|1), e] */
static enum cr_edit_outcome read_unedited(lua_State *L) {
  lua_settop(L, 0);
  bool there = read_line(L, true);
  while (there && is_unfinished_block(L) && (there = read_line(L, false))) {
    lua_pushliteral(L, "\n");
    lua_insert(L, -2);
    lua_concat(L, 3);
  }
  if (there) return CR_EDIT_BLOCK;
  lua_settop(L, 0);
  return was_cancelled() ? CR_EDIT_CANCEL : CR_EDIT_END;
}

/* Ctrl-D, and somebody is at work still: the end waits for those, and says so. */
typedef struct left {
  int count;
  char names[200];
} left;

static void add_left(cr_strand *s, void *arg) {
  left *l = arg;
  size_t n = strlen(l->names);
  if (s->daemon || cr_strand_state(s) != CR_RUNNING) return;
  if (l->count++ < 4)
    snprintf(l->names + n, sizeof l->names - n, "%s%s", n ? ", " : "", s->name);
  else if (l->count == 5)
    snprintf(l->names + n, sizeof l->names - n, " ...");
}

static void say_who_is_left(void) {
  left l = {0};
  cr_roster_each(add_left, &l);
  if (l.count > 0)
    printf("waiting for %d worker%s to end: %s (Ctrl-C ends them)\n", l.count,
           l.count == 1 ? "" : "s", l.names);
  fflush(stdout);
}

static void converse(lua_State *L) {
  enum cr_edit_outcome (*read)(lua_State * L) = cr_edit_open(L) ? read_edited : read_unedited;
  if (cr_edit_missing() != NULL)
    printf("(no line editing: the library %s is not installed)\n", cr_edit_missing());
  enum cr_edit_outcome outcome;
  while ((outcome = read(L)) != CR_EDIT_END)
    if (outcome == CR_EDIT_BLOCK) answer(L);
  if (read == read_unedited) fputs("\n", stdout);
  cr_edit_close();
  say_who_is_left();
}

/* Is there a person who sees what we print? */
static bool is_attended(void) { return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO); }

void cr_repl_prepare(const cr_options *o) {
  if (!o->as_lua && is_attended() && cr_edit_usable()) cr_terminal_open();
}

void cr_repl_run(lua_State *L, const cr_options *o) {
  const char *name = cr_report_prefix();
  cr_report_name(NULL);
  if (o->as_lua || !is_attended()) {
    converse_plainly(L);
  } else {
    cr_interrupt_keep(true);
    lua_pushcfunction(L, start);
    lua_call(L, 0, 0);
    converse(L);
    cr_interrupt_keep(false);
  }
  cr_report_name(name);
}
