/* SPDX-License-Identifier: MIT */
/*
** decode: bytes become Lua values.
**
** The decoder trusts nothing: every read is checked against the end of the
** input, and counts reserve memory only as far as the bytes that are left could
** fill it: every child has a byte of its own, so what all tables of a message
** claim together is no more than its length (tables in tables that each claim the
** rest would take its square).  Whatever is wrong with the bytes raises "corrupt
** message".
**
** Composite values in progress are frames, as in the encoder.  The first frames
** are in the decoder itself; more are in a userdata, so that an error at any
** point leaves nothing behind.  Two stack slots, below everything that is
** decoded, hold that userdata and the table of numbered values; the latter is
** filled only if the message says that something in it is sent again.
**
** A small plain message is copied to the C stack and freed before it is decoded:
** then nothing is in hand that an error could lose, and there is no pcall.
*/
#include <limits.h>

#include "codec/inside.h"

#define SMALL_MESSAGE 512u
#define LIGHT_MESSAGE 144u /* FRAMES_INLINE tables, of 9 bytes at least, do not fit in it */

_Noreturn void corrupt(lua_State *L) {
  cr_raise(L, "corrupt message");
  __builtin_unreachable();
}

/* ----------------------------------------------------------- numbered values */

uint32_t decoder_number(decoder *d) { return d->objects++; }

void decoder_keep(decoder *d, uint32_t number) {
  lua_State *L = d->L;
  if (!(d->flags & FLAG_AGAIN)) return;
  if (lua_isnil(L, d->slots)) {
    lua_newtable(L);
    lua_replace(L, d->slots);
  }
  lua_pushvalue(L, d->standin ? d->standin : -1);
  d->standin = 0;
  lua_rawseti(L, d->slots, (lua_Integer)number + 1);
}

void decoder_push_again(decoder *d, uint32_t number) {
  if (!(d->flags & FLAG_AGAIN) || lua_isnil(d->L, d->slots)) corrupt(d->L);
  if (lua_rawgeti(d->L, d->slots, (lua_Integer)number + 1) == LUA_TNIL) corrupt(d->L);
}

/* -------------------------------------------------------------------- frames */

static void more_frames(decoder *d) {
  size_t room = 2 * d->frames_room;
  if (d->slots == 0) corrupt(d->L); /* more than a small message can hold */
  frame *frames = lua_newuserdatauv(d->L, room * sizeof *frames, 0);
  memcpy(frames, d->frames, d->depth * sizeof *frames);
  lua_replace(d->L, d->slots + 1);
  d->frames = frames;
  d->frames_room = room;
}

/* The value at the top of the stack is the frame's. */
frame *decoder_open(decoder *d, enum frame_kind kind) {
  luaL_checkstack(d->L, 12, "message nested too deeply");
  if (d->depth == d->frames_room) more_frames(d);
  frame *f = &d->frames[d->depth++];
  *f = (frame){.kind = kind, .base = lua_gettop(d->L)};
  return f;
}

/* ------------------------------------------------------------------- scalars */

static void push_string(decoder *d, size_t n) {
  const unsigned char *s = take(d, n);
  words_push(d->L, s, n, (size_t)(d->readable - s));
}

static void push_small(lua_State *L, decoder *d, unsigned tag) {
  if (tag >= WIRE_SMALL)
    lua_pushinteger(L, tag - WIRE_SMALL);
  else
    push_string(d, tag - WIRE_TEXT);
}

static void push_float(decoder *d) {
  lua_Number x;
  memcpy(&x, take(d, sizeof x), sizeof x);
  lua_pushnumber(d->L, x);
}

