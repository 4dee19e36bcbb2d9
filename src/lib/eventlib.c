/* SPDX-License-Identifier: MIT */
/*
** eventlib: module "conrun.event".
*/
#include "lib/lib.h"

static cr_event *check(lua_State *L) { return cr_handle_check(L, 1, CR_EVENT); }

static int event_new(lua_State *L) {
  cr_called(L, event_new);
  cr_check_most(L, 0);
  cr_handle *h = cr_handle_new(L, CR_EVENT);
  cr_event *made;
  cr_make(L, made, cr_event_new());
  cr_handle_fill(L, h, made);
  return 1;
}

static int m_set(lua_State *L) {
  cr_event_set(check(L));
  return 0;
}

static int m_clear(lua_State *L) {
  cr_event_clear(check(L));
  return 0;
}

static int m_is_set(lua_State *L) {
  cr_event *e = check(L);
  cr_due(L);
  lua_pushboolean(L, cr_event_is_set(e));
  return 1;
}

static int m_wait(lua_State *L) {
  cr_event *e = check(L);
  cr_time deadline = cr_check_timeout(L, 2);
  int r = cr_event_is_set(e) ? 0 : ETIMEDOUT;
  if (r && deadline != 0) {
    cr_here(L);
    while ((r = cr_event_wait(e, deadline)) == EINTR) cr_look_up(L);
  }
  cr_due(L);
  if (r) return cr_outcome(L, false, r);
  lua_pushboolean(L, true);
  return 1;
}

static int m_tostring(lua_State *L) {
  cr_event *e = check(L);
  cr_handle_text(L, &e->object, cr_event_is_set(e) ? "set" : "clear");
  return 1;
}

static const luaL_Reg functions[] = {{"new", event_new}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"set", m_set}, {"clear", m_clear}, {"is_set", m_is_set}, {"wait", m_wait}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__tostring", m_tostring}, {NULL, NULL}};

int luaopen_conrun_event(lua_State *L) {
  luaL_newlib(L, functions);
  cr_lib_type(L, CR_EVENT, methods, meta);
  cr_answers_module(L, "conrun.event");
  return 1;
}
