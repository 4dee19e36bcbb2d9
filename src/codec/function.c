/* SPDX-License-Identifier: MIT */
/*
** function: Lua functions cross with all that they need.
**
**   WIRE_FUNCTION, u64 length, u64 hash, dump, u8 upvalues,
**   for each upvalue: u8 enum upvalue, and what it says,
**   u32 globals, for each: the name (a string), the value
**
** The dump keeps its debug information, so tracebacks have lines.  The function
** is numbered before its upvalues are sent, so it may refer to itself.  An
** upvalue that another function of the same message had before is joined with
** that one, so closures that shared a variable share it on the other side.
**
** The upvalue _ENV, and any whose value is the globals table, becomes the
** receiver's globals.  The globals that the function names (globals.c) are taken along
** and set in the receiver, each once in a message; their functions bring their
** own.  Standard globals stay at home: every state has them.  The main strand
** keeps a global that it has already: the script's own variables are not undone
** by what comes back from a worker.
**
** Lua does not verify bytecode, so only what a strand of this program has dumped
** may be loaded.  Who can write a message sees to that: messages are in the arena,
** an unnamed file that no other program has mapped or inherits; the encoder alone
** fills them; and nothing in lib/ decodes bytes that a script has (a string or a
** buffer is sent as what it is).  The hash is against mistakes, not enemies: bytes
** that were damaged are refused.
*/
#include "codec/inside.h"

#define GLOBALS 1 /* encoding: the list of the globals is at the frame's base + this */

static uint64_t hash(const unsigned char *bytes, size_t n) {
  uint64_t h = n, word;
  for (; n >= 8; n -= 8, bytes += 8) {
    memcpy(&word, bytes, 8);
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 29;
  }
  word = 0;
  memcpy(&word, bytes, n);
  h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
  return h ^ h >> 32;
}

/* ------------------------------------------------------------------- encoding */

/* A function's globals, while they are collected. */
typedef struct collection {
  encoder *e;
  int env;  /* stack index: the table that they are in */
  int list; /* stack index: names and values in turn */
  uint32_t count;
} collection;

static int run_gettable(lua_State *L) {
  lua_gettable(L, 1);
  return 1;
}

