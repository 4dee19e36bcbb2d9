/* SPDX-License-Identifier: MIT */
/*
** entry: what a worker does with itself, from its first Lua state to its exit
** code.  worker/ calls the hooks set here; it knows nothing of Lua states.
**
**   1 state      a new one, or in a process the one that the zygote prepared
**   2 seed       random numbers of its own: two workers never draw the same
**   3 settings   package.path, package.cpath and on_error as its starter has
**                them, before anything is decoded that may need a module
**   4 work       its call (cr_task_run), or its pool's tasks (cr_pool_serve)
**   5 report     an error that nobody caught goes to conrun.on_error, or stderr
**   6 threads    a process waits for the threads it started, but for daemons
**   7 close      to-be-closed values and finalizers run; handles are dropped
**
** Settings travel only when they differ from what a new state has: then the
** function of the call is `begin` of this file, whose first argument is the
** table of settings and whose second is the function proper.  Step 3 reads the
** table from the front of the encoded arguments; `begin` then calls the rest.
**
** If the process dies in any step, burial fails the call or task it was in, so
** nothing here has to be undone.
*/
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "state/state.h"

#define MODULE "conrun.core.begin"
#define ON_ERROR "conrun.on_error" /* registry: the handler of conrun.on_error */

/* The state that the zygote prepared; used up by the first worker of a forked
** process, which is alone in its process then.  NULL in all others. */
static lua_State *warm_state;

/* package.path and cpath of a state that nobody has touched; r/o after once. */
static pthread_once_t defaults_once = PTHREAD_ONCE_INIT;
static char *default_path, *default_cpath;

/* ----------------------------------------------------------------- settings */

static void find_defaults(void) {
  lua_State *L = luaL_newstate();
  if (!L) return;
  luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 0);
  lua_getfield(L, -1, "path");
  lua_getfield(L, -2, "cpath");
  default_path = strdup(lua_tostring(L, -2));
  default_cpath = strdup(lua_tostring(L, -1));
  lua_close(L);
}

/* Pushes the table `package`, wherever its global went.  [-0, +1, m] */
static void push_package(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_LOADLIBNAME);
  lua_remove(L, -2);
}

/* Copies package[name] into the settings on top, unless it is the default.
** Without memory for the defaults everything counts as changed. */
static bool note_path(lua_State *L, const char *name, const char *usual) {
  int settings = lua_gettop(L);
  push_package(L);
  bool changed = lua_istable(L, -1) && lua_getfield(L, -1, name) == LUA_TSTRING &&
                 (!usual || strcmp(lua_tostring(L, -1), usual) != 0);
  if (changed) lua_setfield(L, settings, name);
  lua_settop(L, settings);
  return changed;
}

static bool note_handler(lua_State *L) {
  bool set = lua_getfield(L, LUA_REGISTRYINDEX, ON_ERROR) != LUA_TNIL;
  lua_setfield(L, -2, "on_error");
  return set;
}

