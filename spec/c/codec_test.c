/* SPDX-License-Identifier: MIT */
/*
** codec: Lua values cross from one state to another and are what they were.
**
** A test has two Lua states, `from` and `to`, of one strand: cr_lua is pointed at
** one or the other, as it would be in two threads.  What is to cross is written
** in Lua: `send` is evaluated in the first state, the values cross, and `check`
** gets them as its arguments in the second; it must return true.
*/
#include <limits.h>
#include <lua.h>
#include <lualib.h>

#include "codec/codec.h"
#include "test.h"

__attribute__((constructor)) static void register_types(void) { cr_pool_register(); }

/* --------------------------------------------------------------- two states */

static struct side {
  lua_State *L;
  cr_state *state;
} from, to;

static struct side *at(struct side *s) {
  cr_lua = s->state;
  return s;
}

/* What stands for conrun.errors and for conrun.event here. */
static int open_errors(lua_State *L) {
  lua_newtable(L);
  lua_newtable(L);
  lua_setfield(L, -2, "metatable");
  return 1;
}

static int open_event(lua_State *L) {
  lua_newtable(L);
  cr_handle_type(L, CR_EVENT);
  lua_newtable(L);
  return 1;
}

static int new_event(lua_State *L) {
  cr_handle *h = cr_handle_new(L, CR_EVENT);
  cr_handle_fill(L, h, cr_event_new());
  return 1;
}

static void preload(lua_State *L, const char *name, lua_CFunction open) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

static int prepare(lua_State *L) {
  luaL_openlibs(L);
  cr_state_open(L);
  preload(L, "conrun.errors", open_errors);
  preload(L, "conrun.event", open_event);
  lua_register(L, "new_event", new_event);
  return 0;
}

static void open(struct side *s) {
  s->L = luaL_newstate();
  cr_check(s->L != NULL);
  lua_pushcfunction(s->L, prepare);
  cr_check(lua_pcall(s->L, 0, 0, 0) == LUA_OK);
  s->state = cr_lua;
}

static void shut(struct side *s) {
  at(s);
  lua_close(s->L);
  cr_state_close();
}

static void both_open(void) {
  open(&from);
  open(&to);
}

static void both_shut(void) {
  shut(&from);
  shut(&to);
}

/* ------------------------------------------------------------ one crossing */

static int run_encode(lua_State *L) {
  cr_value *v = lua_touserdata(L, 1);
  cr_encode(L, 2, lua_gettop(L) - 1, "argument", v);
  return 0;
}

static int run_decode(lua_State *L) {
  cr_value *v = lua_touserdata(L, 1);
  lua_settop(L, 0);
  return cr_decode(L, v);
}

/* Out and back in one state. */
static int run_both(lua_State *L) {
  cr_value v = {.head = 0};
  int n = lua_gettop(L);
  cr_encode(L, 1, n, "argument", &v);
  lua_settop(L, 0);
  return cr_decode(L, &v);
}

static bool fails(lua_State *L, int status) {
  if (status == LUA_OK) return false;
  fprintf(stderr, "%s\n", lua_tostring(L, -1));
  return true;
}

/* Evaluates `source` in the first state and encodes what it returns; false: the
** error is on the stack. */
static bool encodes(const char *source, cr_value *v) {
  lua_State *L = at(&from)->L;
  lua_settop(L, 0);
  lua_pushcfunction(L, run_encode);
  lua_pushlightuserdata(L, v);
  if (fails(L, luaL_loadbuffer(L, source, strlen(source), "=script.lua")) ||
      fails(L, lua_pcall(L, 0, LUA_MULTRET, 0)))
    return CHECK(!"the source is good");
  bool done = lua_pcall(L, lua_gettop(L) - 1, 0, 0) == LUA_OK;
  EQUAL(lua_gettop(L), done ? 0 : 1);
  return done;
}

/* Leaves the values, or the error, alone on the stack of the second state. */
static bool decodes(cr_value *v) {
  lua_State *L = at(&to)->L;
  lua_settop(L, 0);
  lua_pushcfunction(L, run_decode);
  lua_pushlightuserdata(L, v);
  return lua_pcall(L, 1, LUA_MULTRET, 0) == LUA_OK;
}

