/* SPDX-License-Identifier: MIT */
/*
** encode: values of a Lua state become one cr_value.
**
** A single small value is put in place; a single string becomes a message with
** one copy; everything else is put together in a workspace and then copied into
** a message of just its size.  First the plain way is tried, which cannot raise;
** where it gives up, the protected way does all of it again (see inside.h).
**
** Nothing leaks: what a protected encode has in its hands (its workspace, the
** message that mentions its handles) is given back after the pcall, whatever
** happened; a plain one has nothing that is not the state's.
**
** A finalizer or __transfer that encodes something of its own meanwhile is no
** danger: plain encodes cannot be interrupted, and each protected encode has a
** workspace of its own.
*/
#include <stdlib.h>

#include "codec/inside.h"

#define KEEP_ROOM ((size_t)65536) /* what a state keeps for the next plain encode */
#define KEEP_BITS 12u
#define MANY_FLOATS ((size_t)262144) /* bytes of a list that has a way of its own */

/* --------------------------------------------------------------- workspaces */

void workspace_free(workspace *w) {
  free(w->bytes);
  free(w->frames);
  seen_free(&w->seen);
  *w = (workspace){0};
}

static workspace *workspace_new(struct cr_codec *c) {
  workspace *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  w->outer = c->inner;
  c->inner = w;
  return w;
}

void workspace_drop(struct cr_codec *c) {
  workspace *w = c->inner;
  c->inner = w->outer;
  workspace_free(w);
  free(w);
}

/* One big message must not make the state big for ever. */
static void trim(workspace *w) {
  if (w->room > KEEP_ROOM || w->seen.bits > KEEP_BITS || w->frames_room > KEEP_ROOM / 64)
    workspace_free(w);
}

/* ----------------------------------------------------------------- in place */

/* The whole value is written, also what is not used of it: a dict compares keys
** as words. */
bool encode_in_place(lua_State *L, int index, cr_value *v) {
  cr_value new = {.head = 0, .word = 0};
  switch (lua_type(L, index)) {
  case LUA_TNIL: new.kind = CR_V_NIL; break;
  case LUA_TBOOLEAN: new.kind = lua_toboolean(L, index) ? CR_V_TRUE : CR_V_FALSE; break;
  case LUA_TNUMBER:
    new.kind = lua_isinteger(L, index) ? CR_V_INTEGER : CR_V_FLOAT;
    if (new.kind == CR_V_INTEGER)
      new.integer = lua_tointeger(L, index);
    else
      new.number = lua_tonumber(L, index);
    break;
  case LUA_TSTRING: {
    size_t n;
    const char *s = lua_tolstring(L, index, &n);
    if (n > CR_SHORT) return false;
    new.kind = CR_V_STRING;
    new.length = (uint8_t)n;
    memcpy(new.text, s, n);
    break;
  }
  default: return false;
  }
  *v = new;
  return true;
}

/* ----------------------------------------------------------------- messages */

void put_header(unsigned char *at, unsigned flags, uint32_t count) {
  at[0] = (unsigned char)flags;
  memcpy(at + 1, &count, sizeof count);
}

void set_message(cr_value *v, cr_message *m) {
  *v = (cr_value){.head = 0, .message = m};
  v->kind = CR_V_MESSAGE;
}

_Noreturn void raise_memory(lua_State *L) {
  lua_pushliteral(L, "not enough memory");
  lua_error(L);
  __builtin_unreachable();
}

/* A message for `length` bytes; the one that mentions the handles if there is one. */
static cr_message *message_for(encoder *e) {
  if (!e->message) return cr_message_new(e->length);
  cr_message *m = cr_message_room(e->message, e->length);
  if (m) e->message = m;
  return m;
}

/* The bytes of the encoder become a message in the caller's hands; false: no
** memory, nothing has changed. */
bool encode_finish(encoder *e, uint32_t count, unsigned flags, cr_value *v) {
  cr_message *m = message_for(e);
  if (!m) return false;
  e->message = NULL;
  if (e->again) flags |= FLAG_AGAIN;
  put_header(e->work->bytes, flags, count);
  memcpy(m->bytes, e->work->bytes, e->length);
  m->length = e->length;
  set_message(v, m);
  return true;
}

