/* SPDX-License-Identifier: MIT */
/*
** value: encoded bytes on their way between an arena and the wire.
**
** On the wire stand, for a message, its kind and its bytes; for a value that is small enough
** to have none, the two words that it is (arena.h).  Both machines have the same sizes and
** order of bytes, which they have made sure of before.
**
** A value that comes in pieces is filled piece by piece where it will be, in a message in
** the arena, so that a large one is never there twice.
*/
#include <string.h>

#include "net/inside.h"

#define VALUE "conrun.net.value"

typedef struct value {
  cr_message *message; /* in hand; NULL: taken */
  size_t size;         /* of its bytes */
  size_t filled;       /* of these from the start on, all */
} value;

size_t value_size(const cr_value *v) {
  return v->kind == CR_V_MESSAGE ? 1 + v->message->length : sizeof *v;
}

void value_slice(lua_State *L, const cr_value *v, lua_Integer from, lua_Integer n) {
  static const char message = CR_V_MESSAGE;
  lua_Integer size = (lua_Integer)value_size(v);
  cr_memory_comes();
  if (from < 0 || from > size || n < 0) luaL_error(L, "slice out of range");
  if (n > size - from) n = size - from;
  if (v->kind != CR_V_MESSAGE) {
    lua_pushlstring(L, (const char *)v + from, (size_t)n);
    return;
  }
  const char *bytes = (const char *)v->message->bytes;
  if (n == 0 || from > 0) {
    lua_pushlstring(L, n == 0 ? "" : bytes + from - 1, (size_t)n);
    return;
  }
  luaL_Buffer b;
  luaL_buffinitsize(L, &b, (size_t)n);
  luaL_addchar(&b, message);
  luaL_addlstring(&b, bytes, (size_t)n - 1);
  luaL_pushresult(&b);
}

/* A value that has no message. */
static bool read_small(const char *bytes, size_t n, cr_value *v) {
  if (n != sizeof *v) return false;
  memcpy(v, bytes, n);
  return v->kind > CR_V_NONE && v->kind < CR_V_MESSAGE &&
         (v->kind != CR_V_STRING || v->length <= CR_SHORT);
}

static int fill_string(lua_State *L, int index, cr_value *v) {
  size_t n;
  const char *bytes = luaL_checklstring(L, index, &n);
  if (n > 0 && bytes[0] != CR_V_MESSAGE)
    return read_small(bytes, n, v) ? 0 : luaL_error(L, "these bytes are no value");
  if (n < 1 + HEADER) return luaL_error(L, "these bytes are no value");
  cr_message *m;
  cr_make(L, m, cr_message_new(n - 1));
  if (!m) return cr_fail(L, ENOMEM);
  memcpy(m->bytes, bytes + 1, n - 1);
  m->length = n - 1;
  *v = (cr_value){.head = 0, .message = m};
  v->kind = CR_V_MESSAGE;
  return 0;
}

void value_take(lua_State *L, int index, cr_value *v) {
  value *whole = luaL_testudata(L, index, VALUE);
  if (!whole) {
    fill_string(L, index, v);
    return;
  }
  if (!whole->message || whole->filled < whole->size) luaL_error(L, "the value is not whole");
  *v = (cr_value){.head = 0, .message = whole->message};
  v->kind = CR_V_MESSAGE;
  whole->message = NULL;
}

/* value(size) -> one to be filled */
static int new_value(lua_State *L) {
  lua_Integer size = luaL_checkinteger(L, 1);
  luaL_argcheck(L, size > (lua_Integer)(1 + HEADER), 1, "too small");
  value *v = lua_newuserdatauv(L, sizeof *v, 0);
  *v = (value){.size = (size_t)size};
  luaL_setmetatable(L, VALUE);
  cr_make(L, v->message, cr_message_new(v->size - 1));
  if (!v->message) return cr_fail(L, ENOMEM);
  v->message->length = v->size - 1;
  return 1;
}

/* add(bytes) -> is it whole?  The next bytes. */
static int add(lua_State *L) {
  value *v = luaL_checkudata(L, 1, VALUE);
  size_t n;
  const char *bytes = luaL_checklstring(L, 2, &n);
  if (!v->message || n == 0 || n > v->size - v->filled)
    return luaL_argerror(L, 2, "too many bytes");
  if (v->filled == 0) {
    luaL_argcheck(L, bytes[0] == CR_V_MESSAGE, 2, "no value");
    memcpy(v->message->bytes, bytes + 1, n - 1);
  } else {
    memcpy(v->message->bytes + v->filled - 1, bytes, n);
  }
  v->filled += n;
  lua_pushboolean(L, v->filled == v->size);
  return 1;
}

