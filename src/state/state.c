/* SPDX-License-Identifier: MIT */
/*
** state: how a Lua state of conrun comes to be.
**
** Every strand has a Lua state of its own, made here: the standard libraries,
** what codec/ keeps for a state, and conrun's modules.  The modules cost a
** state nothing until they are required: one searcher, put in front of those
** that look at the file system, knows them all, C modules and the Lua modules
** that are compiled into the binary.
**
** Main's state, and the one that the zygote's children inherit, are built; the
** states of threads are copies of one that was built beforehand (image.c).
**
** Where its memory comes from, and how it is limited, is said in heap.c.
**
** What this file refuses: to look for conrun's modules in files.  The program
** is one binary and must behave the same wherever it is copied.
*/
#include <lualib.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "state/inside.h"

#define FIRST_OBJECT "conrun.first" /* registry: the object that is finalized last */

/* A nudge can come at any instruction from here on; the signal handler must find
** no state that is being freed. */
void cr_state_hide(void) {
  if (cr_lua) cr_lua->ending = true;
  if (cr_lua) cr_lua->L = NULL;
  cr_runs.L = NULL;
  atomic_signal_fence(memory_order_seq_cst);
}

void cr_lib_close_state(lua_State *L) {
  struct heap *h = cr_heap_of(L);
  cr_state_hide();
  lua_close(L);
  cr_state_close();
  cr_heap_free(h);
}

/* Finalizers run in the order opposite to that in which their objects got them, so the
** one of the very first object runs when all others are done.  What lua_close does
** after that is to free each object of the state; where the process ends, the kernel
** does it faster, and pages that were not written since the fork are not copied first
** for being freed.  The state is not touched after the jump. */
static jmp_buf *leaving; /* set while a process leaves its state, which has one thread then */

static int finalize_last(lua_State *L) {
  (void)L;
  if (leaving) longjmp(*leaving, 1);
  return 0;
}

static int mark_first(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, finalize_last);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, FIRST_OBJECT);
  return 0;
}

void cr_lib_leave_state(lua_State *L) {
  jmp_buf end;
  cr_state_hide();
  leaving = &end;
  if (setjmp(end) == 0) lua_close(L); /* returns if the state has no first object */
  leaving = NULL;
  cr_state_close();
}

/* ----------------------------------------------------------------- modules */

static bool push_c(lua_State *L, const char *name) {
  lua_CFunction open = cr_c_module(name);
  if (open) lua_pushcfunction(L, open);
  return open != NULL;
}

/* The chunk name makes tracebacks say [conrun.pool]:12, which no file can have. */
static bool push_lua(lua_State *L, const char *name) {
  for (const cr_embedded *m = cr_embedded_modules; m->name; m++) {
    if (strcmp(m->name, name) != 0) continue;
    const char *chunk = lua_pushfstring(L, "=[%s]", name);
    if (luaL_loadbufferx(L, m->source, m->size, chunk, NULL) != LUA_OK) lua_error(L);
    if (lua_getfield(L, LUA_REGISTRYINDEX, CR_ENVIRONMENT) == LUA_TNIL || !lua_setupvalue(L, -2, 1))
      lua_pop(L, 1);
    lua_remove(L, -2);
    return true;
  }
  return false;
}

/* As `require` would leave it, but for the second value that it returns. */
bool cr_module(lua_State *L, const char *name) {
  if (strncmp(name, "conrun", 6) != 0) return false;
  luaL_checkstack(L, 6, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushstring(L, name);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 1);
    if (!push_c(L, name) && !push_lua(L, name)) {
      lua_pop(L, 1);
      return false;
    }
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
    lua_pushstring(L, name);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
  return true;
}

static int search(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (strncmp(name, "conrun", 6) != 0) return cr_script_search(L, name);
  if (!push_c(L, name) && !push_lua(L, name)) {
    if (name[6] != '.') return 0;
    lua_pushfstring(L, "no module '%s' in this conrun", name);
    return 1;
  }
  lua_pushliteral(L, ":conrun:");
  return 2;
}

/* A copy of the list on top, by which it is seen later whether the program has changed it. */
static void keep_list(lua_State *L) {
  lua_newtable(L);
  for (lua_Integer i = luaL_len(L, -2); i >= 1; i--) {
    lua_geti(L, -2, i);
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, SEARCHERS);
}

/* Behind package.preload, which belongs to the user, and before the files. */
static void add_searcher(lua_State *L) {
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
    lua_geti(L, -1, i);
    lua_seti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search);
  lua_seti(L, -2, 2);
  keep_list(L);
  lua_pop(L, 2);
}

void cr_lib_open(lua_State *L) {
  add_searcher(L);
  cr_lua_lent.open(L);
}

/* Lua unloads the C libraries that a state has loaded when it closes the state, unless
** another has them too.  But a library may have left something behind that points into it:
** a signal handler, a thread, a destructor.  So none is unloaded while the process lives:
** the table by which Lua does that loses its finalizer. */
static void keep_libraries(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, "_CLIBS") == LUA_TTABLE && lua_getmetatable(L, -1)) {
    lua_pushnil(L);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* -------------------------------------------------------------------- birth */

/* Nothing made so far is garbage, so the collector rests meanwhile; afterwards
** it is the generational one, as in the stand-alone lua. */
static int prepare(lua_State *L) {
  lua_gc(L, LUA_GCSTOP);
  luaL_openlibs(L);
  keep_libraries(L);
  cr_state_prepare(L);
  cr_lib_open(L);
  lua_gc(L, LUA_GCRESTART);
  lua_gc(L, LUA_GCGEN, 0, 0);
  return 0;
}

static int join_strand(lua_State *L) {
  cr_state_open(L);
  nudge_state(cr_lua->L);
  return 0;
}

/* One step of a birth; a state that cannot be finished is closed.  [-0, +0, -] */
static bool step(lua_State *L, lua_CFunction f) {
  lua_pushcfunction(L, f);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) return true;
  cr_lib_close_state(L);
  return false;
}

lua_State *cr_lib_new_state(void) {
  lua_State *L = cr_heap_state();
  return L && step(L, mark_first) && step(L, prepare) && step(L, join_strand) ? L : NULL;
}

lua_State *cr_lib_copy_state(void) {
  if (!cr_has(CR_IMAGE)) return cr_lib_new_state();
  lua_State *L = cr_image_copy(prepare);
  return L && step(L, join_strand) ? L : NULL;
}
