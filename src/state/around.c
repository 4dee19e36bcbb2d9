/* SPDX-License-Identifier: MIT */
/*
** around: working directory, locale and environment variables of a process, as its workers
** that are processes are to have them.  Threads have them anyhow.
**
** A pool that lives follows the strand that made it (follow.c): whenever it is given something
** to do, it is looked whether these are still what they were.
**
** The zygote's children begin with the directory and the environment that it was born with,
** and with the locale "C", as every program does.
*/
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/inside.h"

static bool note_folder(lua_State *L) {
  char path[PATH_MAX];
  if (!getcwd(path, sizeof path)) return false; /* it has been removed, and has no name */
  lua_pushstring(L, path);
  lua_setfield(L, -2, "folder");
  return true;
}

static bool note_environment(lua_State *L) {
  lua_newtable(L);
  for (lua_Integer i = 0; environ && environ[i]; i++) {
    lua_pushstring(L, environ[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "environment");
  return true;
}

static bool note_locale(lua_State *L, bool always) {
  const char *locale = setlocale(LC_ALL, NULL);
  if (!locale || (!always && strcmp(locale, "C") == 0)) return false;
  lua_pushstring(L, locale);
  lua_setfield(L, -2, "locale");
  return true;
}

bool around_note(lua_State *L) {
  const cr_around born = cr_worker_root()->around, now = cr_around_now();
  bool changed = note_locale(L, false);
  if (born.environment == 0) return changed; /* the zygote is still to come */
  if (now.device != born.device || now.folder != born.folder) changed |= note_folder(L);
  if (now.environment != born.environment) changed |= note_environment(L);
  return changed;
}

void around_note_all(lua_State *L) {
  note_folder(L);
  note_environment(L);
  note_locale(L, true);
}

/* The folder costs a call of the system, and nothing but a C library changes it; the variables
** are told apart by where they are, since who sets one puts it at a new place. */
bool around_moved(bool folder, uint64_t seen[CR_AROUND]) {
  uint64_t now[CR_AROUND] = {0, seen[1], seen[2]};
  struct stat st;
  for (char **e = environ; e && *e; e++) now[0] = (now[0] ^ (uintptr_t)*e) * 0x100000001b3u;
  if (folder && stat(".", &st) == 0) {
    now[1] = st.st_dev;
    now[2] = st.st_ino;
  }
  if (memcmp(now, seen, sizeof now) == 0) return false;
  memcpy(seen, now, sizeof now);
  return true;
}

static void take_variable(lua_State *L, const char *text) {
  const char *value = strchr(text, '=');
  if (!value) return;
  lua_pushlstring(L, text, (size_t)(value - text));
  setenv(lua_tostring(L, -1), value + 1, 1);
  lua_pop(L, 1);
}

static void take_environment(lua_State *L) {
  if (lua_getfield(L, -1, "environment") == LUA_TTABLE) {
    clearenv();
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
      take_variable(L, lua_tostring(L, -1));
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* What cannot be had here stays as it is: the folder may be for others by now. */
void around_take(lua_State *L) {
  if (lua_getfield(L, -1, "folder") == LUA_TSTRING && chdir(lua_tostring(L, -1)) != 0) {}
  lua_pop(L, 1);
  if (lua_getfield(L, -1, "locale") == LUA_TSTRING) setlocale(LC_ALL, lua_tostring(L, -1));
  lua_pop(L, 1);
  take_environment(L);
}