/* A string that is sent alone may be big: one allocation, one copy. */
static void encode_string(lua_State *L, int index, cr_value *v) {
  size_t n;
  const char *s = lua_tolstring(L, index, &n);
  cr_message *m;
  do m = cr_message_new(HEADER + STRING_HEAD + n);
  while (!m && cr_make_room(L));
  if (m) {
    workspace w = {.bytes = m->bytes, .room = HEADER + STRING_HEAD + n};
    encoder e = {.L = L, .work = &w, .length = HEADER, .plain = true};
    put_header(m->bytes, FLAG_PLAIN, 1);
    put_string(&e, s, n);
    m->length = e.length;
    set_message(v, m);
  } else {
    raise_memory(L);
  }
}

/* ----------------------------------------------------------------- two ways */

/* Appends n values from stack index `first` on; false: gave up, the stack and the
** bytes are as they were. */
bool encode_plain(encoder *e, int first, int n) {
  lua_State *L = e->L;
  int top = lua_gettop(L);
  size_t length = e->length;
  bool again = e->again;
  e->plain = true;
  e->objects = 0;
  seen_clear(&e->work->seen);
  for (int i = 0; i < n; i++) {
    lua_pushvalue(L, first + i);
    enum outcome r = encoder_run(e);
    lua_settop(L, top);
    if (r == EMITTED) continue;
    e->length = length;
    e->again = again;
    return false;
  }
  return true;
}

/* Stack: [encoder] [anchor] [taken] [value] ... */
static int run_protected(lua_State *L) {
  encoder *e = lua_touserdata(L, 1);
  int top = lua_gettop(L);
  e->anchor = 2;
  e->taken = 3;
  luaL_checkstack(L, 12, NULL);
  for (int i = 4; i <= top; i++) {
    lua_pushvalue(L, i);
    encoder_run(e);
    lua_settop(L, top);
    e->position++;
  }
  return 0;
}

/* Code that runs in the middle, a __transfer or a finalizer, may take keys away from the table
** that is being written; Lua's own word for that speaks of a call that nobody has made. */
static void explain(lua_State *L) {
  static const char lost[] = "invalid key to 'next'";
  if (lua_type(L, -1) != LUA_TSTRING || strcmp(lua_tostring(L, -1), lost) != 0) return;
  cr_where(L);
  lua_pushliteral(L, "cannot send a table that changes while it is sent (by a __transfer of what "
                     "is in it, or by a finalizer)");
  lua_concat(L, 2);
  lua_replace(L, -2);
}

/* Appends as above, but may fail: then the error is on the stack, and the bytes
** are as they were.  Does not raise; the caller has made room for n + 8 values. */
int encode_protected(encoder *e, int first, int n) {
  lua_State *L = e->L;
  size_t length = e->length;
  bool again = e->again;
  e->plain = false;
  e->objects = 0;
  e->names_checked = e->names_late = false;
  e->moment = 0;
  seen_clear(&e->work->seen);
  lua_pushcfunction(L, run_protected);
  lua_pushlightuserdata(L, e);
  lua_pushnil(L);
  lua_pushnil(L);
  for (int i = 0; i < n; i++) lua_pushvalue(L, first + i);
  int status = lua_pcall(L, n + 3, 0, 0);
  if (status == LUA_OK) return status;
  e->work->depth = 0;
  e->length = length;
  e->again = again;
  explain(L);
  return status;
}

/* Stack: [table] [a position without a value] [a flag: lua_next is running].  Returns
** whether nothing follows the position. */
static int next_after(lua_State *L) {
  bool *began = lua_touserdata(L, 3);
  lua_settop(L, 2);
  *began = true;
  bool over = lua_next(L, 1) == 0;
  *began = false;
  lua_pushboolean(L, over);
  return 1;
}

/*
** Are the values at 1 to n everything that the table has?  Then the encoder needs not walk
** over a long list twice, once for the list and once more to look for other keys.  False
** means that it is not known.
**
** The proof is one call of lua_next with the key n + 1, at which the table has no value.
** Lua keeps the values of a table in two parts, an array and a hash part, and lua_next
** visits the array first, in order, and then the hash part.  Given a key without a value it
** raises an error, unless the key is a position of the array.  So if the call succeeds and
** says that nothing follows, then n + 1 is in the array, all of 1 to n are in the array
** before that position, and both the rest of the array and the hash part are empty.
**
** A hook or a finalizer may run during the call, so it is made before the encoder has
** written anything or has anything in hand.  An error that comes before lua_next has
** begun, or after its end, is not lua_next's but the hook's, an interruption for example:
** that error is raised again.
*/
static bool prove(lua_State *L, int index, size_t n) {
  bool began = false;
  if (n < LONG_LIST || n >= UINT32_MAX || !cr_has(CR_PROVE)) return false;
  lua_pushcfunction(L, next_after);
  lua_pushvalue(L, index);
  lua_pushinteger(L, (lua_Integer)n + 1);
  lua_pushlightuserdata(L, &began);
  int status = lua_pcall(L, 3, 1, 0);
  if (status != LUA_OK && !began) lua_error(L);
  bool over = status == LUA_OK && lua_toboolean(L, -1);
  lua_pop(L, 1);
  return over;
}