static bool approved(const char *verdict) {
  lua_State *L = to.L;
  if (fails(L, luaL_loadbuffer(L, verdict, strlen(verdict), "=check"))) return false;
  lua_insert(L, 1);
  if (fails(L, lua_pcall(L, lua_gettop(L) - 1, 1, 0))) return false;
  return lua_toboolean(L, -1);
}

static void cross(const char *send, const char *verdict, int line) {
  cr_value v = {.head = 0};
  bool sent = encodes(send, &v);
  bool ok = sent && decodes(&v) && approved(verdict);
  if (!ok)
    fprintf(stderr, "line %d: %s -> %s: %s\n", line, send, verdict,
            sent ? luaL_tolstring(to.L, -1, NULL) : lua_tostring(from.L, -1));
  CHECK(ok);
}
#define CROSS(send, check) cross("return " send, "local a, b, c = ... " check, __LINE__)
#define CROSS_AFTER(before, send, check) \
  cross(before " return " send, "local a, b, c = ... " check, __LINE__)

/* Encoding fails with just this message; a plain "*" at the end leaves the rest open. */
static void refuse(const char *source, const char *message, int line) {
  cr_value v = {.head = 0};
  bool sent = encodes(source, &v);
  const char *got = sent ? "(was sent)" : lua_tostring(from.L, -1);
  if (sent) cr_value_free(&v);
  if (strcmp(got, message) != 0) fprintf(stderr, "line %d: %s\n", line, got);
  CHECK(strcmp(got, message) == 0);
}
#define REFUSE(source, message) refuse(source, message, __LINE__)

/* --------------------------------------------------------------------- data */

TEST(scalars) {
  both_open();
  CROSS("nil", "return select('#', ...) == 1 and a == nil");
  CROSS("true, false", "return a == true and b == false");
  CROSS("0, -1, 127", "return a == 0 and b == -1 and c == 127 and math.type(c) == 'integer'");
  CROSS("128, -128, -129", "return a == 128 and b == -128 and c == -129");
  CROSS("32768, -32768, -32769", "return a == 32768 and b == -32768 and c == -32769");
  CROSS("1<<31, -(1<<31), (1<<31)-1", "return a == 1<<31 and b == -(1<<31) and c == (1<<31)-1");
  CROSS("math.maxinteger, math.mininteger", "return a == math.maxinteger and b == math.mininteger");
  CROSS("0.5, -0.0, 1e308", "return a == 0.5 and 1/b == -math.huge and c == 1e308");
  CROSS("0/0, math.huge, -math.huge", "return a ~= a and b == math.huge and c == -math.huge");
  CROSS("2.0", "return a == 2 and math.type(a) == 'float'");
  CROSS("'', 'a\\0b'", "return a == '' and b == 'a\\0b'");
  CROSS("('x'):rep(14)", "return a == ('x'):rep(14)");
  CROSS("('x'):rep(15)", "return a == ('x'):rep(15)");
  CROSS("('x'):rep(63), ('y'):rep(64), ('z'):rep(255)",
        "return a == ('x'):rep(63) and b == ('y'):rep(64) and c == ('z'):rep(255)");
  CROSS("('x'):rep(256), ('y'):rep(300000)",
        "return a == ('x'):rep(256) and b == ('y'):rep(300000)");
  CROSS("('y'):rep(3000000)", "return a == ('y'):rep(3000000)");
  cross("", "return select('#', ...) == 0", __LINE__);
  CROSS("nil, nil, nil", "return select('#', ...) == 3");
  both_shut();
}