/* begin(settings [, fn, ...]): the settings were applied by step 3. */
static int begin(lua_State *L) {
  if (lua_gettop(L) < 2) return 0;
  lua_remove(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* A module for this one function, since each new worker opens it. */
int luaopen_conrun_core_begin(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, begin);
  lua_setfield(L, -2, "begin");
  return 1;
}

/* The codec sends `begin` by its name in package.loaded, which may have been
** emptied meanwhile, or never had it. */
static void make_findable(lua_State *L) {
  luaL_requiref(L, MODULE, luaopen_conrun_core_begin, 0);
  lua_pop(L, 1);
}

int cr_setup_push(lua_State *L) {
  pthread_once(&defaults_once, find_defaults);
  lua_pushcfunction(L, begin);
  lua_newtable(L);
  bool changed = note_path(L, "path", default_path);
  changed |= note_path(L, "cpath", default_cpath);
  changed |= note_handler(L);
  if (changed) {
    make_findable(L);
    return 2;
  }
  lua_pop(L, 2);
  return 0;
}

/* Applies the settings table on top of the stack. */
static void apply(lua_State *L) {
  static const char *const paths[] = {"path", "cpath"};
  int settings = lua_gettop(L);
  push_package(L);
  for (int i = 0; i < 2 && lua_istable(L, -1); i++) { /* a sandbox may be without it */
    if (lua_getfield(L, settings, paths[i]) == LUA_TSTRING)
      lua_setfield(L, -2, paths[i]);
    else
      lua_pop(L, 1);
  }
  lua_getfield(L, settings, "on_error");
  lua_setfield(L, LUA_REGISTRYINDEX, ON_ERROR);
  lua_settop(L, settings);
}

/* Step 3.  What cannot be decoded here fails again in step 4, where it is told
** to the caller; so errors are dropped by the caller of this. */
static void settle_in(lua_State *L, cr_code *code, const cr_value *arguments) {
  if (!code) return;
  cr_code_function(L, code);
  if (lua_tocfunction(L, -1) != begin) return;
  cr_reader *r = cr_reader_new(L, arguments);
  if (cr_reader_next(L, r) && lua_istable(L, -1)) apply(L);
}

static int prepare(lua_State *L) {
  cr_worker *w = lua_touserdata(L, 1);
  cr_pool *p = cr_owned(&w->pool);
  cr_future *call = cr_owned(&w->call);
  if (p)
    settle_in(L, cr_owned(&p->initializer), &p->initargs);
  else if (call)
    settle_in(L, cr_owned(&call->code), &call->arguments);
  return 0;
}

/* ------------------------------------------------------------------- nudged */

/* Once the end was asked for, or the time of the task is over, the hook comes back
** again and again, so that a pcall cannot catch it for good: first with room
** between, for <close> and __gc, and for code that still goes on after ENOUGH
** times, at each instruction. */
#define END_AGAIN 100000
#define ENOUGH 10

/* How often this strand's code was told to end. */
static _Thread_local int told;

static void look_up(lua_State *L, lua_Debug *event) {
  (void)event;
  uint32_t notices = cr_notices();
  bool late = cr_pool_late();
  if ((notices & CR_END) || late) {
    lua_sethook(L, look_up, LUA_MASKCOUNT, ++told < ENOUGH ? END_AGAIN : 1);
  } else {
    lua_sethook(L, NULL, 0, 0);
    told = 0;
  }
  if (notices & CR_DUMP) cr_dump_if_asked(L);
  if (notices & (CR_END | CR_INTERRUPT)) cr_look_up(L);
  if (late) luaL_error(L, "interrupted!");
}

/* The steps before the work keep their errors to themselves, so an interruption must
** not be raised in them: it would be taken and lost, and the work run on. */
static _Thread_local volatile sig_atomic_t preparing;

/* In a signal handler: makes running Lua code look up at its next instruction.
** lua_sethook is the one function of Lua that may be called here.  A running
** coroutine is another lua_State: it is stopped when it yields, ends or waits. */
static void nudge(void) {
  if (!preparing && cr_lua && cr_lua->L)
    lua_sethook(cr_lua->L, look_up, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static int run_callbacks(lua_State *L) {
  cr_lent_above.callbacks(L);
  return 0;
}

/* A pool's worker between two tasks: callbacks run, nothing raises. */
static void look_up_idle(lua_State *L) {
  uint32_t notices = cr_notices_take();
  if (notices & CR_DUMP) cr_dump(L);
  if (notices & CR_END) cr_post(cr_me, CR_END);
  if (!(notices & CR_CALLBACKS)) return;
  lua_pushcfunction(L, run_callbacks);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* ------------------------------------------------------------------- report */

/* conrun.on_error(handler | nil) -> the handler before. */
static int on_error(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) cr_check_callable(L, 1);
  lua_settop(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, ON_ERROR);
  lua_insert(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, ON_ERROR);
  return 1;
}

/* Writes the error on top of the stack in one piece, so that lines of two
** workers do not mix.  [-1, +0, m] */
static void write_report(lua_State *L, const char *what, const cr_worker *w) {
  const char *traceback = NULL, *words = luaL_tolstring(L, -1, NULL);
  if (lua_istable(L, -2) && lua_getfield(L, -2, "traceback") == LUA_TSTRING)
    traceback = lua_tostring(L, -1);
  lua_pushfstring(L, "conrun: %s in %s '%s': %s%s%s\n", what,
                  w->kind == CR_PROCESS ? "process" : "thread", w->name, words,
                  traceback ? "\n" : "", traceback ? traceback : "");
  cr_lent_above.complain(L, lua_tostring(L, -1), lua_rawlen(L, -1));
}

/* Pushes what the call of `w` failed with; false if it did not fail, or failed
** because somebody wanted it to end. */
static bool push_failure(lua_State *L, cr_worker *w) {
  cr_future *call = cr_owned(&w->call);
  if (!call || cr_future_state(call) != CR_FAILED || atomic_load(&w->leaving)) return false;
  if (cr_decode_borrowed(L, &call->result) < 1) return false;
  if (!lua_istable(L, -1)) return true;
  lua_getfield(L, -1, "kind");
  const char *kind = lua_tostring(L, -1);
  bool wanted = kind && strcmp(kind, "cancelled") == 0;
  lua_pop(L, 1);
  return !wanted;
}

static int report(lua_State *L) {
  cr_worker *w = lua_touserdata(L, 1);
  if (!push_failure(L, w)) return 0;
  if (lua_getfield(L, LUA_REGISTRYINDEX, ON_ERROR) != LUA_TNIL) {
    lua_pushvalue(L, -2);
    lua_pushstring(L, w->name);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK) return 0;
    write_report(L, "error in the on_error handler", w);
    lua_settop(L, 2);
  }
  lua_settop(L, 2);
  write_report(L, "uncaught error", w);
  return 0;
}

/* -------------------------------------------------------------- the worker */

static void seed_with(lua_State *L, const lua_Integer numbers[2]) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_MATHLIBNAME);
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, numbers[0]);
  lua_pushinteger(L, numbers[1]);
  lua_call(L, 2, 0);
}

