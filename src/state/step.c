/* SPDX-License-Identifier: MIT */
/*
** step: what a strand is about to do, in words, for the log of a controlled run.
**
** A point is passed inside of a binding: the running function is the method, and the
** first function of the program below it is where it was called.  Content is told in
** short, and by nothing that could run code of the program.
*/
#include <stdio.h>
#include <string.h>

#include "state/inside.h"

/* A metamethod's name comes without the underscores. */
static void put_operation(lua_State *L, const char *type, cr_step *step) {
  lua_Debug ar = {.namewhat = ""};
  const char *name = "?";
  if (lua_getstack(L, 0, &ar) && lua_getinfo(L, "n", &ar) && ar.name) name = ar.name;
  if (strcmp(ar.namewhat, "metamethod") == 0 && strncmp(name, "__", 2) == 0) name += 2;
  snprintf(step->operation, sizeof step->operation, "%.11s:%.11s", type, name);
  for (char *at = step->operation; *at; at++)
    if (*at == ',' || *at == ' ' || *at == '\t') *at = '_'; /* marks of a schedule's word */
}

static void put_where(lua_State *L, cr_step *step) {
  lua_Debug ar;
  if (!cr_users_line(L, &ar)) return;
  size_t n = strlen(ar.short_src), most = sizeof step->where - 12;
  snprintf(step->where, sizeof step->where, "%.*s:%d", (int)most,
           n > most ? ar.short_src + n - most : ar.short_src, ar.currentline);
}

static void put_value(lua_State *L, int index, cr_step *step) {
  switch (lua_type(L, index)) {
  case LUA_TBOOLEAN:
    snprintf(step->with, sizeof step->with, "%s", lua_toboolean(L, index) ? "true" : "false");
    break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, index))
      snprintf(step->with, sizeof step->with, LUA_INTEGER_FMT, lua_tointeger(L, index));
    else
      snprintf(step->with, sizeof step->with, "%.14g", lua_tonumber(L, index));
    break;
  case LUA_TSTRING:
    snprintf(step->with, sizeof step->with, "'%.18s'", lua_tostring(L, index));
    break;
  case LUA_TNIL:
  case LUA_TNONE: break;
  default: snprintf(step->with, sizeof step->with, "a %s", luaL_typename(L, index));
  }
  for (char *at = step->with; *at; at++)
    if ((unsigned char)*at < ' ' || *at == 127) *at = '?';
}

static void describe(const void *object, cr_step *step) {
  const cr_object *o = object;
  lua_State *L = cr_runs.L;
  const char *type = "?";
  if (o && o->type < CR_TYPES) {
    type = cr_type_name((enum cr_type_id)o->type);
    step->type = (uint8_t)o->type;
    step->serial = (uint32_t)o->serial;
  }
  if (!L) return;
  put_operation(L, type, step);
  put_where(L, step);
  put_value(L, 2, step);
}

void cr_step_register(void) { cr_lent.describe = describe; }
