/* SPDX-License-Identifier: MIT */
/*
** tracelib: module "conrun.trace": what a program itself says in its timeline.
**
** Where nothing is traced, each function checks its arguments and does nothing else; a
** span is then one value for all, which does nothing when it is closed.
*/
#include <string.h>

#include "lib/lib.h"

#define SPAN "conrun.span"

typedef struct span {
  uint64_t number; /* among those of its thread; 0: nothing is traced, or it is closed */
} span;

static _Thread_local uint64_t spans;

static void tell(cr_record r, const char *text, size_t length) {
  if (cr_trace_on()) cr_trace_text(r, text, length);
}

static int mark(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  tell((cr_record){.saw = CR_SAW_MARK}, text, n);
  return 0;
}

/* The value is made first: an error after the event would leave the span open. */
static int open_span(lua_State *L) {
  size_t n;
  const char *name = luaL_checklstring(L, 1, &n);
  if (!cr_trace_on()) {
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
  }
  span *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->number = 0;
  luaL_setmetatable(L, SPAN);
  s->number = ++spans;
  tell((cr_record){.saw = CR_SAW_OPEN, .number = s->number}, name, n);
  return 1;
}

static int close_span(lua_State *L) {
  span *s = luaL_checkudata(L, 1, SPAN);
  if (s->number) tell((cr_record){.saw = CR_SAW_CLOSE, .number = s->number}, NULL, 0);
  s->number = 0;
  return 0;
}

static int counter(lua_State *L) {
  size_t n;
  uint64_t bits;
  const char *name = luaL_checklstring(L, 1, &n);
  lua_Number value = luaL_checknumber(L, 2);
  memcpy(&bits, &value, sizeof bits);
  tell((cr_record){.saw = CR_SAW_COUNTER, .number = bits}, name, n);
  return 0;
}

static int span_text(lua_State *L) {
  const span *s = luaL_checkudata(L, 1, SPAN);
  lua_pushfstring(L, "span (%s)", s->number ? "open" : "closed");
  return 1;
}

static const luaL_Reg meta[] = {{"__close", close_span}, {"__tostring", span_text}, {NULL, NULL}};

int luaopen_conrun_trace(lua_State *L) {
  luaL_newmetatable(L, SPAN);
  luaL_setfuncs(L, meta, 0);
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushcfunction(L, mark);
  lua_setfield(L, -2, "mark");
  lua_pushcfunction(L, counter);
  lua_setfield(L, -2, "counter");
  span *none = lua_newuserdatauv(L, sizeof *none, 0);
  none->number = 0;
  luaL_setmetatable(L, SPAN);
  lua_pushcclosure(L, open_span, 1);
  lua_setfield(L, -2, "span");
  cr_answers_module(L, "conrun.trace");
  return 1;
}