/* Seeds from the system; a prewarmed state would repeat its zygote's numbers. */
static int seed(lua_State *L) {
  lua_Integer numbers[2] = {(lua_Integer)cr_me->seed, 0};
  if (cr_arena_root()->seeded || getrandom(numbers, sizeof numbers, 0) == (ssize_t)sizeof numbers)
    seed_with(L, numbers);
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
  lua_State *L = w->kind == CR_PROCESS && w->libs == 0 ? warm_state : NULL;
  if (L)
    warm_state = NULL;
  else
    L = cr_lib_copy_state();
  if (L && w->memory_limit > 0) cr_lib_limit(L, w->memory_limit);
  return L;
}

/* There is not even a Lua state: the call fails, so that nobody waits for it.
** If this too finds no memory, burial fails it. */
static int give_up(cr_worker *w) {
  cr_value v;
  cr_future *call = cr_owned(&w->call);
  cr_pool *p = cr_owned(&w->pool);
  if (p) cr_pool_give_up(p, "a worker could not begin: not enough memory");
  if (call && cr_encode_error("task", "not enough memory", w->name, &v) == 0 &&
      cr_future_settle(call, CR_FAILED, &v) != 0)
    cr_value_free(&v);
  return EXIT_FAILURE;
}

static int serve_or_call(lua_State *L, cr_worker *w) {
  cr_pool *p = cr_owned(&w->pool);
  cr_future *call = cr_owned(&w->call);
  preparing = false;
  if (cr_notices()) nudge(); /* one that came before, and was only posted */
  if (p) return cr_pool_serve(L, p);
  if (!call) return EXIT_SUCCESS;
  cr_future_start(call, cr_me);
  cr_task_run(L, call);
  return cr_future_state(call) == CR_FAILED ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The threads of a process end before it does, as those of the program do. */
static void end_threads(void) {
  int r = cr_roster_join(0);
  while (r == ETIMEDOUT || r == EINTR) {
    if (cr_notices_take() & (CR_END | CR_INTERRUPT)) break;
    r = cr_roster_join(CR_FOREVER);
  }
  cr_roster_end();
}

/* It ends now: whoever asked for that is answered, and finalizers may run. */
static void forget_notices(lua_State *L) {
  lua_sethook(L, NULL, 0, 0);
  cr_notices_take();
}

static int sandbox(lua_State *L) {
  const cr_worker *w = lua_touserdata(L, 1);
  cr_sandbox(L, w->libs);
  return 0;
}

/* A state that could not be made a sandbox must not run anything. */
static lua_State *make_state(cr_worker *w) {
  lua_State *L = take_state(w);
  if (!L || w->libs == 0) return L;
  lua_pushcfunction(L, sandbox);
  lua_pushlightuserdata(L, w);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return L;
  cr_lib_close_state(L);
  return NULL;
}

static int work(cr_worker *w) {
  preparing = true;
  told = 0; /* the thread may have lived another strand before */
  lua_State *L = make_state(w);
  if (!L) return give_up(w);
  protect(L, seed, w);
  protect(L, prepare, w);
  int code = serve_or_call(L, w);
  forget_notices(L);
  protect(L, report, w);
  if (w->kind == CR_PROCESS) end_threads();
  int leaving = atomic_load(&w->leaving);
  if (w->kind == CR_THREAD) {
    cr_lib_close_state(L);
  } else {
    cr_lib_leave_state(L);
    fflush(NULL);
  }
  return leaving ? leaving - 1 : code;
}

/* The zygote's share of step 1, done once for all of its children. */
static int load_modules(lua_State *L) {
  static const char *const names[] = {"conrun.errors", "conrun.worker", "conrun.future",
                                      "conrun.pool"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    lua_getglobal(L, "require");
    lua_pushstring(L, names[i]);
    lua_call(L, 1, 0);
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

void cr_entry_open(lua_State *L) {
  lua_pushcfunction(L, on_error);
  lua_setfield(L, -2, "on_error");
}

void cr_entry_register(void) {
  cr_worker_do.warm = warm;
  cr_worker_do.rehearse = rehearse;
  cr_worker_do.main = work;
  cr_worker_do.bury = cr_pool_bury;
  cr_worker_nudge = nudge;
  cr_pool_look_up = look_up_idle;
}