TEST(tables) {
  both_open();
  CROSS("{}", "return next(a) == nil");
  CROSS("{1, 2, 3}", "return #a == 3 and a[1] == 1 and a[3] == 3");
  CROSS("{id = 1, name = 'n', v = 2.5}", "return a.id == 1 and a.name == 'n' and a.v == 2.5");
  CROSS("{1, nil, 3, x = {y = {z = 'deep'}}}",
        "return a[1] == 1 and a[2] == nil and a[3] == 3 and a.x.y.z == 'deep'");
  CROSS("{[true] = 1, [1.5] = 2, [-7] = 3}", "return a[true] == 1 and a[1.5] == 2 and a[-7] == 3");
  CROSS_AFTER("local t = {1, 2, 3, 4, x = 1, y = 2, z = 3} t.z = nil t.y = nil t[5] = 5 t[6] = 6",
              "t", "return #a == 6 and a[5] == 5 and a[6] == 6 and a.x == 1");
  CROSS_AFTER("local t = {} for i = 1000, 1, -1 do t[i] = i * i end", "t",
              "for i = 1, 1000 do if a[i] ~= i * i then return false end end return true");
  CROSS_AFTER("local k = {1}", "{[k] = k}", "local k = next(a) return k[1] == 1 and a[k] == k");
  CROSS_AFTER("local t = {} t.t = t t[t] = t", "t", "return a.t == a and a[a] == a");
  CROSS_AFTER("local s = {1}", "{s, s, {s}}", "return a[1] == a[2] and a[3][1] == a[1]");
  CROSS_AFTER("local s = {1}", "s, s", "return a == b");
  CROSS_AFTER("local t = {n = 0} for i = 1, 100000 do t = {next = t, n = i} end", "t",
              "local n = 0 while a do n, a = n + 1, a.next end return n == 100001");
  CROSS_AFTER("local t = {} for i = 1, 20000 do t = {[t] = i} end", "t",
              "local n = 0 while a do n, a = n + 1, next(a) end return n == 20001");
  both_shut();
}

TEST(metatables) {
  both_open();
  CROSS_AFTER("local c = {} c.__index = c function c.f(s) return s.n end",
              "setmetatable({n = 3}, c), setmetatable({n = 4}, c)",
              "return a:f() == 3 and b:f() == 4 and getmetatable(a) == getmetatable(b)");
  CROSS_AFTER("local m = require 'conrun.errors'", "setmetatable({1}, m.metatable)",
              "return getmetatable(a) == require('conrun.errors').metatable and a[1] == 1");
  CROSS_AFTER("local m = setmetatable({}, {}) getmetatable(m).__index = m", "m",
              "return getmetatable(a).__index == a");
  both_shut();
}

/* --------------------------------------------------------------- functions */

TEST(functions) {
  both_open();
  CROSS("function(x) return x * x end", "return a(7) == 49");
  CROSS_AFTER("local n, t = 5, {7}", "function() return n + t[1] end", "return a() == 12");
  CROSS_AFTER("local function fact(n) return n < 2 and 1 or n * fact(n - 1) end", "fact",
              "return a(10) == 3628800");
  CROSS_AFTER("local n = 0", "function() n = n + 1 return n end, function() return n end",
              "a() a() return b() == 2");
  CROSS_AFTER("local x local function f() return x end x = {f}", "f", "return a()[1] == a");
  CROSS_AFTER("local n = 1 local function f() n = n + 1 return n end local t = {g = function() "
              "return n end} local function h() return t.g(), f() end",
              "h", "local x, y = a() return x == 1 and y == 2 and a() == 2");
  CROSS_AFTER("local k <const> = 9", "function() return k end", "return a() == 9");
  CROSS("math.sqrt, string.format, print",
        "return a == math.sqrt and b == string.format and c == print");
  CROSS("math, _G, string", "return a == math and b == _G and c == string");
  CROSS("function() return _ENV end", "return a() == _G");
  CROSS_AFTER("local G = _G", "function() return G end", "return a() == _G");
  CROSS_AFTER("local f = math.max", "function(...) return f(...) end", "return a(1, 3, 2) == 3");
  CROSS_AFTER("local s = 'x'", "('').rep, function() return s:rep(3) end", "return b() == 'xxx'");
  both_shut();
}

