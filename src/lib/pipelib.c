/* SPDX-License-Identifier: MIT */
/*
** pipelib: module "conrun.pipe".
**
** new([{duplex=false}]) -> a, b.  Both ends send and receive, or, without
** duplex, a receives what b sends.
*/
#include "lib/lib.h"

static cr_pipe *check(lua_State *L) { return cr_handle_check(L, 1, CR_PIPE); }

static bool is_open(lua_State *L) {
  const cr_handle *h = cr_handle_test(L, 1, CR_PIPE);
  return h && h->object;
}

static bool read_duplex(lua_State *L) {
  static const char *const known[] = {"duplex", NULL};
  if (lua_isnoneornil(L, 1)) return true;
  cr_check_options(L, 1, known);
  return cr_option_boolean(L, 1, "duplex", true);
}

static int pipe_new(lua_State *L) {
  cr_called(L, pipe_new);
  cr_check_most(L, 1);
  cr_pipe *a, *b;
  bool duplex = read_duplex(L);
  cr_handle *first = cr_handle_new(L, CR_PIPE);
  cr_handle *second = cr_handle_new(L, CR_PIPE);
  int error;
  do error = cr_pipe_new(duplex, &a, &b);
  while (error && cr_make_room(L));
  if (error) return cr_fail(L, error);
  cr_hold *rest = cr_object_born(b); /* filling the first may raise */
  second->object = &b->object;
  second->hold = rest;
  lua_insert(L, -2);
  cr_handle_fill(L, first, a);
  lua_insert(L, -2);
  cr_handle_enter(L);
  return 2;
}

static cr_pipe *check_direction(lua_State *L, bool (*able)(const cr_pipe *), const char *verb) {
  cr_pipe *p = check(L);
  if (!able(p)) cr_raise(L, "this end of the pipe cannot %s", verb);
  return p;
}

/* A __transfer of the value may have closed the end, or a finalizer that made room. */
static int send(lua_State *L, cr_pipe *p, const cr_value *v) {
  return is_open(L) ? cr_pipe_send(p, v) : EBADF;
}

static int m_send(lua_State *L) {
  cr_pipe *p = check_direction(L, cr_pipe_writable, "send");
  cr_value v;
  luaL_checkany(L, 2);
  cr_encode(L, 2, 1, "value", &v);
  int r;
  cr_try(L, r, send(L, p, &v));
  if (r) cr_value_free(&v);
  if (r == EBADF) check(L);
  if (r) return cr_outcome(L, false, r);
  cr_due(L);
  lua_pushboolean(L, true);
  return 1;
}

/* A callback may have closed the end that waits. */
static cr_pipe *look_up(lua_State *L) {
  cr_look_up(L);
  return check(L);
}

static int m_recv(lua_State *L) {
  cr_pipe *p = check_direction(L, cr_pipe_readable, "receive");
  cr_time deadline = cr_check_timeout(L, 2);
  cr_value v;
  cr_may_take(L);
  int r = cr_pipe_recv(p, &v, 0);
  if (r == ETIMEDOUT && deadline != 0) {
    cr_here(L);
    while ((r = cr_pipe_recv(p, &v, deadline)) == EINTR) p = look_up(L);
  }
  int n = r ? cr_outcome(L, true, r) : cr_receive(L, &v);
  cr_due(L);
  return n;
}

/* for v in p do: an end is its own iterator, until the other one is closed; a nil that was
** sent cannot be told from the end. */
static int m_call(lua_State *L) {
  lua_settop(L, 1);
  int n = m_recv(L);
  if (!lua_isnil(L, -n)) return n;
  if (n == 2) return 0;
  return cr_raise(L, "a nil in the pipe: messages cannot go on, use recv");
}

/* True as well when the other end is closed: recv would not wait. */
static int m_poll(lua_State *L) {
  cr_pipe *p = check_direction(L, cr_pipe_readable, "receive");
  cr_time deadline = lua_isnoneornil(L, 2) ? 0 : cr_check_timeout(L, 2);
  int r = cr_pipe_poll(p, 0);
  if (r == ETIMEDOUT && deadline != 0) {
    cr_here(L);
    while ((r = cr_pipe_poll(p, deadline)) == EINTR) p = look_up(L);
  }
  if (r == ETIMEDOUT) cr_zygote_poll();
  cr_due(L);
  lua_pushboolean(L, r == 0 || r == ESHUTDOWN);
  return 1;
}

/* Lets go of this strand's handle: the end is closed when nobody holds it. */
static int m_close(lua_State *L) {
  cr_handle *h = cr_handle_test(L, 1, CR_PIPE);
  if (!h) return luaL_typeerror(L, 1, "pipe");
  cr_hold *hold = h->hold;
  if (hold) cr_point(CR_AT_USE, h->object);
  h->object = NULL;
  h->hold = NULL;
  if (hold && !cr_stray) cr_object_drop(hold);
  return 0;
}

static int text(lua_State *L) {
  if (is_open(L))
    cr_handle_text(L, (const cr_object *)check(L), "open");
  else
    lua_pushliteral(L, "pipe (closed)");
  return 1;
}

static const luaL_Reg functions[] = {{"new", pipe_new}, {NULL, NULL}};
static const luaL_Reg methods[] = {
    {"send", m_send}, {"recv", m_recv}, {"poll", m_poll}, {"close", m_close}, {NULL, NULL}};
static const luaL_Reg meta[] = {
    {"__tostring", text}, {"__call", m_call}, {"__close", m_close}, {NULL, NULL}};

int luaopen_conrun_pipe(lua_State *L) {
  luaL_newlib(L, functions);
  cr_lib_type(L, CR_PIPE, methods, meta);
  cr_answers_module(L, "conrun.pipe");
  return 1;
}