/* Pushes the next value if it is a scalar; otherwise nothing has changed.  The
** stack has room for it. */
bool decoder_scalar(decoder *d) {
  lua_State *L = d->L;
  if (d->at == d->end) corrupt(L);
  unsigned tag = *d->at;
  if (tag >= WIRE_TABLE && tag < WIRE_TEXT) return false;
  d->at++;
  switch (tag) {
  case WIRE_NIL: lua_pushnil(L); break;
  case WIRE_FALSE: lua_pushboolean(L, false); break;
  case WIRE_TRUE: lua_pushboolean(L, true); break;
  case WIRE_INT8: lua_pushinteger(L, (int8_t)take_u8(d)); break;
  case WIRE_INT16: lua_pushinteger(L, (int16_t)take_u16(d)); break;
  case WIRE_INT32: lua_pushinteger(L, (int32_t)take_u32(d)); break;
  case WIRE_INT64: lua_pushinteger(L, (lua_Integer)take_u64(d)); break;
  case WIRE_FLOAT: push_float(d); break;
  case WIRE_STRING8: push_string(d, take_u8(d)); break;
  case WIRE_STRING32: push_string(d, take_u32(d)); break;
  case WIRE_STRING64: push_string(d, take_u64(d)); break;
  default: push_small(L, d, tag);
  }
  return true;
}

/* -------------------------------------------------------------------- tables */

/* Memory is about to be reserved for children that take n bytes at least. */
void decoder_claim(decoder *d, uint64_t n) {
  if (n > (uint64_t)(d->end - d->at) || n > d->unclaimed) corrupt(d->L);
  d->unclaimed -= n;
}

static void check_key(lua_State *L, int i) {
  bool nan = lua_type(L, i) == LUA_TNUMBER && lua_tonumber(L, i) != lua_tonumber(L, i);
  if (lua_isnil(L, i) || nan) corrupt(L);
}

/* Most keys are short strings, and those are never wrong. */
static bool decoder_key(decoder *d) {
  if (d->at < d->end && *d->at >= WIRE_TEXT && *d->at < WIRE_SMALL) {
    unsigned tag = *d->at++;
    push_string(d, tag - WIRE_TEXT);
    return true;
  }
  if (!decoder_scalar(d)) return false;
  check_key(d->L, -1);
  return true;
}

/* Floats that follow each other in the list. */
static void take_floats(decoder *d, frame *f) {
  lua_State *L = d->L;
  d->at++;
  uint32_t n = take_u32(d);
  if (n > f->list - f->i) corrupt(L);
  const unsigned char *at = take(d, n * sizeof(lua_Number));
  for (uint32_t k = 0; k < n; k++) {
    lua_Number x;
    memcpy(&x, at + k * sizeof x, sizeof x);
    lua_pushnumber(L, x);
    lua_rawseti(L, f->base, (lua_Integer)f->i + k + 1);
  }
  f->i += n;
}

/* True: the list is complete; false: a child that is no scalar comes next. */
static bool next_in_list(decoder *d, frame *f) {
  while (f->i < f->list) {
    if (decoder_scalar(d))
      lua_rawseti(d->L, f->base, (lua_Integer)++f->i);
    else if (*d->at == WIRE_FLOATS)
      take_floats(d, f);
    else
      return false;
  }
  return true;
}

/* True: the table is complete; false: a child that is no scalar comes next. */
static bool next_in_table(decoder *d, frame *f) {
  if (!next_in_list(d, f)) return false;
  while (f->pairs < f->n) {
    if (f->stage == STAGE_NEXT && !decoder_key(d)) return false;
    f->stage = STAGE_KEY;
    if (!decoder_scalar(d)) return false;
    lua_rawset(d->L, f->base);
    f->stage = STAGE_NEXT;
    f->pairs++;
  }
  return !f->meta;
}

/* Each list value takes a byte at least, and each pair two.  True: the table holds
** nothing but scalars and is whole; false: it is a new frame.  The Lua stack that it
** takes until then is among what the frame below, or the caller, has made sure of. */
static bool begin_table(decoder *d, bool meta) {
  uint32_t list = take_u32(d), pairs = take_u32(d);
  decoder_claim(d, list + 2 * (uint64_t)pairs);
  uint32_t room = list + (list >= LONG_LIST); /* see LONG_LIST */
  lua_createtable(d->L, room > INT_MAX ? INT_MAX : (int)room, pairs > INT_MAX ? 0 : (int)pairs);
  decoder_keep(d, decoder_number(d));
  frame f = {.kind = FRAME_TABLE, .list = list, .n = pairs, .meta = meta, .stage = STAGE_NEXT};
  f.base = lua_gettop(d->L);
  if (next_in_table(d, &f)) return true;
  *decoder_open(d, FRAME_TABLE) = f;
  return false;
}

