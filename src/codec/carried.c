/* SPDX-License-Identifier: MIT */
/*
** carried: globals and upvalues that came with a task's function, and were assigned.
**
** What a task assigns to them changes the worker's copy only, which is seldom what was
** meant: the program counts in a global, and the count stays 0.  With warnings on (-W) a
** worker notes what comes with the functions that it decodes, and looks at the end of each
** task whether that is still there.  What has been assigned is told with the place of the
** assignment, which is found in the function's dump; each place once in the program.
**
** The registry has it as a table: [1] the globals, name -> value; [2] the functions that
** assign to an upvalue or a global, function -> the upvalues' values, with weak keys.
**
** Nothing of this is done while warnings are off.
*/
#include "codec/inside.h"

#define GLOBALS 1
#define FUNCTIONS 2

/* Pushes one of the two tables.  [-0, +1, m] */
static void push_table(lua_State *L, int which) {
  if (cr_lua->carried == LUA_NOREF) { /* kept once it is whole: each step may raise */
    lua_createtable(L, FUNCTIONS, 0);
    lua_newtable(L);
    lua_rawseti(L, -2, GLOBALS);
    state_weak(L, "k");
    lua_rawseti(L, -2, FUNCTIONS);
    cr_lua->carried = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->carried);
  lua_rawgeti(L, -1, which);
  lua_remove(L, -2);
}

/* Main has no tasks: what it gets is somebody's answer. */
static bool watches(void) { return cr_lua->warns && cr_me && cr_me->kind != CR_MAIN; }

void carried_global(lua_State *L, int name) {
  if (!watches()) return;
  luaL_checkstack(L, 6, NULL);
  push_table(L, GLOBALS);
  lua_pushvalue(L, name);
  lua_pushvalue(L, name + 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* The list of the upvalues' values of the function at `function`. */
static void push_upvalues(lua_State *L, int function) {
  lua_newtable(L);
  for (int i = 1; lua_getupvalue(L, function, i); i++) lua_rawseti(L, -2, i);
}

void carried_function(lua_State *L, int function) {
  if (!watches()) return;
  luaL_checkstack(L, 6, NULL);
  push_table(L, FUNCTIONS);
  lua_pushvalue(L, function);
  push_upvalues(L, function);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* ---------------------------------------------------------------------- warning */

/* Places that were told of, by hashes of their names; 0: none yet. */
#define PLACES (sizeof((codec_part *)NULL)->told / sizeof(uint64_t))

static bool is_first(const char *place) {
  codec_part *part = CR_PART(codec_part, cr_arena_root()->codec);
  uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
  for (; *place; place++) h = (h ^ (unsigned char)*place) * 0x100000001b3u;
  h |= 1;
  for (size_t i = 0; i < PLACES; i++) {
    uint64_t none = 0;
    if (atomic_compare_exchange_strong(&part->told[i], &none, h)) return true;
    if (none == h) return false;
  }
  return true; /* there are more than can be noted */
}

/* An assignment that is looked for in a function, and the lines where it is. */
typedef struct search {
  lua_State *L;
  int function;
  int upvalue;      /* from 1; 0: a global is looked for */
  const char *name; /* of the upvalue, or of the global */
} search;

static void tell(const search *s, unsigned line) {
  lua_Debug ar;
  lua_State *L = s->L;
  lua_pushvalue(L, s->function);
  lua_getinfo(L, ">S", &ar);
  const char *place = lua_pushfstring(L, "%s:%d: %s", ar.short_src, (int)line, s->name);
  if (is_first(place)) {
    lua_pushfstring(L,
                    "%s:%d: a task has assigned the %s '%s', which came from outside: that changes "
                    "the worker's copy only (share it with conrun.shared.value)",
                    ar.short_src, (int)line, s->upvalue ? "upvalue" : "global", s->name);
    lua_warning(L, lua_tostring(L, -1), 0);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void found(void *arg, unsigned upvalue, const char *name, size_t length, unsigned line) {
  const search *s = arg;
  bool global =
      name && !s->upvalue && strlen(s->name) == length && memcmp(s->name, name, length) == 0;
  if (global || (!name && (int)upvalue + 1 == s->upvalue)) tell(s, line);
}

/* A buffer that begins with the first piece: it may keep something on the stack, above the
** function. */
typedef struct dump {
  luaL_Buffer buffer;
  bool begun;
} dump;

static int write_piece(lua_State *L, const void *bytes, size_t n, void *arg) {
  dump *d = arg;
  if (!d->begun) luaL_buffinit(L, &d->buffer);
  d->begun = true;
  luaL_addlstring(&d->buffer, bytes, n);
  return 0;
}

/* Which upvalues of the function are the globals? */
static void note_globals(lua_State *L, int function, scan *how) {
  lua_pushglobaltable(L);
  for (int i = 1; lua_getupvalue(L, function, i); i++) {
    how->env[i - 1] = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void look_in(search *s) {
  lua_State *L = s->L;
  int top = lua_gettop(L);
  dump d = {.begun = false};
  scan how = {.assigned = found, .arg = s};
  size_t n;
  note_globals(L, s->function, &how);
  lua_pushvalue(L, s->function);
  lua_dump(L, write_piece, &d, 0);
  if (d.begun) luaL_pushresult(&d.buffer);
  const char *bytes = d.begun ? lua_tolstring(L, -1, &n) : NULL;
  if (bytes) scan_dump(&how, (const unsigned char *)bytes, n);
  lua_settop(L, top);
}

/* [globals] [functions]: a global that is not what came any more is looked for in all
** functions. */
static void check_global(lua_State *L, const char *name) {
  for (lua_pushnil(L); lua_next(L, FUNCTIONS); lua_pop(L, 1))
    look_in(&(search){.L = L, .function = lua_gettop(L) - 1, .name = name});
}

static void check_globals(lua_State *L) {
  lua_pushglobaltable(L);
  int now = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, GLOBALS); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_rawget(L, now);
    if (!lua_rawequal(L, -1, -2)) {
      check_global(L, lua_tostring(L, -3));
      lua_pushvalue(L, -3);
      lua_pushvalue(L, -2);
      lua_isnil(L, -1) ? lua_pop(L, 2) : lua_rawset(L, GLOBALS);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* The function and the list of its values are on the top of the stack. */
static void check_function(lua_State *L) {
  int values = lua_gettop(L), function = values - 1;
  const char *name;
  for (int i = 1; (name = lua_getupvalue(L, function, i)); i++) {
    lua_rawgeti(L, values, i);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    if (!same) {
      lua_pushvalue(L, -1);
      lua_rawseti(L, values, i);
      look_in(&(search){.L = L, .function = function, .upvalue = i, .name = name});
    }
    lua_pop(L, 1);
  }
}

/* Arguments: the two tables. */
static int run_check(lua_State *L) {
  luaL_checkstack(L, 30, NULL);
  check_globals(L);
  for (lua_pushnil(L); lua_next(L, FUNCTIONS); lua_pop(L, 1)) check_function(L);
  return 0;
}

void cr_carried_check(lua_State *L) {
  if (!watches() || cr_lua->carried == LUA_NOREF || !lua_checkstack(L, 8)) return;
  int top = lua_gettop(L);
  lua_pushcfunction(L, run_check);
  push_table(L, GLOBALS);
  push_table(L, FUNCTIONS);
  lua_pcall(L, 2, 0, 0); /* without memory nothing is told */
  lua_settop(L, top);
}