TEST(globals) {
  both_open();
  CROSS_AFTER("factor = 3 function mul(x) return x * factor end", "function(x) return mul(x) end",
              "return a(4) == 12 and factor == 3");
  CROSS_AFTER("function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end", "fib",
              "return a(10) == 55");
  CROSS_AFTER("deep = 5", "function() return function() return function() return deep end end end",
              "return a()()() == 5");
  CROSS_AFTER("local function get() return inner_one end inner_one = {1}",
              "function() return get() end", "return a()[1] == 1");
  CROSS_AFTER("only_set = coroutine.create(print)", "function() only_set = 1 end",
              "return a() == nil");
  CROSS_AFTER("shade = 1 local shade = 2", "function() return shade end", "return a() == 2");
  CROSS_AFTER("E = require 'conrun.errors'", "function() return E end",
              "return a() == require 'conrun.errors'");
  CROSS_AFTER("local s = {} for i = 1, 700 do _G['many' .. i] = i s[i] = 'many' .. i end "
              "local f = load('return function() return ' .. table.concat(s, '+') .. ' end')",
              "f()", "return a() == 350 * 701");
  CROSS_AFTER("_G[('long'):rep(20)] = 6 local f = load('return ' .. ('long'):rep(20))", "f",
              "return a() == 6");
  CROSS_AFTER("g_false = false", "function() return g_false, g_none end",
              "local x, y = a() return x == false and y == nil");
  CROSS_AFTER("local _ENV = setmetatable({own = 8}, {__index = _G})", "function() return own end",
              "return a() == 8");
  CROSS_AFTER("setmetatable(_G, {__index = function(_, k) error('undefined ' .. k) end})",
              "function() return undefined end", "return a() == nil");
  both_shut();
}

/* ------------------------------------------------------------- __transfer */

/* A script may take modules out of package.loaded, or add to them later. */
TEST(names_last) {
  both_open();
  CROSS_AFTER("mt = require('conrun.errors').metatable", "setmetatable({}, mt)",
              "return getmetatable(a) == require('conrun.errors').metatable");
  CROSS_AFTER("package.loaded['conrun.errors'] = nil", "setmetatable({}, mt)",
              "return getmetatable(a) == require('conrun.errors').metatable");
  CROSS_AFTER("local s = string.rep string = nil package.loaded.string = nil", "s",
              "return a == string.rep");
  CHECK(luaL_dostring(to.L, "require('conrun.errors').late = math.abs") == 0);
  CROSS_AFTER("require('conrun.errors').late = new_event", "new_event", "return a == math.abs");
  CROSS_AFTER("package.loaded.handmade = {1}", "package.loaded.handmade", "return a[1] == 1");
  both_shut();
}

TEST(transfer) {
  both_open();
  CROSS_AFTER("local function make(x, y) return {x = x, y = y, made = true} end "
              "local m = {__transfer = function(s) return make, s.a, s.b end}",
              "setmetatable({a = 1, b = {2}, c = coroutine.create(print)}, m)",
              "return a.made and a.x == 1 and a.y[1] == 2");
  CROSS_AFTER("local m = {__transfer = function(s) return string.rep, s.s, 3 end} "
              "local o = setmetatable({s = 'ab'}, m)",
              "{o, o}", "return a[1] == 'ababab' and a[2] == a[1]");
  CROSS_AFTER("local m = {} m.__transfer = function(s) return select, 2, nil, s.inner, nil end",
              "setmetatable({inner = setmetatable({inner = 5}, m)}, m)", "return a == 5");
  CROSS_AFTER("local list = {} for i = 1, 40 do list[i] = {i, name = 'n', [i] = i} end "
              "local m = {__transfer = function(s) return table.pack, table.unpack(list) end}",
              "setmetatable({}, m)",
              "return a.n == 40 and a[40].name == 'n' and a[40][40] == 40 and a[1][1] == 1");
  REFUSE("return setmetatable({}, {__transfer = function() return 5 end})",
         "cannot send a value whose __transfer returns no constructor (argument 1)");
  REFUSE("return setmetatable({}, {__transfer = function(s) return print, s end})",
         "cannot send a value whose __transfer returns the value itself (argument 1, value 2 of "
         "its __transfer)");
  REFUSE("return setmetatable({}, {__transfer = function(s) return print, coroutine.create(print) "
         "end})",
         "cannot send a coroutine (argument 1, value 2 of its __transfer)");
  REFUSE("return setmetatable({}, {__transfer = function() error('no', 0) end})", "no");
  lua_register(from.L, "round_trip", run_both);
  CROSS_AFTER(
      "local m = {__transfer = function(s) local t = round_trip {s.n, {print}} collectgarbage() "
      "return select, 2, 0, t[1] + 1 end}",
      "{setmetatable({n = 1}, m), {print}, setmetatable({n = 2}, m)}",
      "return a[1] == 2 and a[2][1] == print and a[3] == 3");
  both_shut();
}

