/* SPDX-License-Identifier: MIT */
/*
** place: where in the user's code something happened.
**
** Parts of conrun are written in Lua, and their functions stand on the stack between the
** user's and those in C.  Nobody who reads a message wants to see them: positions are
** those of the user's line, and in a traceback a call of conrun is one line, as that of
** any function in C is.
*/
#include <stdarg.h>

#include "codec/inside.h"

#define OWN "[conrun" /* chunk names of conrun's own parts begin so (state.c) */

/* What calls the function of a worker that has settings (settings.c) is nobody's business. */
#define BEGIN "\n\t[C]: in function 'conrun.core.begin.begin'"

static bool is_users(const lua_Debug *ar) {
  return ar->currentline > 0 && strncmp(ar->source, "=" OWN, sizeof OWN) != 0;
}

/* Level 0 is the function in C that asks, or in a hook the function that is interrupted. */
bool cr_users_line(lua_State *L, lua_Debug *ar) {
  for (int level = 0; lua_getstack(L, level, ar); level++) {
    lua_getinfo(L, "Sl", ar);
    if (is_users(ar)) return true;
  }
  return false;
}

void cr_where(lua_State *L) {
  lua_Debug ar;
  if (cr_users_line(L, &ar))
    lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
  else
    lua_pushliteral(L, "");
}

int cr_raise(lua_State *L, const char *format, ...) {
  va_list args;
  cr_where(L);
  va_start(args, format);
  /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started above */
  lua_pushvfstring(L, format, args);
  va_end(args);
  lua_concat(L, 2);
  return lua_error(L);
}

/* Pushes the name by which a loaded module has the function at `function`, the shortest if
** it has several, or "?". */
static const char *push_name(lua_State *L, int function) {
  lua_pushliteral(L, "?");
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1)) continue;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
      const char *best = lua_tostring(L, function + 1);
      if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, function)) continue;
      lua_pushfstring(L, "%s.%s", lua_tostring(L, -4), lua_tostring(L, -2));
      size_t length = lua_rawlen(L, -1), most = strlen(best);
      bool better = *best == '?' || length < most ||
                    (length == most && strcmp(lua_tostring(L, -1), best) < 0);
      if (better)
        lua_replace(L, function + 1);
      else
        lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
  return lua_tostring(L, -1);
}

/* What the user's code calls that function of conrun which is called by it; it stays on the
** stack. */
static const char *called(lua_State *L, lua_Debug *ar) {
  lua_Debug caller;
  int level = 0;
  while (lua_getstack(L, level + 1, &caller) && lua_getinfo(L, "Sl", &caller) &&
         strncmp(caller.source, "=" OWN, sizeof OWN) == 0)
    level++;
  lua_getstack(L, level, ar);
  lua_getinfo(L, "nf", ar);
  return ar->name ? ar->name : push_name(L, lua_gettop(L));
}

/* An operator, a loop or a tail call does not name the function. */
int cr_bad_argument_of(lua_State *L, int position, const char *function, const char *message) {
  lua_Debug ar;
  luaL_checkstack(L, 12, NULL);
  const char *name = called(L, &ar);
  bool names = strcmp(ar.namewhat, "metamethod") != 0 && strcmp(ar.namewhat, "for iterator") != 0 &&
               *name != '?';
  return cr_raise(L, "bad argument #%d to '%s' (%s)", position, names ? name : function, message);
}

int cr_bad_argument(lua_State *L, int index, const char *message) {
  lua_Debug ar;
  luaL_checkstack(L, 12, NULL);
  const char *name = called(L, &ar);
  if (strcmp(ar.namewhat, "method") == 0) index--;
  if (index == 0) return cr_raise(L, "calling '%s' on bad self (%s)", name, message);
  return cr_raise(L, "bad argument #%d to '%s' (%s)", index, name, message);
}

void cr_mend_place(lua_State *L, int index) {
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
  size_t part = strncmp(text, OWN, sizeof OWN - 1) == 0 ? strcspn(text, "]") : 0;
  const char *rest = part ? strstr(text + part, ": ") : NULL;
  if (rest) {
    cr_where(L);
    lua_pushstring(L, rest + 2);
    lua_concat(L, 2);
  } else {
    lua_pushvalue(L, index);
  }
}

/* ----------------------------------------------------------------- tracebacks */

/* A traceback while it is made shorter.  Lines of functions in C are held back until it is
** known whether one of conrun's own functions called them. */
typedef struct trace {
  luaL_Buffer out;
  const char *held, *held_end; /* lines of C; NULL: none */
  const char *call, *call_end; /* how the user's code called conrun; NULL: it did not */
} trace;

static bool begins(const char *at, const char *end, const char *with) {
  size_t n = strlen(with);
  return (size_t)(end - at) >= n && memcmp(at, with, n) == 0;
}

/* What a line says behind "in ": the name of a function. */
static void note_call(trace *t, const char *line, const char *end) {
  const char *at = line;
  while (at + 5 < end && memcmp(at, ": in ", 5) != 0) at++;
  t->call = at + 5 < end ? at + 5 : end;
  t->call_end = end;
  t->held = NULL;
}

static void give_lines(trace *t) {
  if (t->call) {
    bool named = t->call < t->call_end && !memchr(t->call, '<', (size_t)(t->call_end - t->call));
    luaL_addstring(&t->out, "\n\t[C]: in ");
    if (named)
      luaL_addlstring(&t->out, t->call, (size_t)(t->call_end - t->call));
    else
      luaL_addchar(&t->out, '?');
  }
  if (t->held) luaL_addlstring(&t->out, t->held, (size_t)(t->held_end - t->held));
  t->call = t->held = NULL;
}

/* A line with its newline in front. */
static void take_line(trace *t, const char *line, const char *end) {
  if (begins(line, end, "\n\t" OWN)) {
    note_call(t, line, end);
  } else if (begins(line, end, BEGIN)) {
    return;
  } else if (begins(line, end, "\n\t[C]: ")) {
    if (!t->held) t->held = line;
    t->held_end = end;
  } else {
    give_lines(t);
    luaL_addlstring(&t->out, line, (size_t)(end - line));
  }
}

/* In place of the traceback on top, pushes one without conrun's own functions. */
static void shorten(lua_State *L) {
  size_t n;
  const char *text = lua_tolstring(L, -1, &n), *end = text + n;
  trace t = {.held = NULL};
  luaL_buffinit(L, &t.out);
  for (const char *line = text, *next; line < end; line = next) {
    next = memchr(line + 1, '\n', (size_t)(end - line - 1));
    if (!next) next = end;
    take_line(&t, line, next);
  }
  give_lines(&t);
  luaL_pushresult(&t.out);
  lua_remove(L, -2);
}

void cr_traceback(lua_State *L, lua_State *of, const char *message, int level) {
  luaL_traceback(L, of, NULL, level);
  const char *text = lua_tostring(L, -1);
  if (strstr(text, "\n\t" OWN) || strstr(text, BEGIN)) shorten(L);
  if (!message) return;
  lua_pushfstring(L, "%s\n%s", message, lua_tostring(L, -1));
  lua_remove(L, -2);
}