/* Stack slots of a class, from its frame's base on. */
enum {
  CLASS_KNOWN,  /* the class that is known here, or nil */
  CLASS_META,   /* the metatable that is to be the known one's */
  CLASS_MOMENT, /* when the message was encoded */
  CLASS_TABLE   /* the table of the message; what refers to it refers to the known class */
};

/* A class that is known keeps its metatable until all of the message is read. */
static void set_metatable(decoder *d, frame *f) {
  if (!lua_istable(d->L, -1)) corrupt(d->L);
  const frame *around = d->depth > 1 ? f - 1 : NULL;
  if (around && around->kind == FRAME_CLASS && !lua_isnil(d->L, around->base))
    lua_replace(d->L, around->base + CLASS_META);
  else
    lua_setmetatable(d->L, f->base);
  f->meta = false;
}

/* The child at the top of the stack is put where it belongs. */
static void take_in_table(decoder *d, frame *f) {
  lua_State *L = d->L;
  if (f->i < f->list) {
    lua_rawseti(L, f->base, (lua_Integer)++f->i);
  } else if (f->pairs == f->n) {
    set_metatable(d, f);
  } else if (f->stage == STAGE_NEXT) {
    check_key(L, -1);
    f->stage = STAGE_KEY;
  } else {
    lua_rawset(L, f->base);
    f->stage = STAGE_NEXT;
    f->pairs++;
  }
}

/* ------------------------------------------------------------------- classes */

static void begin_class(decoder *d) {
  lua_State *L = d->L;
  uint64_t origin = take_u64(d), moment = take_u64(d);
  if (d->at == d->end || (*d->at != WIRE_TABLE && *d->at != WIRE_OBJECT)) corrupt(L);
  luaL_checkstack(L, 8, NULL);
  bool known = origin_push(L, origin, LUA_TTABLE);
  bool settled = known && (origin_is_own(L) || !origin_is_newer(L, moment));
  if (!known) lua_pushnil(L);
  frame *f = decoder_open(d, FRAME_CLASS);
  lua_pushnil(L);
  lua_pushinteger(L, (lua_Integer)moment);
  f->settled = settled;
  f->origin = origin;
  d->standin = known ? f->base : 0;
}

/* Empties the table at `to` and fills it with what is in the one at `from`. */
static void move_fields(lua_State *L, int from, int to) {
  for (lua_pushnil(L); lua_next(L, to);) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, from) == LUA_TNIL) {
      lua_pushvalue(L, -2);
      lua_pushnil(L);
      lua_rawset(L, to);
    }
    lua_pop(L, 1);
  }
  for (lua_pushnil(L); lua_next(L, from);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, to);
  }
}

/* The table of the message is on the top of the stack, whole.  The class is left. */
static void end_class(decoder *d, const frame *f) {
  lua_State *L = d->L;
  int class = f->base;
  uint64_t moment = (uint64_t)lua_tointeger(L, class + CLASS_MOMENT);
  if (lua_isnil(L, class)) {
    origin_keep(L, f->origin);
    lua_replace(L, class);
  } else if (!f->settled) {
    move_fields(L, class + CLASS_TABLE, class);
    lua_settop(L, class + CLASS_META);
    lua_setmetatable(L, class);
  }
  lua_settop(L, class);
  if (!f->settled) origin_note(L, moment);
}

static bool class_next(decoder *d, const frame *f) {
  if (f->stage != STAGE_VALUE) return false;
  end_class(d, f);
  return true;
}

/* ------------------------------------------------------------------ the loop */

static void push_handle(decoder *d) {
  cr_object *o = d->message ? cr_message_object(d->message, take_u32(d)) : NULL;
  if (!o) corrupt(d->L);
  luaL_checkstack(d->L, 8, NULL);
  cr_handle_push(d->L, o);
}