/* ---------------------------------------------------------------- refusals */

TEST(refusals) {
  both_open();
  REFUSE("return 1, coroutine.create(print)", "cannot send a coroutine (argument 2)");
  REFUSE("return {job = {co = coroutine.create(print)}}",
         "cannot send a coroutine (argument 1, field 'job.co')");
  REFUSE("return {1, 2, coroutine.create(print)}",
         "cannot send a coroutine (argument 1, element [3])");
  REFUSE("return {{a = {coroutine.create(print)}}}",
         "cannot send a coroutine (argument 1, element [1].a[1])");
  REFUSE("return {['my key'] = {['x y'] = coroutine.create(print)}}",
         "cannot send a coroutine (argument 1, field 'my key[\"x y\"]')");
  REFUSE("return {t = {[coroutine.create(print)] = 1}}",
         "cannot send a coroutine (argument 1, field 't', key of table)");
  REFUSE("return {[true] = coroutine.create(print)}",
         "cannot send a coroutine (argument 1, element [true])");
  REFUSE(
      "local co = coroutine.create(print) return {f = function() return co end}",
      "cannot send a coroutine (argument 1, field 'f', upvalue 'co' of function <script.lua:1>)");
  REFUSE(
      "\nlocal job = {co = coroutine.create(print)}\nreturn function() return job end",
      "cannot send a coroutine (argument 1, upvalue 'job' of function <script.lua:3>, field 'co')");
  REFUSE("glob = {coroutine.create(print)} return function() return glob end",
         "cannot send a coroutine (argument 1, global 'glob', element [1])");
  REFUSE("return setmetatable({}, {x = coroutine.create(print)})",
         "cannot send a coroutine (argument 1, metatable, field 'x')");
  REFUSE("local t = {} for i = 1, 1000000 do t = {next = t} end return t",
         "cannot send a value nested too deeply (argument 1, field "
         "'next.next.next.next.next.next.next.next', ..., field "
         "'next.next.next.next.next.next.next.next')");
  REFUSE("return io.stdout", "cannot send an open file (argument 1)");
  REFUSE("return {new_event}",
         "cannot send a C function that belongs to no loaded module (argument 1, element [1])");
  REFUSE("local f = string.gmatch('a', 'a') return f",
         "cannot send a C function that belongs to no loaded module (argument 1)");
  REFUSE("local function f() end local function g() return f end "
         "return debug.upvalueid(g, 1)",
         "cannot send a light userdata (argument 1)");
  both_shut();
}

/* ----------------------------------------------------------------- handles */

TEST(handles) {
  both_open();
  CROSS_AFTER("e = new_event()", "{e, e}", "kept = a[1] return a[1] == a[2]");
  CROSS("e", "return a == kept and tostring(a):find 'event'");
  CROSS_AFTER("local u = e", "function() return u end", "return a() == kept");
  CROSS("e", "kept = nil a = nil collectgarbage() return true");
  cr_value v = {.head = 0};
  CHECK(encodes("return e, e, {e}", &v));
  cr_value_free(&v);
  REFUSE("return {e, coroutine.create(print)}",
         "cannot send a coroutine (argument 1, element [2])");
  both_shut();
}

static int run_check(lua_State *L) {
  cr_handle_check(L, 1, CR_EVENT);
  return 0;
}