/* A list of n values, long and beginning with a float, is most likely one of floats, whose size is
** known: it is written where it is to stay, without a workspace of that size that must
** be got from the system, copied and given back.  If it is something else, false. */
static bool encode_floats(lua_State *L, int index, size_t n, uint32_t whole, cr_value *v) {
  size_t room = HEADER + 32 + sizeof(lua_Number) * n;
  if (room < MANY_FLOATS) return false;
  lua_rawgeti(L, index, 1);
  bool begins = lua_type(L, -1) == LUA_TNUMBER && !lua_isinteger(L, -1);
  lua_pop(L, 1);
  cr_message *m = begins ? cr_message_new(room) : NULL;
  if (!m) return false;
  workspace w = {.bytes = m->bytes, .room = room, .fixed = true};
  encoder e = {.L = L, .work = &w, .length = HEADER, .whole = whole};
  e.proved = whole ? lua_topointer(L, index) : NULL;
  bool done = encode_plain(&e, index, 1) && e.length > room / 2;
  w.bytes = NULL;
  workspace_free(&w);
  if (done) {
    put_header(m->bytes, FLAG_PLAIN | (e.again ? FLAG_AGAIN : 0), 1);
    m->length = e.length;
    set_message(v, m);
  } else {
    cr_message_free(m);
  }
  return done;
}

/* ------------------------------------------------------------------ both ways */

static void encode_by_itself(lua_State *L, int first, int n, const char *noun, cr_value *v,
                             bool *took) {
  workspace *w = workspace_new(cr_lua->codec);
  if (!w) raise_memory(L);
  encoder e = {.L = L, .work = w, .length = HEADER, .noun = noun, .position = 1};
  e.data = cr_lua->data_only && !took;
  e.far = cr_lua->far;
  cr_lua->far = false;
  bool room = encoder_grow(&(encoder){.L = L, .work = w, .plain = true}, HEADER);
  if (!room) workspace_drop(cr_lua->codec);
  if (!room) raise_memory(L);
  int status = encode_protected(&e, first, n);
  bool done = status == LUA_OK && encode_finish(&e, (uint32_t)n, 0, v);
  while (!done && status == LUA_OK && cr_make_room(L)) done = encode_finish(&e, (uint32_t)n, 0, v);
  if (e.message) cr_message_free(e.message);
  workspace_drop(cr_lua->codec);
  if (status != LUA_OK) lua_error(L);
  if (!done) raise_memory(L);
  if (took) *took = e.took;
}

/* The state's workspace keeps its room between calls. */
static bool encode_simply(lua_State *L, int first, int n, uint32_t whole, cr_value *v) {
  workspace *w = &cr_lua->codec->work;
  encoder e = {.L = L, .work = w, .plain = true, .whole = whole};
  e.proved = whole ? lua_topointer(L, first) : NULL;
  if (!encoder_room(&e, HEADER)) return false;
  e.length = HEADER;
  bool done = encode_plain(&e, first, n) && encode_finish(&e, (uint32_t)n, FLAG_PLAIN, v);
  trim(w);
  return done;
}

void encode(lua_State *L, int first, int n, const char *noun, cr_value *v, bool *took) {
  if (took) *took = false;
  if (n == 1 && encode_in_place(L, first, v)) return;
  if (n == 1 && lua_type(L, first) == LUA_TSTRING) {
    encode_string(L, first, v);
    return;
  }
  if (n > 0) first = lua_absindex(L, first);
  luaL_checkstack(L, n + 12, "too many values to send");
  size_t length = n == 1 && lua_type(L, first) == LUA_TTABLE ? lua_rawlen(L, first) : 0;
  uint32_t whole = prove(L, first, length) ? (uint32_t)length : 0;
  if (encode_floats(L, first, length, whole, v)) return;
  if (!encode_simply(L, first, n, whole, v)) encode_by_itself(L, first, n, noun, v, took);
}

void cr_encode(lua_State *L, int first, int n, const char *noun, cr_value *v) {
  encode(L, first, n, noun, v, NULL);
}

void cr_encode_call(lua_State *L, int first, int n, const char *noun, cr_value *v) {
  bool took;
  encode(L, first, n, noun, v, &took);
}
