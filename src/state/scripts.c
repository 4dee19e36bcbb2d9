/* SPDX-License-Identifier: MIT */
/*
** scripts: the example scripts within the binary, and the modules that they bring.
**
** A script that comes with conrun looks for its own modules beside itself: it puts the
** folder of arg[0] into package.path.  A script that is run from within the binary has
** the name ":conrun:/squares.lua" there, so its folder is ":conrun:/", and what
** package.path has behind such a template is looked for here and not in files.  Workers
** get package.path from who starts them, and with it this way to the modules.
*/
#include <lualib.h>
#include <string.h>

#include "state/state.h"

const cr_embedded *cr_script_embedded(const char *name) {
  size_t n = sizeof CR_SCRIPTS - 1;
  if (strncmp(name, CR_SCRIPTS, n) == 0) name += n;
  for (const cr_embedded *m = cr_embedded_scripts; m->name; m++)
    if (strcmp(m->name, name) == 0) return m;
  return NULL;
}

/* Pushes the path that a template makes of the module's name. */
static const char *push_path(lua_State *L, const char *template, size_t n, const char *module) {
  const char *file = luaL_gsub(L, module, ".", "/");
  lua_pushlstring(L, template, n);
  luaL_gsub(L, lua_tostring(L, -1), "?", file);
  lua_replace(L, -3);
  lua_pop(L, 1);
  return lua_tostring(L, -1);
}

static int push_loader(lua_State *L, const cr_embedded *m, const char *path) {
  const char *chunk = lua_pushfstring(L, "@%s", path);
  if (luaL_loadbufferx(L, m->source, m->size, chunk, "t") != LUA_OK) return lua_error(L);
  lua_pushstring(L, path);
  return 2;
}

int cr_script_search(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_LOADLIBNAME) != LUA_TTABLE) return 0;
  const char *at = lua_getfield(L, -1, "path") == LUA_TSTRING ? lua_tostring(L, -1) : "";
  while ((at = strstr(at, CR_SCRIPTS)) != NULL) {
    size_t n = strcspn(at, ";");
    const char *path = push_path(L, at, n, name);
    const cr_embedded *m = cr_script_embedded(path);
    if (m) return push_loader(L, m, path);
    lua_pop(L, 1);
    at += n;
  }
  return 0;
}