TEST(handle_checks) {
  both_open();
  lua_State *L = at(&from)->L;
  lua_pushcfunction(L, run_check);
  lua_newtable(L);
  CHECK(lua_pcall(L, 1, 0, 0) != LUA_OK);
  CHECK(strstr(lua_tostring(L, -1), "event expected, got table"));
  both_shut();
}

/* -------------------------------------------------------------------- code */

static int push_code(lua_State *L) {
  cr_code *code = cr_code_push(L, 1, "function");
  lua_pushlightuserdata(L, code);
  return 2;
}

static const cr_code *code_of(lua_State *L) {
  lua_pushcfunction(L, push_code);
  lua_pushvalue(L, 1);
  cr_check(lua_pcall(L, 1, 2, 0) == LUA_OK);
  const cr_code *code = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return code;
}

TEST(code) {
  both_open();
  lua_State *L = at(&from)->L;
  CHECK(luaL_dostring(L, "return function(x) return math.abs(x) end") == 0);
  CHECK(code_of(L) == code_of(L));
  lua_settop(L, 0);
  CHECK(luaL_dostring(L, "local n = 0 return function() n = n + 1 return n end") == 0);
  cr_code *code = (cr_code *)code_of(L);
  CHECK(code_of(L) != code);
  L = at(&to)->L;
  for (int i = 1; i <= 3; i++) {
    cr_code_function(L, code);
    lua_call(L, 0, 1);
    EQUAL(lua_tointeger(L, -1), i);
  }
  both_shut();
}

/* ----------------------------------------------------------------- streams */

TEST(streams) {
  both_open();
  lua_State *L = at(&from)->L;
  cr_value v = {.head = 0};
  cr_writer *w = cr_writer_new(L, "element", false);
  CHECK(luaL_dostring(L, "local t = {} t.t = t return {1, 'two', t, t, new_event(), math.sqrt}") ==
        0);
  for (int i = 1; i <= 6; i++) {
    lua_rawgeti(L, -1, i);
    cr_writer_add(L, w, -1);
    lua_pop(L, 1);
  }
  cr_writer_finish(L, w, &v);
  EQUAL(cr_value_count(&v), 6);
  L = at(&to)->L;
  cr_reader *r = cr_reader_new(L, &v);
  int n = 0;
  while (cr_reader_next(L, r)) n++;
  EQUAL(n, 6);
  CHECK(lua_tointeger(L, 2) == 1 && strcmp(lua_tostring(L, 3), "two") == 0);
  CHECK(lua_getfield(L, 4, "t") == LUA_TTABLE && lua_rawequal(L, -1, 4));
  lua_settop(L, 0);
  EQUAL(cr_decode_borrowed(L, &v), 6);
  CHECK(lua_getfield(L, 4, "t") == LUA_TTABLE && lua_rawequal(L, -1, 4));
  cr_value_free(&v);
  CHECK(encodes("local t = {1} return t, t, 3", &v));
  L = at(&to)->L;
  lua_settop(L, 0);
  r = cr_reader_new(L, &v);
  while (cr_reader_next(L, r)) {}
  CHECK(lua_gettop(L) == 4 && lua_rawequal(L, 2, 3));
  cr_value_free(&v);
  w = cr_writer_new(at(&from)->L, "element", false); /* dropped, with a handle in it */
  CHECK(luaL_dostring(from.L, "return new_event()") == 0);
  cr_writer_add(from.L, w, -1);
  both_shut();
}

/* ------------------------------------------------------------------ errors */

TEST(error_objects) {
  both_open();
  cr_value v;
  EQUAL(cr_encode_error("worker_died", "worker died", "Process-1", &v), 0);
  CHECK(decodes(&v));
  CHECK(approved(
      "local e = ... return e.kind == 'worker_died' and e.message == 'worker died' and "
      "e.strand == 'Process-1' and getmetatable(e) == require('conrun.errors').metatable"));
  EQUAL(cr_encode_error("task", "m", NULL, &v), 0);
  CHECK(decodes(&v));
  CHECK(approved("local e = ... return e.kind == 'task' and e.strand == nil"));
  both_shut();
}

