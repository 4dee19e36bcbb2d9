/* SPDX-License-Identifier: MIT */
/*
** callback: what on_done has set, run by the strand that set it.
**
** A strand keeps its callbacks in its registry, in two places:
**
**   waiting   future -> list of functions: the future is not final yet.  The future's
**             holding says that there are some (cr_hold.aux), so that whoever looks for
**             deadlocks knows that the strand will be helped (worker/stuck.c)
**   due       a line of futures and their lists, in the order in which the futures became
**             final
**
** Whoever settles a future posts CR_CALLBACKS to the strand, which moves the final ones
** to the line and runs them the next time that it waits in conrun, asks a future, queue
** or worker anything, or ends.  One callback runs after the other: what a callback asks
** lets no other one run in the middle of it.  But if a callback has to wait, the others do
** run, for it may wait for what they bring; so the notice is posted again while any are
** left.  Nothing leaves the line before its turn, and nothing `waiting` before it is in
** the line: an error, be it for want of memory, loses none.
**
** The order.  A pass through the waiting ones takes time, and futures become final
** meanwhile.  Those that did after the pass began are left to the next one; otherwise a
** pass could find the later of two and miss the earlier.
**
** A strand that ends waits for its callbacks on tasks of pools, which become final by
** themselves.  Nobody may ever settle a bare future, so it does not wait for those.
*/
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state/inside.h"

typedef struct callbacks {
  lua_Integer first, last; /* of the line: in its table, a future and its list in turn */
  int running;             /* callbacks, one within the wait of the other */
} callbacks;

enum { /* user values */
  WAITING = 1,
  DUE
};

static const char key; /* its address is that of the callbacks in the registry */

/* False: there are none, and nothing is pushed.  [-0, +(0|1), -] */
static bool push_callbacks(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TUSERDATA) return true;
  lua_pop(L, 1);
  return false;
}

/* [-0, +1, m] */
static void make_callbacks(lua_State *L) {
  if (push_callbacks(L)) return;
  callbacks *c = lua_newuserdatauv(L, sizeof *c, 2);
  *c = (callbacks){1, 0, 0};
  for (int i = WAITING; i <= DUE; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, i);
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}

static cr_handle *handle_at(lua_State *L, int index) { return lua_touserdata(L, index); }
static cr_future *future_at(lua_State *L, int index) {
  return (cr_future *)handle_at(L, index)->object;
}

/* ------------------------------------------------------------------------- setting */

/* Appends the function at 2 to the list of the future at 1. */
static void append(lua_State *L) {
  make_callbacks(L);
  lua_getiuservalue(L, -1, WAITING);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

void cr_callback_add(lua_State *L) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  append(L);
  lua_settop(L, top);
  atomic_store(&handle_at(L, 1)->hold->aux, 1);
  if (cr_future_call_back(future_at(L, 1)) != 0) cr_callbacks_run(L);
}

/* ------------------------------------------------------------------------ the order */

typedef struct place {
  cr_time at;     /* when the future became final */
  lua_Integer in; /* its place in the line */
} place;

static int compare(const void *a, const void *b) {
  const place *p = a, *q = b;
  return p->at != q->at ? (p->at > q->at) - (p->at < q->at) : (p->in > q->in) - (p->in < q->in);
}

static void copy_pair(lua_State *L, int from, lua_Integer i, int to, lua_Integer k) {
  for (int more = 0; more < 2; more++) {
    lua_rawgeti(L, from, i + more);
    lua_rawseti(L, to, k + more);
  }
}

/* Brings what is in the line at `first` and after it into the order of becoming final. */
static void put_in_order(lua_State *L, int due, lua_Integer first, lua_Integer last) {
  int n = (int)(last - first + 1) / 2, top = lua_gettop(L);
  if (n < 2) return;
  place *p = lua_newuserdatauv(L, (size_t)n * sizeof *p, 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, due, first + 2 * i);
    p[i] = (place){atomic_load(&future_at(L, -1)->final_at), first + 2 * i};
    lua_pop(L, 1);
  }
  qsort(p, (size_t)n, sizeof *p, compare);
  lua_createtable(L, 2 * n, 0);
  for (int i = 0; i < n; i++) copy_pair(L, due, p[i].in, top + 2, 2 * i + 1);
  for (int i = 0; i < n; i++) copy_pair(L, top + 2, 2 * i + 1, due, first + 2 * i);
  lua_settop(L, top);
}

