/* SPDX-License-Identifier: MIT */
/*
** workerlib: conrun.core.worker, the handles of workers and how they are
** started.  lua/conrun/thread.lua and process.lua give it its two faces.
**
** A worker has one method table for both kinds; a method that only a process
** can have says so when a thread is asked.  Fields (`name`, `pid` ...) are read
** from the worker object at each access, so they are never out of date.
**
** Birth from Lua: options, function and arguments are checked and encoded while
** everything is owned by values on the Lua stack; only then the objects are put
** together, in code that cannot raise, and the worker is started.  If that
** fails, the handle is garbage as any other.
*/
#include <signal.h>
#include <string.h>

#include "lib/lib.h"

static cr_worker *check(lua_State *L) { return cr_handle_check(L, 1, CR_WORKER); }

/* -------------------------------------------------------------------- start */

/* A worker of a daemon is one too, unless told otherwise. */
static bool born_daemon(void) {
  const cr_worker *w = cr_self();
  return w && w->daemon;
}

static void read_options(lua_State *L, int index, cr_worker_options *o, char name[CR_NAME_MAX]) {
  static const char *const known[] = {"name", "daemon", "memory_limit", "libs", "sandbox", NULL};
  if (index) cr_check_options(L, index, known);
  o->name = cr_option_string(L, index, "name", name, CR_NAME_MAX);
  o->daemon = cr_option_boolean(L, index, "daemon", born_daemon());
  o->memory_limit = cr_option_memory(L, index);
  o->rights = cr_option_rights(L, index, o->kind);
}

/* Makes the future of the call and gives it to the worker.  The parts stay the
** caller's if this fails. */
static int put_call(cr_worker *w, const cr_call *call, uint32_t flags) {
  cr_future *f = cr_future_new();
  if (!f) return ENOMEM;
  /* What becomes of it is reported at the worker's end (state/report.c). */
  atomic_store(&f->flags, CR_FUTURE_ASKED | flags);
  cr_hold *hold = cr_object_born(f);
  cr_object_share(&call->code->object, &f->code);
  cr_value_adopt(&f->arguments, call->arguments);
  call->arguments->kind = CR_V_NONE;
  cr_object_give(hold, &w->call);
  return 0;
}

static int fail_start(lua_State *L, const cr_worker *w, int error) {
  if (error == ENOMEM) return cr_fail(L, error);
  if (error != EAGAIN)
    return cr_raise(L, "cannot start %s '%s': %s", cr_kind_names[w->kind], w->name,
                    cr_start_trouble(error));
  return cr_raise(L, "cannot start %s '%s': no more %s can run", cr_kind_names[w->kind], w->name,
                  w->kind == CR_PROCESS ? "processes" : "threads");
}

/* start([options,] fn, ...) -> worker; flags of its call's future: HEARD or none */
static int start(lua_State *L, enum cr_strand_kind kind, uint32_t flags) {
  enum {
    WORKER = 1
  };
  int options = lua_istable(L, 1) && !cr_callable(L, 1), fn = options + 1;
  cr_worker_options o = {.kind = kind};
  char name[CR_NAME_MAX];
  read_options(L, options, &o, name);
  cr_check_callable(L, fn);
  cr_handle *h = cr_handle_new(L, CR_WORKER);
  lua_insert(L, WORKER);
  cr_call call = cr_call_encode(L, fn + 1, "argument", kind);
  lua_pushvalue(L, WORKER);
  cr_worker *w;
  cr_make(L, w, cr_worker_new(&o));
  cr_handle_fill(L, h, w);
  int error = put_call(w, &call, flags);
  if (error == 0) error = cr_worker_start(w);
  if (error) return fail_start(L, w, error);
  cr_code_done(call.handle);
  cr_took();
  return 1;
}

static int start_thread(lua_State *L) { return start(L, CR_THREAD, 0); }
static int start_process(lua_State *L) { return start(L, CR_PROCESS, 0); }

/* For a scope (scope.lua), which tells of their errors itself. */
static int heard_thread(lua_State *L) { return start(L, CR_THREAD, CR_FUTURE_HEARD); }
static int heard_process(lua_State *L) { return start(L, CR_PROCESS, CR_FUTURE_HEARD); }

static int is_worker(lua_State *L) {
  lua_pushboolean(L, cr_handle_test(L, 1, CR_WORKER) != NULL);
  return 1;
}

/* call(worker) -> the future of its call, nil for a worker of a pool */
static int call_of(lua_State *L) {
  cr_worker *w = check(L);
  cr_future *call = cr_at(cr_future, &w->call);
  if (!call) return 0;
  cr_handle_push(L, &call->object);
  return 1;
}

