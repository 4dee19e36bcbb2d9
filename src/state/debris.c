/* SPDX-License-Identifier: MIT */
/*
** debris: what a task has changed in its worker and must not reach the next one.
**
** The handler of conrun.on_error and the locale are as the task found them when it is
** over.  What was there before is noted at the first change, so a task that changes nothing
** costs nothing.  What an initializer changes is for all tasks.  (A debug hook is looked
** at by task.c; globals, modules and their settings are the program's own.)
*/
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "state/inside.h"

#define BEFORE "conrun.on_error.before" /* registry: the handler before the first change */

static _Thread_local struct {
  bool handler, locale;
  char before[512]; /* the locale */
} changed;

void debris_handler(lua_State *L) {
  if (changed.handler) return;
  lua_getfield(L, LUA_REGISTRYINDEX, ON_ERROR);
  lua_setfield(L, LUA_REGISTRYINDEX, BEFORE);
  changed.handler = true;
}

void cr_debris_locale(void) {
  const char *now = changed.locale ? NULL : setlocale(LC_ALL, NULL);
  if (!now || strlen(now) >= sizeof changed.before) return;
  snprintf(changed.before, sizeof changed.before, "%s", now);
  changed.locale = true;
}

static int restore_handler(lua_State *L) {
  cr_lua->settings++;
  lua_getfield(L, LUA_REGISTRYINDEX, BEFORE);
  lua_setfield(L, LUA_REGISTRYINDEX, ON_ERROR);
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, BEFORE);
  return 0;
}

void debris_end(lua_State *L, bool restore) {
  bool handler = changed.handler && restore, locale = changed.locale && restore;
  changed.handler = changed.locale = false;
  if (locale) setlocale(LC_ALL, changed.before);
  if (!handler || !lua_checkstack(L, 4)) return;
  lua_pushcfunction(L, restore_handler);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
}