/* The future and list on top go to the end of the line. */
static void put_in_line(lua_State *L, callbacks *c, int waiting, int due) {
  lua_pushvalue(L, -2);
  lua_rawseti(L, due, c->last + 1);
  lua_pushvalue(L, -1);
  lua_rawseti(L, due, c->last + 2);
  c->last += 2;
  atomic_store(&handle_at(L, -2)->hold->aux, 0);
  lua_pushvalue(L, -2);
  lua_pushnil(L);
  lua_rawset(L, waiting);
}

/* True: there are some that became final since this began. */
static bool line_up(lua_State *L, callbacks *c, int waiting, int due) {
  cr_time now = cr_clock();
  lua_Integer first = c->last + 1;
  bool more = false;
  for (lua_pushnil(L); lua_next(L, waiting); lua_pop(L, 1)) {
    cr_future *f = future_at(L, -2);
    bool final = cr_future_done(f), later = final && atomic_load(&f->final_at) > now;
    if (final && !later) put_in_line(L, c, waiting, due);
    more |= later;
  }
  put_in_order(L, due, first, c->last);
  return more;
}

/* ------------------------------------------------------------------------- running */

/* Error value at 1. */
static int complain(lua_State *L) {
  cr_text(L, 1);
  const char *message = lua_tostring(L, -1);
  const char *text = lua_pushfstring(L, "conrun: error in a callback of on_done: %s\n", message);
  cr_lua_lent.complain(L, text, lua_rawlen(L, -1));
  return 0;
}

