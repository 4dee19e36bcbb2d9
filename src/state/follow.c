/* SPDX-License-Identifier: MIT */
/*
** follow: a pool that lives follows the settings of the strand that made it, where that is
** cheap.
**
** Whenever that strand gives the pool something to do, it looks whether its settings are
** still those that the workers have: package.path and cpath, the searchers and what is in
** preload, the metatable of the globals by comparing; the handler of errors and the log by a
** count of the times that they were set.  If they are not, all of them go to the pool, and
** each worker takes them before its next task.  A pool of processes follows what surrounds
** the process, too: the locale as os.setlocale sets it, variables, the working directory.
*/
#include <lualib.h>
#include <string.h>

#include "state/inside.h"

#define LIBRARIES "_CLIBS"     /* registry: what package.loadlib has loaded, as Lua keeps it */
#define SEEN "conrun.settings" /* registry: a list of what is in cr_state.seen */

/* Addresses, and two numbers. */
enum seen {
  PATH,
  CPATH,
  SEARCHERS_LIST,
  GLOBALS,
  SEARCHERS_COUNT,
  PRELOAD_COUNT
};

static void push_metatable(lua_State *L) {
  lua_pushglobaltable(L);
  if (!lua_getmetatable(L, -1)) lua_pushnil(L);
  lua_remove(L, -2);
}

/* Keeps the table on top, where a program leaves it, at a place that is found at once. */
static int keep(lua_State *L) {
  if (lua_istable(L, -1)) return luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
  return LUA_REFNIL;
}

static void find_tables(lua_State *L) {
  settings_push_package(L);
  cr_lua->package = keep(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  cr_lua->preload = keep(L);
}

/* This is done for each task: it asks for addresses, and for no more than it must.  What it
** pushes stays. */
static void look(lua_State *L, uint64_t now[]) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->package);
  lua_getfield(L, -1, "path");
  now[PATH] = cr_word(lua_topointer(L, -1));
  lua_getfield(L, -2, "cpath");
  now[CPATH] = cr_word(lua_topointer(L, -1));
  lua_getfield(L, -3, "searchers");
  now[SEARCHERS_COUNT] = lua_rawlen(L, -1);
  now[SEARCHERS_LIST] = cr_word(lua_topointer(L, -1));
  lua_pushglobaltable(L);
  if (lua_getmetatable(L, -1)) now[GLOBALS] = cr_word(lua_topointer(L, -1));
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->preload);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) now[PRELOAD_COUNT]++;
}

/* What has an address that is remembered is kept alive, or something else could get it. */
static void anchor(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, SEEN);
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->package);
  lua_getfield(L, -1, "path");
  lua_rawseti(L, -3, PATH + 1);
  lua_getfield(L, -1, "cpath");
  lua_rawseti(L, -3, CPATH + 1);
  lua_getfield(L, -1, "searchers");
  lua_rawseti(L, -3, SEARCHERS_LIST + 1);
  push_metatable(L);
  lua_rawseti(L, -3, GLOBALS + 1);
}

static uint64_t settings_now(lua_State *L) {
  uint64_t now[CR_SEEN] = {0};
  int top = lua_gettop(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (cr_lua->package == LUA_NOREF) find_tables(L);
  if (cr_lua->package == LUA_REFNIL) return cr_lua->settings; /* a sandbox without it */
  look(L, now);
  if (memcmp(now, cr_lua->seen, sizeof now) != 0) {
    anchor(L);
    memcpy(cr_lua->seen, now, sizeof now);
    cr_lua->settings++;
  }
  lua_settop(L, top);
  return cr_lua->settings;
}

static bool has_libraries(lua_State *L) {
  bool has = lua_getfield(L, LUA_REGISTRYINDEX, LIBRARIES) == LUA_TTABLE && lua_rawlen(L, -1) > 0;
  lua_pop(L, 1);
  return has;
}

/* Has the pool workers here that are other processes?  What surrounds main's process surrounds
** its threads, and on other machines it means nothing. */
static bool is_surrounded(const cr_pool *p) { return p->kind == CR_PROCESS && p->far == 0; }

/* To look at the folder is a call of the system, as long as a submit. */
uint64_t cr_settings_now(lua_State *L, const cr_pool *p, bool folder) {
  uint64_t settings = settings_now(L);
  if (!is_surrounded(p)) return settings;
  if (around_moved(folder && has_libraries(L), cr_lua->around)) cr_lua->moves++;
  return settings + cr_lua->moves;
}

/* The future and what is in it are owned by the stack until the pool has them. */
void cr_settings_send(lua_State *L, cr_pool *p) {
  int top = lua_gettop(L);
  cr_value v;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  settings_push_all(L, is_surrounded(p) ? CR_PROCESS : CR_THREAD);
  cr_code *code = cr_code_push(L, top + 1, "function");
  cr_encode_call(L, top + 2, 1, "setting", &v);
  cr_value *arguments = cr_value_box(L, &v);
  cr_future *f = cr_future_new();
  if (!f) cr_fail(L, ENOMEM);
  cr_hold *hold = cr_object_born(f);
  cr_object_share(&code->object, &f->code);
  cr_value_adopt(&f->arguments, arguments);
  arguments->kind = CR_V_NONE;
  cr_pool_put_settings(p, hold);
}

/* Arguments: the future. */
static int take(lua_State *L) {
  cr_future *f = lua_touserdata(L, 1);
  settings_take(L, cr_at(cr_code, &f->code), &f->arguments, false);
  return 0;
}

/* What is wrong with a setting is told when it is used. */
void follow_pool(lua_State *L, cr_future *settings) {
  lua_pushcfunction(L, take);
  lua_pushlightuserdata(L, settings);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
}