static int collect(lua_State *L) {
  value *v = luaL_checkudata(L, 1, VALUE);
  if (v->message && !cr_stray) cr_message_free(v->message);
  v->message = NULL;
  return 0;
}

static int slice_all(lua_State *L) {
  const cr_value *v = lua_touserdata(L, 1);
  value_slice(L, v, 0, (lua_Integer)value_size(v));
  return 1;
}

/* encode(...) -> bytes */
static int encode(lua_State *L) {
  cr_value v;
  int n = lua_gettop(L);
  luaL_checkstack(L, 4, NULL);
  cr_far(true);
  cr_encode_call(L, 1, n, "value", &v);
  cr_far(false);
  lua_pushcfunction(L, slice_all);
  lua_pushlightuserdata(L, &v);
  int status = lua_pcall(L, 1, 1, 0);
  cr_value_free(&v);
  return status == LUA_OK ? 1 : lua_error(L);
}

/* decode(bytes) -> ... */
static int decode(lua_State *L) {
  cr_value v;
  lua_settop(L, 1);
  value_take(L, 1, &v);
  return cr_decode(L, &v);
}

/* function(f) -> the bytes of its code, as a task has it */
static int encode_function(lua_State *L) {
  cr_far(true);
  cr_code *code = cr_code_push(L, 1, "function");
  value_slice(L, &code->function, 0, (lua_Integer)value_size(&code->function));
  return 1;
}

/* failure(kind, message, strand) -> the bytes of an error object */
static int failure(lua_State *L) {
  cr_value v;
  const char *strand = luaL_optstring(L, 3, NULL);
  if (cr_encode_error(luaL_checkstring(L, 1), luaL_checkstring(L, 2), strand, &v) != 0)
    return cr_fail(L, ENOMEM);
  lua_pushcfunction(L, slice_all);
  lua_pushlightuserdata(L, &v);
  int status = lua_pcall(L, 1, 1, 0);
  cr_value_free(&v);
  return status == LUA_OK ? 1 : lua_error(L);
}

/* Where the fields of an error object are counted, and where they begin. */
enum {
  AT_TAG = 1 + HEADER,
  AT_LIST = AT_TAG + 1,
  AT_FIELDS = AT_LIST + 4,
  AT_FIRST = AT_FIELDS + 4
};

static void add_text(luaL_Buffer *b, const char *s) {
  uint32_t n = (uint32_t)strlen(s);
  luaL_addchar(b, WIRE_STRING32);
  luaL_addlstring(b, (const char *)&n, sizeof n);
  luaL_addlstring(b, s, n);
}

static void add_fields(luaL_Buffer *b, const char *host, lua_Integer attempts) {
  add_text(b, "host");
  add_text(b, host);
  add_text(b, "attempts");
  luaL_addchar(b, WIRE_INT64);
  luaL_addlstring(b, (const char *)&attempts, sizeof attempts);
}

/* annotate(bytes, host, attempts) -> the same error object with two more fields; strings
** have no numbers on the wire, so nothing else of the message changes. */
static int annotate(lua_State *L) {
  size_t n;
  uint32_t list, fields;
  luaL_Buffer b;
  const char *bytes = luaL_checklstring(L, 1, &n), *host = luaL_checkstring(L, 2);
  lua_Integer attempts = luaL_checkinteger(L, 3);
  lua_settop(L, 2);
  bool object = n > AT_FIRST && bytes[0] == CR_V_MESSAGE && bytes[AT_TAG] == WIRE_OBJECT;
  if (object) memcpy(&list, bytes + AT_LIST, sizeof list);
  if (!object || list != 0) {
    lua_settop(L, 1);
    return 1;
  }
  memcpy(&fields, bytes + AT_FIELDS, sizeof fields);
  fields += 2;
  luaL_buffinitsize(L, &b, n + 64);
  luaL_addlstring(&b, bytes, AT_FIELDS);
  luaL_addlstring(&b, (const char *)&fields, sizeof fields);
  add_fields(&b, host, attempts);
  luaL_addlstring(&b, bytes + AT_FIRST, n - AT_FIRST);
  luaL_pushresult(&b);
  return 1;
}

static const luaL_Reg functions[] = {{"value", new_value}, {"encode", encode},
                                     {"decode", decode},   {"encode_function", encode_function},
                                     {"failure", failure}, {"annotate", annotate},
                                     {NULL, NULL}};

static const luaL_Reg methods[] = {{"add", add}, {NULL, NULL}};

void value_open(lua_State *L) {
  luaL_newmetatable(L, VALUE);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