/* A callback's own error cannot go to anybody's caller: it is told on stderr.  But what
** was to stop the strand has not stopped it by ending a callback, so it is posted again:
** the end does that by itself. */
static void call_back(lua_State *L) {
  uint32_t before = cr_runs.interruptions;
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  bool interrupted = cr_runs.interruptions != before;
  if (interrupted || cr_is_end(L, -1)) {
    lua_pop(L, 1);
    if (interrupted) cr_interrupt_again();
    return;
  }
  lua_pushcfunction(L, complain);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* Pushes the first of the line, which leaves it.  [-0, +2, -] */
static void push_first(lua_State *L, callbacks *c, int due) {
  for (int i = 0; i < 2; i++) {
    lua_rawgeti(L, due, c->first);
    lua_pushnil(L);
    lua_rawseti(L, due, c->first++);
  }
  if (c->first > c->last) {
    c->first = 1;
    c->last = 0;
  } else {
    atomic_fetch_or(&cr_me->notices, CR_CALLBACKS);
  }
}

static _Thread_local uint64_t ran; /* how many futures had their callbacks run */

static void run_first(lua_State *L, callbacks *c, int due) {
  int top = lua_gettop(L);
  ran++;
  c->running++;
  push_first(L, c, due);
  for (lua_Integer k = 1; lua_rawgeti(L, top + 2, k) != LUA_TNIL; k++) {
    lua_pushvalue(L, top + 1);
    call_back(L);
  }
  c->running--;
  lua_settop(L, top);
}

static int run(lua_State *L) {
  enum {
    ALL = 1
  };
  callbacks *c = lua_touserdata(L, ALL);
  lua_getiuservalue(L, ALL, WAITING);
  lua_getiuservalue(L, ALL, DUE);
  luaL_checkstack(L, 16, NULL);
  for (bool more = true; more;) {
    more = line_up(L, c, ALL + 1, ALL + 2);
    while (c->first <= c->last) {
      run_first(L, c, ALL + 2);
      if (cr_notices() & CR_INTERRUPT) return 0; /* the others' notice is posted */
    }
  }
  return 0;
}

/* Callbacks that could not be run for want of memory; the next wait tries again. */
static _Thread_local bool put_off;

static void run_protected(lua_State *L, void *unused) {
  (void)unused;
  push_callbacks(L);
  lua_pushcfunction(L, run);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return; /* what one within it has put off, stays so */
  put_off = true;
  lua_pop(L, 1);
}

void cr_callbacks_run(lua_State *L) {
  cr_notice_take(CR_CALLBACKS);
  put_off = !lua_checkstack(L, 4);
  if (put_off || !push_callbacks(L)) return;
  lua_pop(L, 1);
  atomic_store(&cr_me->swept, 0);
  if (!cr_deep(L, run_protected, NULL)) put_off = true;
}

/* What the caller has just taken is still on its way to where it belongs. */
static void run_and_keep_shelter(lua_State *L) {
  int shelter = cr_runs.shelter;
  cr_callbacks_run(L);
  cr_runs.shelter = shelter;
}

void cr_callbacks_due(lua_State *L) {
  if (!lua_checkstack(L, 1)) return;
  if (!push_callbacks(L)) {
    cr_notice_take(CR_CALLBACKS);
    return;
  }
  const callbacks *c = lua_touserdata(L, -1);
  bool alone = c->running == 0;
  lua_pop(L, 1);
  if (alone) run_and_keep_shelter(L);
}

void callbacks_remember(void) {
  if (put_off) atomic_fetch_or(&cr_me->notices, CR_CALLBACKS);
}

/* -------------------------------------------------------------------------- the end */

static bool is_task(const cr_future *f) { return atomic_load(&((cr_future *)f)->pool) != 0; }

/* Does one wait for a task of a pool? */
static bool any_task(lua_State *L) {
  int top = lua_gettop(L);
  bool any = false;
  if (!push_callbacks(L)) return false;
  lua_getiuservalue(L, -1, WAITING);
  for (lua_pushnil(L); !any && lua_next(L, top + 2); lua_pop(L, 1)) any = is_task(future_at(L, -2));
  lua_settop(L, top);
  return any;
}

static bool line_is_empty(lua_State *L) {
  if (!push_callbacks(L)) return true;
  const callbacks *c = lua_touserdata(L, -1);
  bool empty = c->first > c->last;
  lua_pop(L, 1);
  return empty;
}

/* Runs all that are due, whatever interrupts some of them: true if something did. */
static bool run_all(lua_State *L) {
  bool interrupted = false;
  for (cr_callbacks_run(L); !line_is_empty(L) && !put_off; cr_callbacks_run(L))
    interrupted |= cr_notice_take(CR_INTERRUPT);
  return interrupted;
}

void cr_callbacks_last(lua_State *L) {
  uint32_t before = cr_notices();
  if (!lua_checkstack(L, 8)) return;
  cr_post(cr_me, CR_END);
  run_all(L);
  if (!(before & CR_END)) cr_notice_take(CR_END);
}

uint64_t cr_callbacks_ran(void) { return ran; }

#define AGAIN INT64_C(10000000) /* ns between two tries to run what there was no memory for */
#define TRIES 10                /* of them: what the strand keeps may never leave room */

static void give_up(void) {
  static const char line[] = "conrun: callbacks have not run: not enough memory\n";
  cr_bars_pass();
  (void)!write(STDERR_FILENO, line, sizeof line - 1);
}

/* The bell is read before the futures are looked at.  It does not ring again for those that
** were put off. */
uint32_t cr_callbacks_finish(lua_State *L) {
  uint32_t notices = 0;
  int tries = 0;
  if (!lua_checkstack(L, 8)) return 0;
  for (;;) {
    uint32_t seen = cr_bell();
    if (run_all(L)) notices |= CR_INTERRUPT;
    if (notices || (!put_off && !any_task(L))) return notices;
    tries = put_off ? tries + 1 : 0;
    if (tries > TRIES) {
      give_up();
      return notices;
    }
    if (put_off) cr_collect(L);
    cr_wait_begin(CR_ON_CALLBACKS, NULL, NULL);
    int r = cr_bell_wait(seen, put_off ? cr_clock() + AGAIN : CR_FOREVER);
    cr_wait_end(true);
    if (r == EINTR) notices |= cr_heed(L);
  }
}

/* ------------------------------------------------------------------------- helping */

cr_future *cr_callbacks_find(lua_State *L, bool (*which)(cr_future *f)) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 6, NULL);
  if (!push_callbacks(L)) return NULL;
  lua_getiuservalue(L, -1, WAITING);
  for (lua_pushnil(L); lua_next(L, top + 2); lua_pop(L, 1)) {
    if (!which(future_at(L, -2))) continue;
    lua_pop(L, 1);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return future_at(L, -1);
  }
  lua_settop(L, top);
  return NULL;
}