/* A function or class that came from here, or that somebody else has sent here too. */
static void push_known(decoder *d) {
  int type = take_u8(d) ? LUA_TFUNCTION : LUA_TTABLE;
  uint64_t origin = take_u64(d);
  luaL_checkstack(d->L, 8, NULL);
  if (!origin_push(d->L, origin, type))
    cr_raise(d->L, "a %s that a sandbox has sent back is not known here (any more)",
             type == LUA_TFUNCTION ? "function" : "class");
}

/* Reads the next value.  True: it is whole and on the stack; false: it is a new
** frame. */
static bool begin(decoder *d) {
  if (decoder_scalar(d)) return true;
  switch (*d->at++) {
  case WIRE_TABLE: return begin_table(d, false);
  case WIRE_OBJECT: return begin_table(d, true);
  case WIRE_CLASS: begin_class(d); return false;
  case WIRE_AGAIN: decoder_push_again(d, take_u32(d)); return true;
  case WIRE_HANDLE: push_handle(d); return true;
  case WIRE_NAME: names_push(d); return true;
  case WIRE_FUNCTION: function_begin(d); return false;
  case WIRE_TRANSFER: transfer_begin(d); return false;
  case WIRE_KNOWN: push_known(d); return true;
  default: corrupt(d->L);
  }
}

/* True: the frame is complete, its value on the top of the stack. */
static bool next(decoder *d, frame *f) {
  switch (f->kind) {
  case FRAME_CLASS: return class_next(d, f);
  case FRAME_FUNCTION: return function_next(d, f);
  case FRAME_TRANSFER: return transfer_next(d, f);
  default: return next_in_table(d, f);
  }
}

static void give(decoder *d, frame *f) {
  switch (f->kind) {
  case FRAME_CLASS: f->stage = STAGE_VALUE; break;
  case FRAME_FUNCTION: function_take(d, f); break;
  case FRAME_TRANSFER: transfer_take(f); break;
  default: take_in_table(d, f);
  }
}

/* Decodes one value with all that is in it. */
void decoder_run(decoder *d) {
  bool whole = begin(d);
  while (d->depth > 0) {
    frame *f = &d->frames[d->depth - 1];
    if (whole) give(d, f);
    whole = next(d, f);
    if (whole)
      d->depth--;
    else
      whole = begin(d);
  }
}

/* --------------------------------------------------------------- one message */

void decoder_resume(decoder *d, lua_State *L, const unsigned char *at, const unsigned char *end,
                    const cr_message *m) {
  d->L = L;
  d->at = at;
  d->end = d->readable = end;
  d->unclaimed = (size_t)(end - at);
  d->message = m;
  d->flags = d->count = d->objects = 0;
  d->slots = d->standin = 0;
  d->frames = d->inlined;
  d->depth = 0;
  d->frames_room = FRAMES_INLINE;
}

void decoder_start(decoder *d, lua_State *L, const unsigned char *bytes, size_t length,
                   const cr_message *m) {
  decoder_resume(d, L, bytes, bytes + length, m);
  d->flags = take_u8(d);
  d->count = take_u32(d);
  if (d->count > (size_t)(d->end - d->at)) corrupt(L);
}

void decoder_slots(decoder *d) {
  luaL_checkstack(d->L, 8, NULL);
  lua_pushnil(d->L);
  lua_pushnil(d->L);
  d->slots = lua_gettop(d->L) - 1;
}

void decoder_end(decoder *d) {
  if (d->at != d->end) corrupt(d->L);
}

/* In a stream every value has numbers of its own. */
static void restart(decoder *d) {
  if (!(d->flags & FLAG_STREAM) || d->objects == 0) return;
  d->objects = 0;
  if (!(d->flags & FLAG_AGAIN)) return;
  lua_pushnil(d->L);
  lua_replace(d->L, d->slots);
}

bool decoder_next(decoder *d) {
  if (d->count == 0) return false;
  d->count--;
  restart(d);
  decoder_run(d);
  return true;
}

static bool light(const decoder *d, size_t length) {
  return length <= LIGHT_MESSAGE && (d->flags & (FLAG_PLAIN | FLAG_AGAIN)) == FLAG_PLAIN;
}

