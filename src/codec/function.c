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
** An upvalue whose value is the globals table becomes the receiver's globals.  The
** globals that the function names (globals.c) are taken along and set in the receiver,
** each once in a message; their functions bring their own.  Standard globals stay at
** home: every state has them.  The main strand keeps a global that it has already: the
** script's own variables are not undone by what comes back from a worker.
**
** An environment of the function's own (a template's, `local _ENV = {}`) is a table like
** any other and travels with all that is in it.  Globals that the function finds through
** its metatable are taken along as globals.  One kind of environment is no table of its
** own but a view of the globals: see `is_view`.
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

/* How a function sees globals through an upvalue. */
enum environment {
  ENV_NONE,    /* it does not */
  ENV_GLOBALS, /* it is the globals table, or a view of it */
  ENV_TABLE    /* an environment of its own */
};

/* A function's globals, while they are collected. */
typedef struct collection {
  encoder *e;
  int function;           /* stack index */
  int list;               /* stack index: names and values in turn */
  uint32_t count;         /* of them */
  unsigned char how[256]; /* enum environment, by upvalue from 0 */
} collection;

static int run_gettable(lua_State *L) {
  lua_gettable(L, 1);
  return 1;
}

/* The global whose name is on the top of the stack, as the function would find
** it; nil if looking for it raises, as in a program that forbids undefined
** globals. [-0, +1, m] */
static void push_global(lua_State *L, int env) {
  lua_pushvalue(L, -1);
  lua_rawget(L, env);
  if (!lua_isnil(L, -1) || !lua_getmetatable(L, env)) return;
  lua_pop(L, 2);
  lua_pushcfunction(L, run_gettable);
  lua_pushvalue(L, env);
  lua_pushvalue(L, -3);
  if (lua_pcall(L, 2, 1, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushnil(L);
}

/* Is the value on top, which the environment `env` gave for the name below it, a global
** that travels as one?  What an environment has of its own travels with it. */
static bool is_global(lua_State *L, int env, enum environment how) {
  if (how == ENV_GLOBALS) return true;
  lua_pushvalue(L, -2);
  bool own = lua_rawget(L, env) != LUA_TNIL;
  lua_pushglobaltable(L);
  lua_pushvalue(L, -4);
  lua_rawget(L, -2);
  bool same = lua_rawequal(L, -1, -4);
  lua_pop(L, 3);
  return !own && same;
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
static void take_global(void *arg, unsigned env, const char *bytes, size_t length) {
  collection *c = arg;
  lua_State *L = c->e->L;
  luaL_checkstack(L, 12, NULL);
  lua_getupvalue(L, c->function, (int)env + 1);
  const char *name = lua_pushlstring(L, bytes, length); /* with a zero at its end */
  push_global(L, c->list + 1);
  if (!names_standard(L, name, lua_gettop(L)) && is_global(L, c->list + 1, c->how[env])) {
    c->e->took = true; /* also a nil: it may be something at the next call */
    if (!lua_isnil(L, -1)) enter_global(c);
  }
  lua_settop(L, c->list);
}

static bool is_globals(lua_State *L, int index) {
  lua_pushglobaltable(L);
  bool same = lua_rawequal(L, index, -1);
  lua_pop(L, 1);
  return same;
}

/* The environment that conrun's own Lua parts have in a sandbox. */
static bool is_conruns(lua_State *L, int index) {
  bool same =
      lua_getfield(L, LUA_REGISTRYINDEX, CR_ENVIRONMENT) != LUA_TNIL && lua_rawequal(L, index, -1);
  lua_pop(L, 1);
  return same;
}

/* A table that has nothing, hands on all that is read and written, and answers with
** the standard globals is no environment of its own: test runners put such a one around
** the functions that they run.  It stays at home, since what it is a view of does. */
static bool is_view(lua_State *L, int index) {
  int top = lua_gettop(L);
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
  bool view = luaL_getmetafield(L, index, "__index") == LUA_TFUNCTION &&
              luaL_getmetafield(L, index, "__newindex") == LUA_TFUNCTION;
  lua_pushnil(L);
  if (view && !lua_next(L, index)) {
    lua_pushliteral(L, LUA_GNAME);
    push_global(L, index);
    lua_pushglobaltable(L);
    view = lua_rawequal(L, -1, -2);
  } else {
    view = false;
  }
  lua_settop(L, top);
  return view;
}

static enum environment environment(lua_State *L, int function, int upvalue) {
  const char *name = lua_getupvalue(L, function, upvalue);
  enum environment how = ENV_NONE;
  if (!name) return how;
  int index = lua_gettop(L);
  if (is_globals(L, index))
    how = ENV_GLOBALS;
  else if (strcmp(name, "_ENV") == 0)
    how = is_conruns(L, index) || is_view(L, index) ? ENV_GLOBALS
          : lua_istable(L, index)                   ? ENV_TABLE
                                                    : ENV_NONE;
  lua_pop(L, 1);
  return how;
}

/* The function is on the top of the stack; leaves the list of its globals above
** it.  Does it assign to an upvalue? */
static bool push_globals(collection *c, const unsigned char *dump, size_t length, unsigned n) {
  lua_State *L = c->e->L;
  scan s = {.global = take_global, .arg = c};
  if (n > 0 && lua_isnil(L, c->e->taken)) {
    lua_newtable(L);
    lua_replace(L, c->e->taken);
  }
  for (unsigned i = 0; i < n; i++) s.env[i] = c->how[i] != ENV_NONE;
  lua_newtable(L);
  c->list = lua_gettop(L);
  if (n > 0) scan_dump(&s, dump, length);
  return s.assigns;
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
    c.how[i] = environment(L, f->base, (int)i + 1);
    globals += c.how[i] == ENV_GLOBALS;
  }
  bool assigns = push_globals(&c, e->work->bytes + dump, length, n);
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
  if (f->meta && environment(e->L, f->base, (int)f->i) == ENV_GLOBALS) {
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
    lua_settop(L, name + 1);
    carried_global(L, name);
  }
  lua_settop(L, name - 1);
}

/* The globals of this state's own function are there. */
void function_take(decoder *d, frame *f) {
  if (f->stage == STAGE_UPVALUES && !f->settled)
    lua_setupvalue(d->L, f->base, (int)f->i);
  else if (f->stage == STAGE_UPVALUES || f->own)
    lua_settop(d->L, f->base);
  else
    set_global(d->L, f->base + 1);
}
