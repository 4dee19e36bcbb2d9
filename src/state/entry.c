/* SPDX-License-Identifier: MIT */
/*
** entry: what a worker does with itself, from its first Lua state to its exit
** code.  worker/ calls the hooks set here; it knows nothing of Lua states.
**
**   1 state      a new one, or in a process the one that the zygote prepared
**   2 seed       random numbers of its own: two workers never draw the same
**   3 settings   package.path, package.cpath and on_error as its starter has them
**                (settings.c); around a sandbox walls are raised
**   4 work       its call (cr_task_run), or its pool's tasks (cr_pool_serve)
**   5 report     an error that nobody caught is told (report.c)
**   6 threads    a process waits for the threads it started, but for daemons
**   7 close      to-be-closed values and finalizers run; handles are dropped
**
** If the process dies in any step, burial fails the call or task it was in, so
** nothing here has to be undone.
**
** For the same reason a thread can leave by os.exit from the middle of any step and go on
** with step 7: the C frames in between are given up as an error gives them up, and what
** the strand had and owed is in its record, where its burial finds it.  Lua can close a
** state in the middle of a call; that is what its own os.exit does.
*/
#include <lualib.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "state/inside.h"

/* The state that the zygote prepared; used up by the first worker of a forked
** process, which is alone in its process then.  NULL in all others. */
static lua_State *warm_state;

static void seed_with(lua_State *L, const lua_Integer numbers[2]) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_MATHLIBNAME);
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, numbers[0]);
  lua_pushinteger(L, numbers[1]);
  lua_call(L, 2, 0);
}

/* Numbers of no other strand, or those that --seed asks for. */
static void draw(lua_Integer numbers[2]) {
  numbers[0] = (lua_Integer)cr_in_worker(cr_me)->seed;
  numbers[1] = 0;
  if (cr_worker_root()->seeded) return;
  if (getrandom(numbers, 2 * sizeof numbers[0], 0) == (ssize_t)(2 * sizeof numbers[0])) return;
  numbers[0] = cr_clock(); /* the system gives none */
  numbers[1] = (lua_Integer)cr_seed_derive((uint64_t)getpid(), cr_id_of(cr_me));
}

/* A prewarmed state would repeat its zygote's numbers. */
static int seed(lua_State *L) {
  lua_Integer numbers[2];
  draw(numbers);
  seed_with(L, numbers);
  return 0;
}

static int prepare(lua_State *L) {
  cr_worker *w = lua_touserdata(L, 1);
  cr_pool *p = cr_at(cr_pool, &w->pool);
  cr_future *call = cr_at(cr_future, &w->call);
  bool walls = cr_rights_walls(w->rights);
  if (p)
    settings_take(L, cr_at(cr_code, &p->initializer), &p->initargs, walls);
  else if (call)
    settings_take(L, cr_at(cr_code, &call->code), &call->arguments, walls);
  return 0;
}

/* Calls one of this file's steps; its error is of no use to anybody. */
static void protect(lua_State *L, lua_CFunction step, cr_worker *w) {
  lua_settop(L, 0);
  lua_pushcfunction(L, step);
  lua_pushlightuserdata(L, w);
  lua_pcall(L, 1, 0, 0);
  lua_settop(L, 0);
}

/* The modules of a warm state have kept the whole environment: a sandbox is made of
** a new one. */
static lua_State *take_state(cr_worker *w) {
  lua_State *L = w->kind == CR_PROCESS && w->rights == 0 ? warm_state : NULL;
  if (L)
    warm_state = NULL;
  else
    L = cr_lib_copy_state();
  if (L && w->memory_limit > 0) cr_lib_limit(L, w->memory_limit);
  return L;
}

/* It cannot begin: the call fails, so that nobody waits for it.  If this finds no memory,
** burial fails it. */
static int give_up(cr_worker *w, const char *why) {
  char text[256];
  cr_value v;
  cr_future *call = cr_at(cr_future, &w->call);
  cr_pool *p = cr_at(cr_pool, &w->pool);
  snprintf(text, sizeof text, "a worker could not begin: %s", why);
  if (p) cr_pool_give_up(p, text);
  if (call && cr_encode_error("task", why, w->name, &v) == 0 &&
      cr_future_settle(call, CR_FAILED, &v) != 0)
    cr_value_free(&v);
  return EXIT_FAILURE;
}

