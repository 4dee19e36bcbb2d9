/* SPDX-License-Identifier: MIT */
/*
** path: where in what is sent the value is that cannot be sent.
**
**   cannot send a coroutine (argument 1, field 'job.co')
**
** The frames of the encoder are the way to the value, and each knows which child
** it is at.  Keys that follow each other are joined to one expression, as they
** would be written in Lua.  A very long way is shown by its two ends.
*/
#include <stdarg.h>
#include <stdio.h>

#include "codec/inside.h"

#define ENDS ((size_t)8) /* frames shown at each end of a long way */

typedef struct text {
  char at[1536];
  size_t length;
  bool keys;   /* inside an expression of keys */
  bool quoted; /* which is in quotes */
} text;

static __attribute__((format(printf, 2, 3))) void add(text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started above */
  int n = vsnprintf(t->at + t->length, sizeof t->at - t->length, format, args);
  va_end(args);
  if (n > 0) t->length += (size_t)n;
  if (t->length >= sizeof t->at) t->length = sizeof t->at - 1;
}

static void end_keys(text *t) {
  if (t->quoted) add(t, "'");
  t->keys = t->quoted = false;
}

static bool identifies(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    bool letter = (s[i] | 32) >= 'a' && (s[i] | 32) <= 'z';
    if (!letter && s[i] != '_' && (i == 0 || s[i] < '0' || s[i] > '9')) return false;
  }
  return n > 0;
}

static void add_string_key(text *t, const char *s, size_t n) {
  int shown = n > 60 ? 60 : (int)n;
  if (!t->keys) {
    add(t, ", field '%.*s", shown, s);
    t->quoted = true;
  } else {
    add(t, identifies(s, n) ? ".%.*s" : "[\"%.*s\"]", shown, s);
  }
  t->keys = true;
}

/* The key at stack index i, which must not be converted in place: lua_next
** needs it as it is. */
static void add_key(lua_State *L, text *t, int i) {
  size_t n;
  if (lua_type(L, i) == LUA_TSTRING) {
    const char *s = lua_tolstring(L, i, &n);
    add_string_key(t, s, n);
    return;
  }
  if (!t->keys) add(t, ", element ");
  t->keys = true;
  switch (lua_type(L, i)) {
  case LUA_TNUMBER:
    if (lua_isinteger(L, i))
      add(t, "[" LUA_INTEGER_FMT "]", lua_tointeger(L, i));
    else
      add(t, "[" LUA_NUMBER_FMT "]", lua_tonumber(L, i));
    break;
  case LUA_TBOOLEAN: add(t, lua_toboolean(L, i) ? "[true]" : "[false]"); break;
  default: add(t, "[a %s]", luaL_typename(L, i));
  }
}

static void add_table(lua_State *L, text *t, const frame *f) {
  if (f->stage == STAGE_VALUE) {
    add_key(L, t, f->base + 1);
    return;
  }
  end_keys(t);
  add(t, f->stage == STAGE_KEY ? ", key of table" : ", metatable");
}

static void add_function(lua_State *L, text *t, const frame *f) {
  lua_Debug ar;
  end_keys(t);
  if (f->stage == STAGE_GLOBALS) {
    lua_rawgeti(L, f->base + 1, 2 * (lua_Integer)f->i - 1);
    add(t, ", global '%.60s'", lua_tostring(L, -1));
    lua_pop(L, 1);
    return;
  }
  const char *name = lua_getupvalue(L, f->base, (int)f->i);
  if (name) lua_pop(L, 1);
  lua_pushvalue(L, f->base);
  lua_getinfo(L, ">S", &ar);
  add(t, ", upvalue '%.60s' of function <%s:%d>", name ? name : "?", ar.short_src, ar.linedefined);
}

static void add_frame(lua_State *L, text *t, const frame *f) {
  switch (f->kind) {
  case FRAME_TABLE: add_table(L, t, f); break;
  case FRAME_FUNCTION: add_function(L, t, f); break;
  default: end_keys(t); add(t, ", value %d of its __transfer", (int)f->i);
  }
}

static void add_way(encoder *e, text *t) {
  const workspace *w = e->work;
  for (size_t i = 0; i < w->depth; i++) {
    if (w->depth > 2 * ENDS && i == ENDS) {
      end_keys(t);
      add(t, ", ...");
      i = w->depth - ENDS;
    }
    add_frame(e->L, t, &w->frames[i]);
  }
  end_keys(t);
}

enum outcome refuse(encoder *e, const char *what) {
  if (e->plain) return GIVEN_UP;
  text t = {.length = 0};
  add(&t, "cannot send %s (%s %u", what, e->noun ? e->noun : "value", e->position);
  add_way(e, &t);
  add(&t, ")");
  cr_where(e->L);
  lua_pushlstring(e->L, t.at, t.length);
  lua_concat(e->L, 2);
  lua_error(e->L);
  return GIVEN_UP;
}

/* Any userdata but handles; open files are what people try to send. */
static enum outcome refuse_userdata(encoder *e) {
  char what[96];
  if (luaL_testudata(e->L, -1, LUA_FILEHANDLE)) return refuse(e, "an open file");
  if (luaL_getmetafield(e->L, -1, "__name") != LUA_TSTRING) return refuse(e, "a userdata");
  snprintf(what, sizeof what, "a userdata of type '%.60s'", lua_tostring(e->L, -1));
  return refuse(e, what);
}

enum outcome refuse_value(encoder *e) {
  if (e->plain) return GIVEN_UP;
  switch (lua_type(e->L, -1)) {
  case LUA_TTHREAD: return refuse(e, "a coroutine");
  case LUA_TLIGHTUSERDATA: return refuse(e, "a light userdata");
  case LUA_TFUNCTION: return refuse(e, "a C function that belongs to no loaded module");
  default: return refuse_userdata(e);
  }
}