/* ------------------------------------------------------------------ methods */

static int join(lua_State *L) {
  cr_worker *w = check(L);
  cr_time deadline = cr_check_timeout(L, 2);
  int r;
  if (!cr_worker_over(w)) cr_here(L);
  while ((r = cr_worker_join(w, deadline)) == EINTR) cr_look_up(L);
  cr_due(L);
  if (r == EDEADLK) return cr_error_raise(L, "deadlock", "a worker cannot join itself");
  if (r) return cr_outcome(L, false, r);
  lua_pushboolean(L, true);
  return 1;
}

/* result([timeout]) -> what the function returned, or raises.  A thread that
** called os.exit has returned nothing. */
static int result(lua_State *L) {
  cr_worker *w = check(L);
  cr_time deadline = cr_check_timeout(L, 2);
  cr_future *call = cr_at(cr_future, &w->call);
  if (!call) return cr_raise(L, "'%s' is a worker of a pool: it has no result", w->name);
  if (w == cr_self()) return cr_error_raise(L, "deadlock", "a worker cannot wait for itself");
  atomic_fetch_or(&call->flags, CR_FUTURE_HEARD);
  int r = cr_future_await(L, call, deadline);
  if (r != 0) atomic_fetch_and(&call->flags, ~CR_FUTURE_HEARD);
  if (r == 0 && w->kind == CR_THREAD && atomic_load(&w->leaving)) return 0;
  if (r != 0 || cr_future_state(call) != CR_DONE) return cr_future_raise(L, call);
  return cr_future_values(L, call);
}

static int alive(lua_State *L) {
  cr_worker *w = check(L);
  cr_zygote_poll();
  cr_due(L);
  lua_pushboolean(L, !cr_worker_over(w));
  return 1;
}

/* One that is over already is no error: it is what the caller wanted. */
static int answer(lua_State *L, int error) {
  if (error && error != ESRCH) return cr_fail(L, error);
  lua_pushboolean(L, error == 0);
  return 1;
}

static int interrupt(lua_State *L) { return answer(L, cr_worker_notify(check(L), CR_INTERRUPT)); }

static int send_signal(lua_State *L, const char *method, int signal) {
  cr_worker *w = check(L);
  if (w->kind != CR_PROCESS)
    return cr_raise(L, "bad call of '%s' ('%s' is a thread; only :interrupt() can stop it)", method,
                    w->name);
  return answer(L, cr_worker_kill(w, signal));
}

static int terminate(lua_State *L) { return send_signal(L, "terminate", SIGTERM); }
static int kill_worker(lua_State *L) { return send_signal(L, "kill", SIGKILL); }

/* An orderly end is asked for again and again (notice.c); a process that does not come to it
** in this time, for it computes in C or catches every error, is killed. */
#define GRACE 1.0 /* seconds */

static void end(lua_State *L, cr_worker *w) {
  cr_time until = cr_after(GRACE);
  int r = 0;
  cr_worker_notify(w, CR_END);
  if (w->kind != CR_PROCESS) return;
  while ((r = cr_worker_join(w, until)) == EINTR) cr_look_up(L);
  if (r == ETIMEDOUT) cr_worker_kill(w, SIGKILL);
}

/* __close(worker, error): the end of its scope.  Normally it is waited for; an error, also
** one that comes while waiting, ends it. */
static int leave(lua_State *L) {
  if (cr_stray) return 0;
  cr_worker *w = check(L);
  if (w == cr_self()) return 0;
  if (!lua_isnoneornil(L, 2)) end(L, w);
  lua_pushcfunction(L, join);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return 0;
  cr_worker_notify(w, CR_END);
  return lua_error(L);
}

/* ask_end(worker): it is to end, and does not get by with catching the error */
static int ask_end(lua_State *L) { return answer(L, cr_worker_notify(check(L), CR_END)); }

/* ------------------------------------------------------------------ all of them */

/* Pushes the worker of the strand; false: it has none, or not any more.  One that is over keeps
** its strand for a moment. */
static bool push_worker_of(lua_State *L, cr_strand *s) {
  cr_hold *hold = NULL;
  int r = cr_strand_exists(s) ? cr_object_hold_at(&s->worker, &hold) : ENOENT;
  if (r == ENOMEM) cr_fail(L, r);
  if (r == ENOENT) return false;
  cr_handle_push_held(L, hold);
  if (!cr_worker_over(cr_handle_check(L, -1, CR_WORKER))) return true;
  lua_pop(L, 1);
  return false;
}

