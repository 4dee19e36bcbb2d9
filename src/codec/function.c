/* SPDX-License-Identifier: MIT */
/*
** function: Lua functions cross with all that they need.
**
**   WIRE_FUNCTION, u64 origin, u64 length, u64 hash, dump, u8 upvalues, u8 flags,
**   for each upvalue: u8 enum upvalue, and what it says,
**   u32 globals, for each: the name (a string), the value
**
** A copy remembers its origin (origin.c), and a function that is known here already may
** take its place.
**
** The dump keeps its debug information, so tracebacks have lines.  The function
** is numbered before its upvalues are sent, so it may refer to itself.  An
** upvalue that another function of the same message had before is joined with
** that one, so closures that shared a variable share it on the other side.
**
** An upvalue whose value is the globals table becomes the receiver's globals, and the
** globals that the function names go along (globals.c).
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
  uint32_t number, n = count_upvalues(L), globals = 0;
  uint64_t origin = origin_of(L);
  encoder_number(e, lua_topointer(L, -1), &number);
  encoder_room(e, 1 + sizeof origin);
  put_byte(e, WIRE_FUNCTION);
  put_bytes(e, &origin, sizeof origin);
  frame *f = encoder_open(e, FRAME_FUNCTION, number);
  size_t dump = emit_dump(e), length = e->length - dump;
  collection c = {.e = e, .function = f->base};
  for (uint32_t i = 0; i < n; i++) {
    c.how[i] = globals_seen(L, f->base, (int)i + 1);
    globals += c.how[i] == ENV_GLOBALS;
  }
  bool assigns = globals_collect(&c, e->work->bytes + dump, length, n);
  encoder_room(e, 2);
  put_byte(e, n);
  put_byte(e, (assigns ? FUNCTION_ASSIGNS : 0u) | (globals == n ? FUNCTION_BARE : 0u));
  f->stage = STAGE_UPVALUES;
  f->n = n;
  f->list = c.count;
  f->meta = globals > 0;
  return OPENED;
}

/* Upvalue f->i: EMITTED if that was all of it. */
static enum outcome emit_upvalue(encoder *e, frame *f) {
  const void *id = lua_upvalueid(e->L, f->base, (int)f->i);
  const seen_slot *slot = seen_find(&e->work->seen, id);
  encoder_room(e, 6);
  if (f->meta && globals_seen(e->L, f->base, (int)f->i) == ENV_GLOBALS) {
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
static void load(decoder *d, const unsigned char *dump, size_t length) {
  dump_reader r = {(const char *)dump, length};
  if (lua_load(d->L, read_dump, &r, "=?", "b") != LUA_OK) lua_error(d->L);
}

/* Pushes the function of this origin that the state has already, or nil. */
static bool push_known(lua_State *L, uint64_t origin) {
  if (origin_push(L, origin, LUA_TFUNCTION)) {
    if (!lua_iscfunction(L, -1)) return true;
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  return false;
}

/* The known function below the one at `function` is another one. */
static void forget_known(lua_State *L, int function) {
  lua_pushnil(L);
  lua_replace(L, function - 1);
}

/* Below the function is the one that may take its place: the stack is [known] [function].
** What is this state's own, or has no upvalues but the globals, takes it at once. */
void function_begin(decoder *d) {
  lua_State *L = d->L;
  uint32_t number = decoder_number(d);
  uint64_t origin = take_u64(d), length = take_u64(d), sum = take_u64(d);
  const unsigned char *dump = take(d, length);
  unsigned n = take_u8(d), flags = take_u8(d);
  if (hash(dump, length) != sum) corrupt(L);
  luaL_checkstack(L, 8, NULL);
  bool known = push_known(L, origin), own = known && origin_is_own(L);
  bool settled = own || (known && flags & FUNCTION_BARE);
  if (settled) {
    lua_pushvalue(L, -1);
  } else {
    load(d, dump, length);
    if (n != count_upvalues(L)) corrupt(L);
    if (flags & FUNCTION_ASSIGNS) forget_known(L, lua_gettop(L));
  }
  decoder_keep(d, number);
  frame *f = decoder_open(d, FRAME_FUNCTION);
  f->stage = STAGE_UPVALUES;
  f->settled = settled;
  f->own = own;
  f->number = number;
  f->origin = origin;
  f->n = n;
}

/* Does a function around this one wait for this one as the value of that upvalue?  A
** local function that calls itself, and is called by another, comes so. */
static bool is_awaited(const decoder *d, const frame *f, uint32_t number, int index) {
  const frame *around = d->depth > 1 ? f - 1 : NULL;
  return around && around->kind == FRAME_FUNCTION && around->stage == STAGE_UPVALUES &&
         around->number == number && (int)around->i == index;
}

/* An upvalue that another function of the message has too.  If the known function does
** not share it with that one, it is not the same. */
static void join(decoder *d, frame *f) {
  lua_State *L = d->L;
  uint32_t number = take_u32(d);
  int index = (int)take_u8(d);
  if (f->settled) return;
  decoder_push_again(d, number);
  if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1)) corrupt(L);
  const void *id = lua_upvalueid(L, -1, index);
  if (!id) corrupt(L);
  lua_upvaluejoin(L, f->base, (int)f->i, -1, index);
  lua_pop(L, 1);
  if (is_awaited(d, f, number, index))
    f->self = f->i;
  else if (!lua_isnil(L, f->base - 1) && lua_upvalueid(L, f->base - 1, (int)f->i) != id)
    forget_known(L, f->base);
}

/* False: the value of upvalue f->i comes next. */
static bool next_upvalue(decoder *d, frame *f) {
  f->i++;
  switch (take_u8(d)) {
  case UPVALUE_GLOBALS:
    if (f->settled) return true;
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

/* Is the upvalue the same value in both?  Also if each is the function itself. */
static bool same_upvalue(lua_State *L, int known, const frame *f, int i) {
  int top = lua_gettop(L);
  if (!lua_getupvalue(L, known, i)) return false;
  lua_getupvalue(L, f->base, i);
  bool self = (uint32_t)i == f->self || lua_rawequal(L, top + 2, f->base);
  bool same = self ? lua_rawequal(L, top + 1, known) : lua_rawequal(L, top + 1, top + 2);
  lua_settop(L, top);
  return same;
}

static bool same(lua_State *L, int known, const frame *f, int upvalues) {
  for (int i = 1; i <= upvalues; i++)
    if (!same_upvalue(L, known, f, i)) return false;
  return true;
}

/* The function is whole: it, or the one that takes its place, is left on the stack. */
static void end_function(decoder *d, const frame *f, int upvalues) {
  lua_State *L = d->L;
  int known = f->base - 1;
  if (!f->settled && !lua_isnil(L, known) && same(L, known, f, upvalues)) {
    lua_settop(L, known);
    decoder_keep(d, f->number);
    return;
  }
  if (!f->settled) {
    carried_function(L, f->base);
    origin_keep(L, f->origin);
  }
  lua_replace(L, known);
}

bool function_next(decoder *d, frame *f) {
  while (f->stage == STAGE_UPVALUES && f->i < f->n)
    if (!next_upvalue(d, f)) return false;
  if (f->stage == STAGE_UPVALUES) {
    f->stage = STAGE_GLOBALS;
    f->list = f->n;
    f->i = 0;
    f->n = take_u32(d);
  }
  if (f->i == f->n) {
    end_function(d, f, (int)f->list);
    return true;
  }
  next_global(d, f);
  return false;
}

/* The globals of this state's own function are there. */
void function_take(decoder *d, frame *f) {
  if (f->stage == STAGE_UPVALUES && !f->settled)
    lua_setupvalue(d->L, f->base, (int)f->i);
  else if (f->stage == STAGE_UPVALUES || f->own)
    lua_settop(d->L, f->base);
  else
    globals_set(d->L, f->base + 1);
}