/* --------------------------------------------------------------- bad bytes */

static void mutate(cr_message *m) {
  for (uint64_t n = 1 + chance(4); n > 0 && m->length > 0; n--) {
    uint64_t i = chance(m->length);
    if (chance(8) == 0)
      m->length = i;
    else
      m->bytes[i] = (unsigned char)(chance(2) ? chance(256) : m->bytes[i] ^ 1u << chance(8));
  }
}

static int run_borrowed(lua_State *L) {
  const cr_value *v = lua_touserdata(L, 1);
  lua_settop(L, 0);
  return cr_decode_borrowed(L, v);
}

/* The bytes are copied to a block of the C heap that ends where they end, so that
** a sanitizer sees every step beyond. */
static void decode_exactly(const cr_message *m) {
  cr_message *copy = malloc(sizeof *copy + m->length);
  cr_check(copy != NULL);
  memcpy((void *)copy, m, sizeof *m + m->length);
  cr_value v = {.head = CR_V_MESSAGE};
  v.message = copy;
  lua_State *L = at(&to)->L;
  lua_settop(L, 0);
  lua_pushcfunction(L, run_borrowed);
  lua_pushlightuserdata(L, &v);
  lua_pcall(L, 1, LUA_MULTRET, 0);
  lua_settop(L, 0);
  free(copy);
}

static const char *const sources[] = {
    "return {1, 'two', {3.5, x = {y = -70000}}, ('long'):rep(50)}, nil, true",
    "local t = {} t.t = t t[t] = {t} return t, setmetatable({}, t)",
    "local n = 1 local function f() return n, f end function gg() return n end "
    "return f, function() return n, gg() end, {math.sqrt, string, new_event()}",
    "local m = {__transfer = function() return math.max, 1, 2 end} return {setmetatable({}, m)}",
};
#define SOURCES (sizeof sources / sizeof *sources)

TEST(fuzz) {
  both_open();
  uint64_t rounds = getenv("FUZZ") ? strtoull(getenv("FUZZ"), NULL, 10) : 20000;
  CHECK(luaL_dostring(to.L, "require = function() return {} end") == 0);
  for (uint64_t i = 0; i < rounds; i++) {
    cr_value v = {.head = 0};
    if (!CHECK(encodes(sources[i % SOURCES], &v))) break;
    mutate(v.message);
    decode_exactly(v.message);
    decodes(&v);
    if (i % 64 == 0) lua_gc(to.L, LUA_GCCOLLECT);
  }
  both_shut();
}

/* ---------------------------------------------------------- every allocation */

/* The state's allocator fails from the n-th allocation on, counted from now. */
static long allowed;

static void *stingy(void *ud, void *block, size_t old, size_t size) {
  (void)ud;
  if (size == 0) {
    free(block);
    return NULL;
  }
  bool grows = !block || size > old;
  if (grows && allowed-- <= 0) return NULL;
  return realloc(block, size);
}

/* The values go out and come back in one state with n allocations. */
static bool round_trip(const char *source, long n) {
  lua_State *L = at(&from)->L;
  lua_settop(L, 0);
  lua_pushcfunction(L, run_both);
  cr_check(luaL_dostring(L, source) == 0);
  lua_setallocf(L, stingy, NULL);
  allowed = n;
  bool done = lua_pcall(L, lua_gettop(L) - 1, 0, 0) == LUA_OK;
  allowed = LONG_MAX;
  if (!done) CHECK(strstr(lua_tostring(L, -1), "memory") != NULL);
  return done;
}

TEST(every_allocation_fails) {
  for (size_t i = 0; i < SOURCES; i++) {
    long n = 0;
    bool done = false;
    for (; !done; n++) {
      both_open(); /* anew, so that what is made at the first use is made again */
      done = round_trip(sources[i], n);
      CHECK(done || n < 100000);
      both_shut();
      check_nothing_left();
    }
    CHECK(n > 3);
  }
}