/* The global whose name is on the top of the stack, as the function would find
** it; nil if looking for it raises, as in a program that forbids undefined
** globals. [-0, +1, m] */
static void push_global(lua_State *L, int env) {
  if (lua_istable(L, env)) {
    lua_pushvalue(L, -1);
    lua_rawget(L, env);
  } else {
    lua_pushnil(L);
  }
  if (!lua_isnil(L, -1) || !lua_getmetatable(L, env)) return;
  lua_pop(L, 2);
  lua_pushcfunction(L, run_gettable);
  lua_pushvalue(L, env);
  lua_pushvalue(L, -3);
  if (lua_pcall(L, 2, 1, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushnil(L);
}

/* Enters the global on the top of the stack, its name below, unless this message
** has it already. */
static void enter_global(collection *c) {
  lua_State *L = c->e->L;
  int value = lua_gettop(L), name = value - 1;
  lua_pushvalue(L, name);
  if (lua_rawget(L, c->e->taken) != LUA_TNIL) return;
  lua_pushvalue(L, name);
  lua_pushboolean(L, true);
  lua_rawset(L, c->e->taken);
  lua_pushvalue(L, name);
  lua_rawseti(L, c->list, 2 * (lua_Integer)c->count + 1);
  lua_pushvalue(L, value);
  lua_rawseti(L, c->list, 2 * (lua_Integer)c->count + 2);
  c->count++;
}

/* Takes the global along unless it is nil or a standard one. */
static void take_global(void *arg, const char *bytes, size_t length) {
  collection *c = arg;
  lua_State *L = c->e->L;
  luaL_checkstack(L, 10, NULL);
  const char *name = lua_pushlstring(L, bytes, length); /* with a zero at its end */
  push_global(L, c->env);
  if (!names_standard(L, name, lua_gettop(L))) {
    c->e->took = true; /* also a nil: it may be something at the next call */
    if (!lua_isnil(L, -1)) enter_global(c);
  }
  lua_settop(L, c->list);
}

/* The function is on the top of the stack; leaves the list of its globals above
** it.  `env` says which upvalues hold them, one of which is `upvalue`. */
static uint32_t push_globals(encoder *e, const unsigned char *dump, size_t length, const bool *env,
                             int upvalue) {
  lua_State *L = e->L;
  if (lua_isnil(L, e->taken)) {
    lua_newtable(L);
    lua_replace(L, e->taken);
  }
  lua_getupvalue(L, -1, upvalue);
  lua_newtable(L);
  collection c = {e, lua_gettop(L) - 1, lua_gettop(L), 0};
  globals_find(dump, length, env, take_global, &c);
  lua_remove(L, c.env);
  return c.count;
}

/* An environment of the program's own making is one too: the receiver has no
** other than its globals. */
static bool holds_globals(lua_State *L, int function, int upvalue) {
  const char *name = lua_getupvalue(L, function, upvalue);
  if (!name) return false;
  lua_pushglobaltable(L);
  bool holds = strcmp(name, "_ENV") == 0 || lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return holds;
}

static int write_dump(lua_State *L, const void *bytes, size_t n, void *arg) {
  encoder *e = arg;
  (void)L;
  if (!encoder_room(e, n)) return 1;
  put_bytes(e, bytes, n);
  return 0;
}

/* Writes length, hash and dump; returns where the dump begins. */
static size_t emit_dump(encoder *e) {
  size_t start = e->length + 16;
  encoder_room(e, 16);
  e->length = start;
  lua_dump(e->L, write_dump, e, 0);
  uint64_t length = e->length - start, sum = hash(e->work->bytes + start, length);
  memcpy(e->work->bytes + start - 16, &length, 8);
  memcpy(e->work->bytes + start - 8, &sum, 8);
  return start;
}

static unsigned count_upvalues(lua_State *L) {
  lua_Debug ar;
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">u", &ar);
  return ar.nups;
}

/* Protected only: every failure raises. */
enum outcome function_emit(encoder *e) {
  lua_State *L = e->L;
  uint32_t number;
  bool env[256] = {false};
  int any = 0;
  encoder_number(e, lua_topointer(L, -1), &number);
  encoder_room(e, 1);
  put_byte(e, WIRE_FUNCTION);
  frame *f = encoder_open(e, FRAME_FUNCTION, number);
  size_t dump = emit_dump(e), length = e->length - dump;
  f->stage = STAGE_UPVALUES;
  f->n = count_upvalues(L);
  for (int i = (int)f->n; i >= 1; i--)
    if ((env[i - 1] = holds_globals(L, f->base, i))) any = i;
  encoder_room(e, 1);
  put_byte(e, f->n);
  if (any)
    f->list = push_globals(e, e->work->bytes + dump, length, env, any);
  else
    lua_pushnil(L);
  return OPENED;
}

/* Upvalue f->i: EMITTED if that was all of it. */
static enum outcome emit_upvalue(encoder *e, frame *f) {
  const void *id = lua_upvalueid(e->L, f->base, (int)f->i);
  const seen_slot *slot = seen_find(&e->work->seen, id);
  encoder_room(e, 6);
  if (holds_globals(e->L, f->base, (int)f->i)) {
    put_byte(e, UPVALUE_GLOBALS);
    return EMITTED;
  }
  e->took = true;
  if (slot) {
    e->again = true;
    put_byte(e, UPVALUE_SHARED);
    put_u32(e, slot->number);
    put_byte(e, slot->index);
    return EMITTED;
  }
  seen_slot *new = seen_add(&e->work->seen, id, f->number);
  if (!new) return encoder_no_memory(e);
  new->index = (uint8_t)f->i;
  put_byte(e, UPVALUE_OWN);
  lua_getupvalue(e->L, f->base, (int)f->i);
  return encoder_emit(e);
}

static enum outcome emit_global(encoder *e, frame *f) {
  lua_State *L = e->L;
  size_t n;
  lua_rawgeti(L, f->base + GLOBALS, 2 * (lua_Integer)f->i - 1);
  const char *name = lua_tolstring(L, -1, &n);
  encoder_room(e, STRING_HEAD + n);
  put_string(e, name, n);
  lua_rawgeti(L, f->base + GLOBALS, 2 * (lua_Integer)f->i);
  return encoder_emit(e);
}

static void start_globals(encoder *e, frame *f) {
  encoder_room(e, 4);
  put_u32(e, f->list);
  f->stage = STAGE_GLOBALS;
  f->i = 0;
  f->n = f->list;
}

enum outcome function_step(encoder *e, frame *f) {
  enum outcome r = EMITTED;
  while (r == EMITTED) {
    lua_settop(e->L, f->base + GLOBALS);
    if (f->i < f->n) {
      f->i++;
      r = f->stage == STAGE_UPVALUES ? emit_upvalue(e, f) : emit_global(e, f);
    } else if (f->stage == STAGE_UPVALUES) {
      start_globals(e, f);
    } else {
      lua_settop(e->L, f->base);
      e->work->depth--;
      return OPENED;
    }
  }
  return r;
}

/* ------------------------------------------------------------------- decoding */

typedef struct dump_reader {
  const char *bytes;
  size_t length;
} dump_reader;

static const char *read_dump(lua_State *L, void *arg, size_t *n) {
  dump_reader *r = arg;
  (void)L;
  *n = r->length;
  r->length = 0;
  return r->bytes;
}

/* [-0, +1, e] */
static void load(decoder *d) {
  uint64_t length = take_u64(d), sum = take_u64(d);
  const unsigned char *dump = take(d, length);
  if (hash(dump, length) != sum) corrupt(d->L);
  dump_reader r = {(const char *)dump, length};
  if (lua_load(d->L, read_dump, &r, "=?", "b") != LUA_OK) lua_error(d->L);
}

void function_begin(decoder *d) {
  uint32_t number = decoder_number(d);
  load(d);
  decoder_keep(d, number);
  frame *f = decoder_open(d, FRAME_FUNCTION);
  f->stage = STAGE_UPVALUES;
  f->n = take_u8(d);
  if (f->n != count_upvalues(d->L)) corrupt(d->L);
}

static void join(decoder *d, const frame *f) {
  uint32_t number = take_u32(d);
  int index = (int)take_u8(d);
  decoder_push_again(d, number);
  if (!lua_isfunction(d->L, -1) || lua_iscfunction(d->L, -1) || !lua_upvalueid(d->L, -1, index))
    corrupt(d->L);
  lua_upvaluejoin(d->L, f->base, (int)f->i, -1, index);
  lua_pop(d->L, 1);
}

/* False: the value of upvalue f->i comes next. */
static bool next_upvalue(decoder *d, frame *f) {
  f->i++;
  switch (take_u8(d)) {
  case UPVALUE_GLOBALS:
    lua_pushglobaltable(d->L);
    lua_setupvalue(d->L, f->base, (int)f->i);
    return true;
  case UPVALUE_SHARED: join(d, f); return true;
  case UPVALUE_OWN: return false;
  default: corrupt(d->L);
  }
}

static void next_global(decoder *d, frame *f) {
  f->i++;
  if (!decoder_scalar(d) || lua_type(d->L, -1) != LUA_TSTRING) corrupt(d->L);
}

bool function_next(decoder *d, frame *f) {
  while (f->stage == STAGE_UPVALUES && f->i < f->n)
    if (!next_upvalue(d, f)) return false;
  if (f->stage == STAGE_UPVALUES) {
    f->stage = STAGE_GLOBALS;
    f->i = 0;
    f->n = take_u32(d);
  }
  if (f->i == f->n) return true;
  next_global(d, f);
  return false;
}

static bool keeps(lua_State *L, int name) {
  if (cr_me == NULL || cr_me->kind != CR_MAIN) return false;
  lua_pushglobaltable(L);
  lua_pushvalue(L, name);
  bool has = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return has;
}

static void set_global(lua_State *L, int name) {
  if (!keeps(L, name)) {
    lua_pushglobaltable(L);
    lua_pushvalue(L, name);
    lua_pushvalue(L, name + 1);
    lua_rawset(L, -3);
  }
  lua_settop(L, name - 1);
}

void function_take(decoder *d, frame *f) {
  if (f->stage == STAGE_UPVALUES)
    lua_setupvalue(d->L, f->base, (int)f->i);
  else
    set_global(d->L, f->base + 1);
}