/* all() -> list of the workers that are not over, in any order */
static int all(lua_State *L) {
  lua_Integer n = 0;
  if (!cr_rights_within(0))
    return cr_raise(L, "cannot ask for the workers of the program in a sandbox");
  cr_zygote_poll();
  cr_due(L);
  lua_newtable(L);
  cr_for_strands(s) {
    if (push_worker_of(L, s)) lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* ------------------------------------------------------------------- fields */

static int get_name(lua_State *L, const cr_worker *w) {
  lua_pushstring(L, w->name);
  return 1;
}

static int get_id(lua_State *L, const cr_worker *w) {
  lua_pushinteger(L, (lua_Integer)w->object.serial);
  return 1;
}

static int get_kind(lua_State *L, const cr_worker *w) {
  lua_pushstring(L, cr_kind_names[w->kind]);
  return 1;
}

static int get_daemon(lua_State *L, const cr_worker *w) {
  lua_pushboolean(L, w->daemon != 0);
  return 1;
}

static int get_pid(lua_State *L, const cr_worker *w) {
  int pid = atomic_load(&w->pid);
  if (pid <= 0) return 0;
  lua_pushinteger(L, pid);
  return 1;
}

/* nil while it runs, and for a thread, which has none. */
static int get_exitcode(lua_State *L, const cr_worker *w) {
  if (w->kind != CR_PROCESS || !cr_worker_over(w)) return 0;
  lua_pushinteger(L, atomic_load(&w->status));
  return 1;
}

static int get_state(lua_State *L, const cr_worker *w) {
  lua_pushstring(L, cr_worker_state((cr_worker *)w));
  return 1;
}

/* The name of the pool that it serves. */
static int get_pool(lua_State *L, const cr_worker *w) {
  const cr_pool *p = cr_at(cr_pool, &((cr_worker *)w)->pool);
  if (!p) return 0;
  lua_pushstring(L, p->name);
  return 1;
}

static const struct field {
  const char *name;
  int (*get)(lua_State *L, const cr_worker *w);
} fields[] = {{"name", get_name},     {"id", get_id},    {"kind", get_kind},
              {"daemon", get_daemon}, {"pid", get_pid},  {"exitcode", get_exitcode},
              {"state", get_state},   {"pool", get_pool}};

/* Upvalue 1 is the method table. */
static int index_worker(lua_State *L) {
  const cr_worker *w = check(L);
  cr_zygote_poll();
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL || lua_type(L, 2) != LUA_TSTRING) return 1;
  const char *key = lua_tostring(L, 2);
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
    if (strcmp(fields[i].name, key) == 0) return fields[i].get(L, w);
  return cr_answer(L, "worker");
}

static int refuse_field(lua_State *L) {
  return cr_raise(L, "cannot set field '%s' of a worker: options are given to start",
                  luaL_tolstring(L, 2, NULL));
}

static const char *state_text(lua_State *L, const cr_worker *w) {
  int status = atomic_load(&w->status);
  if (!cr_worker_over(w)) return "running";
  if (w->kind != CR_PROCESS) return "ended";
  if (status < 0) return lua_pushfstring(L, "ended by signal %d", -status);
  return lua_pushfstring(L, "ended, exit code %d", status);
}

static int text(lua_State *L) {
  const cr_worker *w = check(L);
  lua_pushfstring(L, "%s '%s' (%s)", cr_kind_names[w->kind], w->name, state_text(L, w));
  return 1;
}

/* ------------------------------------------------------------------- module */

static const luaL_Reg public_functions[] = {
    {"start_thread", start_thread}, {"start_process", start_process}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"is_worker", is_worker},
                                     {"all", all},
                                     {"ask_end", ask_end},
                                     {"call", call_of},
                                     {"heard_thread", heard_thread},
                                     {"heard_process", heard_process},
                                     {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"join", join},           {"result", result},    {"alive", alive}, {"interrupt", interrupt},
    {"terminate", terminate}, {"kill", kill_worker}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__index", index_worker},
                                {"__newindex", refuse_field},
                                {"__tostring", text},
                                {"__close", leave},
                                {NULL, NULL}};

int luaopen_conrun_core_worker(lua_State *L) {
  if (cr_module_push(L, "conrun.core.worker")) return 1;
  luaL_newlib(L, functions);
  cr_lib_public(L, public_functions);
  lua_getfield(L, -1, "public");
  cr_entry_open(L);
  lua_pop(L, 1);
  cr_lib_type(L, CR_WORKER, methods, meta);
  cr_module_keep(L, "conrun.core.worker");
  return 1;
}