/* Pushes all values; their number. */
static int decode_bytes(lua_State *L, const unsigned char *bytes, size_t length, size_t readable,
                        const cr_message *m) {
  decoder d;
  decoder_start(&d, L, bytes, length, m);
  d.readable = bytes + readable;
  int n = d.count > LUAI_MAXSTACK ? LUAI_MAXSTACK : (int)d.count;
  luaL_checkstack(L, n + 12, "too many values in a message");
  if (!light(&d, length)) decoder_slots(&d);
  while (decoder_next(&d)) {}
  decoder_end(&d);
  if (d.slots) {
    lua_remove(L, d.slots);
    lua_remove(L, d.slots);
  }
  return n;
}

/* -------------------------------------------------------------------- values */

static int push_in_place(lua_State *L, const cr_value *v) {
  luaL_checkstack(L, 1, NULL);
  switch (v->kind) {
  case CR_V_NIL: lua_pushnil(L); return 1;
  case CR_V_FALSE: lua_pushboolean(L, false); return 1;
  case CR_V_TRUE: lua_pushboolean(L, true); return 1;
  case CR_V_INTEGER: lua_pushinteger(L, v->integer); return 1;
  case CR_V_FLOAT: lua_pushnumber(L, v->number); return 1;
  case CR_V_STRING:
    if (v->length > CR_SHORT) corrupt(L);
    lua_pushlstring(L, v->text, v->length);
    return 1;
  default: return 0;
  }
}

static int run_message(lua_State *L) {
  const cr_message *m = parcel_content(L, lua_touserdata(L, 1));
  return decode_bytes(L, m->bytes, m->length, m->length, m);
}

/* A message that may run Lua code is decoded under a handler that says what failed; one
** that is to be freed is so after the pcall, and the handles that it mentions have
** holdings of their own by then.  Pushes the values, or the error. */
static int decode_protected(lua_State *L, const cr_message *m) {
  int top = lua_gettop(L);
  if (!lua_checkstack(L, 6)) return LUA_ERRMEM;
  lua_pushcfunction(L, cr_transfer_failed);
  lua_pushcfunction(L, run_message);
  lua_pushlightuserdata(L, (void *)(uintptr_t)m);
  int status = lua_pcall(L, 1, LUA_MULTRET, top + 1);
  lua_remove(L, top + 1);
  return status;
}

static bool is_plain(const cr_message *m) { return m->length > 0 && m->bytes[0] & FLAG_PLAIN; }

int cr_decode_borrowed(lua_State *L, const cr_value *v) {
  cr_memory_comes();
  if (v->kind != CR_V_MESSAGE) return push_in_place(L, v);
  const cr_message *m = v->message;
  if (is_plain(m)) return decode_bytes(L, m->bytes, m->length, m->length, m);
  int top = lua_gettop(L), status = decode_protected(L, m);
  if (status != LUA_OK && lua_gettop(L) == top) cr_raise(L, "stack overflow");
  if (status != LUA_OK) lua_error(L);
  return lua_gettop(L) - top;
}

static int decode_message(lua_State *L, const cr_value *v) {
  cr_memory_comes();
  int top = lua_gettop(L), status = decode_protected(L, v->message);
  cr_value_free(v);
  if (status != LUA_OK && lua_gettop(L) == top) cr_raise(L, "stack overflow");
  if (status != LUA_OK) lua_error(L);
  return lua_gettop(L) - top;
}

int cr_decode(lua_State *L, cr_value *v) {
  cr_value mine = *v;
  v->kind = CR_V_NONE;
  if (mine.kind != CR_V_MESSAGE) return push_in_place(L, &mine);
  const cr_message *m = mine.message;
  unsigned char copy[SMALL_MESSAGE];
  size_t length = m->length;
  if (length > sizeof copy || !is_plain(m)) return decode_message(L, &mine);
  memcpy(copy, m->bytes, length);
  cr_value_free(&mine);
  return decode_bytes(L, copy, length, sizeof copy, NULL);
}

size_t cr_value_count(const cr_value *v) {
  uint32_t n;
  if (v->kind == CR_V_NONE) return 0;
  if (v->kind != CR_V_MESSAGE) return 1;
  if (v->message->length < HEADER) return 0;
  memcpy(&n, v->message->bytes + 1, sizeof n);
  return n;
}