static int serve_or_call(lua_State *L, cr_worker *w) {
  cr_pool *p = cr_at(cr_pool, &w->pool);
  cr_future *call = cr_at(cr_future, &w->call);
  nudge_ready();
  if (p) return cr_pool_serve(L, p);
  if (!call) return EXIT_SUCCESS;
  cr_future_start(call, cr_me);
  cr_task_run(L, call);
  return cr_future_state(call) == CR_FAILED ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The threads of a process end before it does, as those of the program do. */
static void end_threads(lua_State *L) {
  int r = cr_roster_join(0);
  while (r == ETIMEDOUT || r == EINTR) {
    if (cr_heed(L) & (CR_END | CR_INTERRUPT)) break;
    r = cr_roster_join(CR_FOREVER);
  }
  cr_roster_end();
}

static int sandbox(lua_State *L) {
  const cr_worker *w = lua_touserdata(L, 1);
  cr_sandbox(L, w->rights);
  return 0;
}

/* A state that could not be made a sandbox must not run anything. */
static lua_State *make_state(cr_worker *w) {
  lua_State *L = take_state(w);
  if (!L || w->rights == 0) return L;
  lua_pushcfunction(L, sandbox);
  lua_pushlightuserdata(L, w);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return L;
  cr_lib_close_state(L);
  return NULL;
}

/* 3.  Walls stand before anything runs.  The modules that the worker's first function names
** are loaded before them, since no file can be opened behind them; but what comes from
** behind walls itself is not looked at before there are walls here, too.  NULL, or what is
** wrong. */
static const char *prepare_behind_walls(lua_State *L, cr_worker *w) {
  bool walls = w->kind == CR_PROCESS && cr_rights_walls(w->rights);
  bool first = walls && cr_rights_walls_first(w->rights);
  const char *wrong = first ? cr_walls_raise() : NULL;
  if (wrong) return wrong;
  protect(L, prepare, w);
  return walls && !first ? cr_walls_raise() : NULL;
}

/* 2 to 6. */
static int live(lua_State *L, cr_worker *w) {
  protect(L, seed, w);
  const char *wrong = prepare_behind_walls(L, w);
  int code = wrong ? give_up(w, wrong) : serve_or_call(L, w);
  bool told = cr_notices() & CR_END;
  nudge_end(L);
  protect(L, report_failure, w);
  if (told)
    cr_callbacks_last(L);
  else
    cr_callbacks_finish(L);
  return code;
}

/* Where os.exit in this thread goes on. */
static _Thread_local jmp_buf *way_out;

_Noreturn void cr_thread_leave(void) {
  cr_stacks_leave();
  longjmp(*way_out, 1);
}

/* 2 to 7.  A finalizer that calls os.exit is the last of its own, and the others still
** run. */
static int live_as_thread(lua_State *L, cr_worker *w) {
  jmp_buf out;
  volatile int code = EXIT_SUCCESS;
  way_out = &out;
  if (setjmp(out) == 0) code = live(L, w);
  nudge_end(L);
  cr_pool_left();
  deep_left();
  if (setjmp(out) == 0) {}
  cr_lib_close_state(L);
  return code;
}

static int live_as_process(lua_State *L, cr_worker *w) {
  int code = live(L, w);
  end_threads(L);
  cr_lib_leave_state(L);
  fflush(NULL);
  return code;
}

static int work(cr_worker *w) {
  nudge_begin();
  lua_State *L = make_state(w);
  if (!L) return give_up(w, "not enough memory"); /* there is not even a Lua state */
  int code = w->kind == CR_THREAD ? live_as_thread(L, w) : live_as_process(L, w);
  int leaving = atomic_load(&w->leaving);
  return leaving ? leaving - 1 : code;
}

/* The zygote's share of step 1, done once for all of its children. */
static int load_modules(lua_State *L) {
  static const char *const names[] = {"conrun.errors", "conrun.worker", "conrun.future",
                                      "conrun.pool"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (cr_module(L, names[i])) lua_pop(L, 1);
  }
  return 0;
}

static void warm(void) {
  warm_state = cr_lib_new_state();
  if (warm_state) protect(warm_state, load_modules, NULL);
}

/* Something that every worker does and that leaves no trace. */
static int exercise(lua_State *L) {
  seed_with(L, (lua_Integer[]){0, 0});
  return 0;
}

static void rehearse(void) {
  if (warm_state) protect(warm_state, exercise, NULL);
}

void cr_entry_register(void) {
  cr_lent.warm = warm;
  cr_lent.rehearse = rehearse;
  cr_lent.work = work;
  cr_lent.nudge = cr_nudge;
  cr_lua_lent.follow = follow_pool;
  cr_lua_lent.look_up_idle = idle_look_up;
  cr_lua_lent.tidy = idle_tidy;
  cr_lua_lent.untidy = idle_untidy;
  cr_lua_lent.task_over = debris_end;
  cr_lua_lent.deep = cr_deep;
  cr_lua_lent.module = cr_module;
}
