/* SPDX-License-Identifier: MIT */
/*
** seeds: writes the corpus that the fuzzers start from ("make fuzz-seeds").
**
**   seeds FOLDER     FOLDER/values/NN-way and FOLDER/dumps/NN
**
** What a message can hold is evaluated in Lua, encoded as ever, and written with
** the byte in front that the target wants.  Inputs that a fuzzer found are in the
** same folders, by names of their own, and stay.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "fuzz.h"

static const char *const values[] = {
    "return",
    "return nil, true, false, 0, 127, -1, 200, -70000, 1 << 40, 0.5, 'text', ('x'):rep(70)",
    "return {1, 'two', {3.5, x = {y = -70000}}, [-3] = {}, [true] = 1.5}, nil",
    "local t = {} t.t = t t[t] = {t} return t, t",
    "local m = {} m.__index = m return setmetatable({1}, m), setmetatable({2}, m)",
    "return setmetatable({1}, class), {class, class.f}",
    "return math.max, string, {math.abs, string.upper}, _G",
    "return event, {event, other}, event",
    "return function(x) return x end",
    "local n, t = 5, {7} return function() n = n + t[1] return n end, function() return n end",
    "local x local function f() return x end x = {f} return f, f",
    "global = {1} function helper(x) return x + global[1] end return function() return helper(1) "
    "end",
    "return rebuilt('up'), {rebuilt {1, 2}, rebuilt(event)}",
    "local r = rebuilt(rebuilt(1)) return r, r",
    "local t = {} for i = 1, 80 do t = {t} end return t",
    "local t = {} for i = 1, 70 do t = {[t] = i} end return t, t",
    "return {1.5, 2.0, 'x', 3.5, -0.0, 2}, {0.5, 1 / 0, n = 1.5}, {2.5, {3.5, 4.5}, 5.5}",
    "local m = {} m.__index = m function m.f() return m end return setmetatable({1}, m), m, m.f",
    "local e = {x = 1} return load('return function() return x end', '=c', 't', e)(), e",
    "local n = 0 return {function() n = n + 1 end, function() return n end}, {1, nil, 3}",
    "return {'name', 'name', name = 'name', [1.5] = 'name'}, {fifteen_letters = 'name'}",
};

static const char *const dumps[] = {
    "return x, y.z",
    "local a, b = 1, 2.5 return function() x = a return function(...) return y, b, ... end end",
    "local long = _ENV['a name that is longer than forty bytes, so not short'] return long",
    "goto done local c <const>, d <close> = 3, nil for i = 1, 3 do f(i, c) end ::done::",
};

static const char given[] =
    "class = {f = function() end} package.loaded['conrun.class'] = class "
    "local meta = {__transfer = function(self) return select, 1, self.inner end} "
    "function rebuilt(inner) return setmetatable({inner = inner}, meta) end "
    "event, other = new_event(), new_event()";

static void write_file(const char *folder, const char *name, unsigned first, const void *bytes,
                       size_t n) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  if (!file || fputc((int)first, file) == EOF || fwrite(bytes, 1, n, file) != n || fclose(file)) {
    perror(path);
    exit(1);
  }
}

static int new_event(lua_State *L) {
  cr_handle *h = cr_handle_new(L, CR_EVENT);
  cr_handle_fill(L, h, cr_event_new());
  return 1;
}

static int open_event(lua_State *L) {
  lua_newtable(L);
  cr_handle_type(L, CR_EVENT);
  lua_newtable(L);
  return 1;
}

/* --------------------------------------------------------------------- messages */

/* A stream, as a map sends it: value by value. */
static void encode_stream(lua_State *L, int n, cr_value *v) {
  cr_writer *w = cr_writer_new(L, "value", false);
  for (int i = 1; i <= n; i++) cr_writer_add(L, w, i);
  cr_writer_finish(L, w, v);
  lua_settop(L, n);
}

static void write_values(lua_State *L, const char *folder, int number) {
  static const char *const ways[] = {"borrowed", "stream", "taken"};
  for (enum fuzz_way way = 0; way < FUZZ_WAYS; way++) {
    cr_value v = {.head = 0};
    char name[64];
    snprintf(name, sizeof name, "values/%02d-%s", number, ways[way]);
    lua_settop(L, 0);
    if (luaL_dostring(L, values[number]) != LUA_OK) lua_error(L);
    if (way == FUZZ_READER)
      encode_stream(L, lua_gettop(L), &v);
    else
      cr_encode(L, 1, lua_gettop(L), "value", &v);
    if (v.kind == CR_V_MESSAGE) write_file(folder, name, way, v.message->bytes, v.message->length);
    cr_value_free(&v);
  }
}

/* Tables in tables, each of which claims all bytes that are left: what they reserve
** together must not grow with the square of the input. */
static void write_claims(const char *folder) {
  unsigned char bytes[2000] = {1, 1}; /* as codec/inside.h has it: flags, count */
  size_t n = 5;
  for (; sizeof bytes - n > 9; n += 9) {
    uint32_t claim = (uint32_t)(sizeof bytes - n - 9);
    bytes[n] = 11; /* WIRE_TABLE */
    memcpy(bytes + n + 1, &claim, sizeof claim);
  }
  write_file(folder, "values/claims", FUZZ_BORROWED, bytes, sizeof bytes);
}

/* ------------------------------------------------------------------------ dumps */

static int add_bytes(lua_State *L, const void *bytes, size_t n, void *buffer) {
  (void)L;
  luaL_addlstring(buffer, bytes, n);
  return 0;
}

static void write_dump(lua_State *L, const char *folder, int number) {
  luaL_Buffer b;
  size_t n;
  char name[64];
  snprintf(name, sizeof name, "dumps/%02d", number);
  lua_settop(L, 0);
  luaL_buffinit(L, &b);
  if (luaL_loadbuffer(L, dumps[number], strlen(dumps[number]), "=d") != LUA_OK) lua_error(L);
  lua_dump(L, add_bytes, &b, number % 2);
  lua_pop(L, 1);
  luaL_pushresult(&b);
  const char *bytes = lua_tolstring(L, -1, &n);
  write_file(folder, name, 1, bytes, n);
}

/* ------------------------------------------------------------------------- main */

static int write_all(lua_State *L) {
  const char *folder = lua_touserdata(L, 1);
  luaL_openlibs(L);
  cr_state_open(L);
  luaL_requiref(L, "conrun.event", open_event, 0);
  lua_register(L, "new_event", new_event);
  if (luaL_dostring(L, given) != LUA_OK) lua_error(L);
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) write_values(L, folder, (int)i);
  write_claims(folder);
  for (size_t i = 0; i < sizeof dumps / sizeof *dumps; i++) write_dump(L, folder, (int)i);
  return 0;
}

int main(int argc, char **argv) {
  cr_arena_options options = {.limit = FUZZ_MEMORY};
  cr_check(argc == 2 && cr_arena_create(&options) == 0);
  cr_sync_register();
  cr_pool_register();
  lua_State *L = luaL_newstate();
  cr_check(L != NULL);
  lua_pushcfunction(L, write_all);
  lua_pushlightuserdata(L, argv[1]);
  int status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  cr_state_close();
  return status == LUA_OK ? 0 : 1;
}
