/* SPDX-License-Identifier: MIT */
/*
** values: any bytes as a message that is decoded.
**
** The message mentions two events.  It is decoded in a Lua state of its own, in
** which nothing dangerous can be named: a message may call what it names, so the
** state has only functions that end soon and make nothing big.  What comes out is
** encoded, and that must decode again.
**
** Held here, besides what the sanitizers see:
**   - the decoder gets a block of just the input's size: no read beyond it;
**   - the state never asks for more memory than a fixed multiple of the input's
**     size: counts in a message allocate nothing that its bytes could not fill;
**   - every message is given back, whatever was raised.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "fuzz.h"

#define STATE_BYTES ((size_t)256 << 10) /* for a state without a message */
#define BYTES_PER_BYTE 160u             /* of the message: a list of small integers costs 48 */
#define VALUES_MOST 1000000

/* ------------------------------------------------------------------- the state */

/* What the state of the current input has, and may have. */
static size_t used, allowed;

static void *allocate(void *ud, void *block, size_t old, size_t size) {
  (void)ud;
  if (!block) old = 0;
  cr_check(used - old + size <= allowed);
  void *new = size ? realloc(block, size) : (free(block), NULL);
  if (new || !size) used = used - old + size;
  return new;
}

static const char clean[] =
    "local find = string.find "
    "local keep = {_G = 'assert error getmetatable ipairs next pairs pcall rawequal rawget rawlen '"
    " .. 'rawset select setmetatable tonumber tostring type xpcall _G _VERSION string math',"
    " string = 'len lower reverse sub upper', math = 'abs ceil floor max min sqrt type ult'} "
    "for name, words in pairs(keep) do "
    "  local t = _G[name] "
    "  for key in next, t do "
    "    if not find(' ' .. words .. ' ', ' ' .. key .. ' ', 1, true) then t[key] = nil end "
    "  end "
    "end";

/* What stands for conrun.event here. */
static int open_event(lua_State *L) {
  lua_newtable(L);
  cr_handle_type(L, CR_EVENT);
  lua_newtable(L);
  return 1;
}

static int open_state(lua_State *L) {
  luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
  luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
  luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
  cr_check(luaL_dostring(L, clean) == LUA_OK);
  cr_state_open(L);
  luaL_requiref(L, "conrun.event", open_event, 0);
  lua_newtable(L); /* as a module of the program's own: a class */
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "conrun.class");
  lua_settop(L, 0);
  return 0;
}

/* -------------------------------------------------------------------- one input */

/* The message with the objects that every input mentions. */
static cr_message *events;

typedef struct input {
  enum fuzz_way way;
  cr_value value;
} input;

static int read_all(lua_State *L, const cr_value *v) {
  cr_reader *r = cr_reader_new(L, v);
  int n = 0;
  while (cr_reader_next(L, r)) {
    lua_pop(L, 1);
    n++;
  }
  lua_pushinteger(L, n);
  return 1;
}

static int run_decode(lua_State *L) {
  input *in = lua_touserdata(L, 1);
  lua_settop(L, 0);
  switch (in->way) {
  case FUZZ_READER: return read_all(L, &in->value);
  case FUZZ_TAKEN: return cr_decode(L, &in->value);
  default: return cr_decode_borrowed(L, &in->value);
  }
}

/* Stack: the values.  What could be encoded decodes to as many. */
static int run_again(lua_State *L) {
  cr_value v = {.head = 0};
  int n = lua_gettop(L);
  cr_encode(L, 1, n, "value", &v);
  lua_settop(L, 0);
  cr_check(cr_decode(L, &v) == n);
  return 0;
}

/* The input in a block of the C heap that ends where it ends. */
static cr_message *copy_exactly(const uint8_t *bytes, size_t n) {
  cr_message *m = malloc(sizeof *m + n);
  cr_check(m != NULL);
  memcpy((void *)m, events, sizeof *m);
  m->length = n;
  memcpy(m->bytes, bytes, n);
  return m;
}

/* One that is freed by who decodes it; it mentions nothing. */
static cr_message *copy_to_arena(const uint8_t *bytes, size_t n) {
  cr_message *m = cr_message_new(n);
  cr_check(m != NULL);
  m->length = n;
  memcpy(m->bytes, bytes, n);
  return m;
}

static void decode(lua_State *L, input *in) {
  lua_pushcfunction(L, run_decode);
  lua_pushlightuserdata(L, in);
  bool good = lua_pcall(L, 1, LUA_MULTRET, 0) == LUA_OK;
  if (!good || lua_gettop(L) >= VALUES_MOST / 2) return;
  allowed += allowed;
  lua_pushcfunction(L, run_again);
  lua_insert(L, 1);
  lua_pcall(L, lua_gettop(L) - 1, 0, 0);
}

static void one(const uint8_t *bytes, size_t n) {
  input in = {.way = n ? bytes[0] % FUZZ_WAYS : 0, .value = {.head = CR_V_MESSAGE}};
  if (n == 0) return;
  bool taken = in.way == FUZZ_TAKEN;
  cr_message *m = (taken ? copy_to_arena : copy_exactly)(bytes + 1, n - 1);
  in.value.message = m;
  used = 0;
  allowed = STATE_BYTES + BYTES_PER_BYTE * n;
  lua_State *L = lua_newstate(allocate, NULL);
  cr_check(L != NULL);
  open_state(L);
  decode(L, &in);
  lua_close(L);
  cr_state_close();
  if (!taken) free(m);
}

static void open(void) {
  uint64_t number;
  cr_pool_register();
  events = cr_message_new(0);
  cr_check(events != NULL);
  for (int i = 0; i < FUZZ_EVENTS; i++) {
    cr_event *e = cr_event_new();
    cr_check(e != NULL);
    cr_hold *hold = cr_object_born(e);
    cr_check(cr_message_mention(events, &e->object, &number) == 0);
    cr_object_drop(hold);
  }
}

static void shut(void) { cr_message_free(events); }

const fuzz_target fuzz_values = {"values", open, one, shut};
