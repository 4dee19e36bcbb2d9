/* SPDX-License-Identifier: MIT */
/*
** raised: what was raised, as an error object that tells others of it.
**
** An error object (conrun.errors) has a kind, a message, the value that was raised, and
** the traceback and the name of the strand in which it was.  It is made by a message
** handler, while the stack is still there.  Whatever the value is, making the object
** raises nothing but "not enough memory".
**
** The message of a table is what the prompt would show of it, unless it has a __tostring.
*/
#include "codec/inside.h"

static int require_errors(lua_State *L) {
  lua_pushliteral(L, "conrun.errors");
  state_require(L);
  return 0;
}

/* The metatable is completed by conrun.errors.  Where that cannot be loaded, the object
** goes to a strand that can. */
void cr_error_metatable(lua_State *L) {
  luaL_checkstack(L, 6, NULL);
  if (luaL_getmetatable(L, CR_ERROR) == LUA_TTABLE) return;
  lua_pushcfunction(L, require_errors);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
  luaL_newmetatable(L, CR_ERROR);
  lua_remove(L, -2);
}

bool cr_is_error(lua_State *L, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
  luaL_getmetatable(L, CR_ERROR);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

bool cr_error_is(lua_State *L, int index, const char *kind) {
  if (!cr_is_error(L, index)) return false;
  index = lua_absindex(L, index);
  lua_pushliteral(L, "kind");
  bool same = lua_rawget(L, index) == LUA_TSTRING && strcmp(lua_tostring(L, -1), kind) == 0;
  lua_pop(L, 1);
  return same;
}

/* ------------------------------------------------------------------------ text */

static int run_text(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* A table in a few lines. */
static int run_pretty(lua_State *L) {
  lua_pushliteral(L, "conrun.repl.pretty");
  state_require(L);
  lua_getfield(L, -1, "format");
  lua_pushvalue(L, 1);
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, 4);
  lua_setfield(L, -2, "depth");
  lua_pushinteger(L, 40);
  lua_setfield(L, -2, "total");
  lua_call(L, 2, 1);
  return 1;
}

static bool is_bare_table(lua_State *L, int index) {
  if (!lua_istable(L, index)) return false;
  if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL) return true;
  lua_pop(L, 1);
  return false;
}

void cr_text(lua_State *L, int index) {
  luaL_checkstack(L, 8, NULL);
  index = lua_absindex(L, index);
  lua_pushcfunction(L, is_bare_table(L, index) ? run_pretty : run_text);
  lua_pushvalue(L, index);
  int status = lua_pcall(L, 1, 1, 0);
  if (status == LUA_OK && lua_isstring(L, -1)) return;
  if (status == LUA_ERRMEM) lua_error(L);
  lua_pop(L, 1);
  lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
}

/* ---------------------------------------------------------------------- objects */

static void set(lua_State *L, const char *field) {
  lua_pushstring(L, field);
  lua_insert(L, -2);
  lua_rawset(L, -3);
}

void cr_error_object(lua_State *L, int value, const char *kind) {
  value = lua_absindex(L, value);
  luaL_checkstack(L, 10, NULL);
  lua_createtable(L, 0, 5);
  lua_pushstring(L, kind);
  set(L, "kind");
  cr_mend_place(L, value);
  cr_text(L, -1);
  lua_remove(L, -2);
  set(L, "message");
  lua_pushvalue(L, value);
  set(L, "value");
  cr_traceback(L, L, NULL, 1);
  set(L, "traceback");
  if (cr_me) lua_pushstring(L, cr_me->name);
  if (cr_me) set(L, "strand");
  cr_error_metatable(L);
  lua_setmetatable(L, -2);
}

/* Pushes a field of the error object at `index`, which is no string: then "" instead. */
static const char *push_field(lua_State *L, int index, const char *field) {
  lua_pushstring(L, field);
  if (lua_rawget(L, index) == LUA_TSTRING) return lua_tostring(L, -1);
  lua_pop(L, 1);
  lua_pushliteral(L, "");
  return "";
}

/* [text so far] [error object] -> [text] */
static void add_stack(lua_State *L) {
  static const char head[] = "stack traceback:";
  int object = lua_gettop(L);
  const char *strand = push_field(L, object, "strand");
  const char *stack = push_field(L, object, "traceback"), *text = lua_tostring(L, object - 1);
  bool others = cr_me && strcmp(strand, cr_me->name) != 0;
  if (others && *strand && strncmp(stack, head, sizeof head - 1) == 0)
    lua_pushfstring(L, "%s\nstack traceback of '%s':%s", text, strand, stack + sizeof head - 1);
  else
    lua_pushfstring(L, "%s%s%s", text, *stack ? "\n" : "", stack);
  lua_replace(L, object - 1);
  lua_settop(L, object - 1);
}

#define STACKS_MOST 8 /* strands that an error has come through */

void cr_error_stacks(lua_State *L, int index) {
  luaL_checkstack(L, 10, NULL);
  lua_pushvalue(L, index);
  lua_pushliteral(L, "");
  lua_insert(L, -2);
  for (int i = 0; i < STACKS_MOST && cr_is_error(L, -1); i++) {
    lua_pushliteral(L, "value");
    lua_rawget(L, -2);
    lua_insert(L, -3); /* [value] [text] [object] */
    add_stack(L);
    lua_insert(L, -2);
  }
  lua_pop(L, 1);
}

/* What means the end of what the strand does is not the fault of what was sent. */
static bool passes(lua_State *L) {
  static const char *const kinds[] = {"transfer", "interrupted", "deadlock", "cancelled"};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (cr_error_is(L, 1, kinds[i])) return true;
  const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : "";
  return strstr(text, "interrupted!") != NULL;
}

int cr_transfer_failed(lua_State *L) {
  lua_settop(L, 1);
  if (!passes(L)) cr_error_object(L, 1, "transfer");
  return 1;
}

/* ---------------------------------------------------------------------- sending */

/* Where an error object goes: among the results of a mapping, or a value of its own. */
typedef struct sink {
  cr_writer *writer; /* NULL: the value */
  cr_value *value;
} sink;

static int give(lua_State *L) {
  const sink *s = lua_touserdata(L, 2);
  if (s->writer)
    cr_writer_add(L, s->writer, 1);
  else
    cr_encode(L, 1, 1, "error", s->value);
  return 0;
}

/* The object may be somebody's, so it is a copy that goes without the value. */
static int give_without_value(lua_State *L) {
  static const char *const fields[] = {"kind", "message", "traceback", "strand"};
  lua_createtable(L, 0, 4);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushstring(L, fields[i]);
    lua_rawget(L, 1);
    set(L, fields[i]);
  }
  cr_error_metatable(L);
  lua_setmetatable(L, -2);
  lua_replace(L, 1);
  return give(L);
}

static bool attempt(lua_State *L, lua_CFunction how, sink *s) {
  lua_pushcfunction(L, how);
  lua_pushvalue(L, -2);
  lua_pushlightuserdata(L, s);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}

static bool send(lua_State *L, sink *s) {
  if (!lua_checkstack(L, 4) || !cr_is_error(L, -1)) return false;
  return attempt(L, give, s) || attempt(L, give_without_value, s);
}

bool cr_error_encode(lua_State *L, cr_value *v) { return send(L, &(sink){NULL, v}); }
bool cr_error_write(lua_State *L, cr_writer *w) { return send(L, &(sink){w, NULL}); }
