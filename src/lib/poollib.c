/* SPDX-License-Identifier: MIT */
/*
** poollib: conrun.core.pool, pools as Lua sees them; stages 2 and 6 of the road
** drawn in pool/pool.h.  Whole lists go through maplib.c, and how they are cut
** and put in order again is told in lua/conrun/pool.lua.
**
** A method checks its arguments, encodes, and calls down; pool/ does the rest.
** Encoding is the last step that can raise: from then on nothing does until the
** task is the pool's, so a value in hand is never lost.
**
** What is refused by the pool (closed, broken) raises an error object of that
** kind: a task that nobody will run must not be overlooked.
*/
#include <string.h>

#include "lib/lib.h"

static cr_pool *check(lua_State *L) { return cr_handle_check(L, 1, CR_POOL); }

static const char *kind_name(const cr_pool *p, bool many) {
  if (p->far == CR_CARRIED) return many ? "slots of a cluster" : "cluster";
  if (!many) return cr_kind_names[p->kind];
  return p->kind == CR_PROCESS ? "processes" : "threads";
}

/* ---------------------------------------------------------------------- new */

static enum cr_strand_kind read_kind(lua_State *L, int index) {
  char copy[CR_NAME_MAX];
  const char *kind = cr_option_string(L, index, "kind", copy, sizeof copy);
  if (!kind) return CR_THREAD;
  for (int i = CR_THREAD; i <= CR_PROCESS; i++)
    if (strcmp(kind, cr_kind_names[i]) == 0) return (enum cr_strand_kind)i;
  return cr_raise(L, "bad option 'kind' ('thread', 'process' or 'cluster' expected, got '%s')",
                  kind);
}

static uint64_t read_workers(lua_State *L, int index) {
  uint32_t usual = cr_line_root()->default_workers;
  lua_Integer n =
      cr_option_integer(L, index, "workers", 1, usual ? (lua_Integer)usual : cr_cpu_count());
  if (n >= CR_STRANDS)
    cr_raise(L, "bad option 'workers' (at most %d can run, got %I)", CR_STRANDS - 1, n);
  return (uint64_t)n;
}

static void read_options(lua_State *L, int index, cr_pool_options *o, char name[CR_NAME_MAX]) {
  static const char *const known[] = {"workers",      "kind",
                                      "name",         "initializer",
                                      "initargs",     "max_tasks_per_worker",
                                      "retries",      "memory_limit",
                                      "task_timeout", "libs",
                                      "sandbox",      "max_queued",
                                      "idle_timeout", NULL};
  if (index) cr_check_options(L, index, known);
  o->kind = read_kind(L, index);
  o->workers = read_workers(L, index);
  o->name = cr_option_string(L, index, "name", name, CR_NAME_MAX);
  o->tasks_per_worker = (uint64_t)cr_option_integer(L, index, "max_tasks_per_worker", 1, 0);
  o->retries = (uint64_t)cr_option_integer(L, index, "retries", 0, 0);
  o->memory_limit = cr_option_memory(L, index);
  o->task_timeout = cr_option_seconds(L, index, "task_timeout");
  o->max_queued = (uint64_t)cr_option_integer(L, index, "max_queued", 1, 0);
  o->idle_timeout = cr_option_seconds(L, index, "idle_timeout");
  o->rights = cr_option_rights(L, index, o->kind);
}

/* Pushes the elements of options.initargs. */
static void push_initargs(lua_State *L, int index) {
  if (lua_getfield(L, index, "initargs") == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  int list = lua_gettop(L);
  if (!lua_istable(L, list))
    cr_raise(L, "bad option 'initargs' (list of arguments expected, got %s)",
             luaL_typename(L, list));
  cr_list_unpack(L, "too many initargs");
}

/* Pushes what each worker calls first, with its arguments: the initializer, or
** only the function that applies this state's settings.  0: nothing to call. */
static int push_initializer(lua_State *L, int index, enum cr_strand_kind kind) {
  int fn = lua_gettop(L) + 1;
  if (index && lua_getfield(L, index, "initializer") != LUA_TNIL) {
    if (!cr_callable(L, fn))
      cr_raise(L, "bad option 'initializer' (function expected, got %s)", luaL_typename(L, fn));
    push_initargs(L, index);
    return fn;
  }
  lua_settop(L, fn - 1);
  if (index && lua_getfield(L, index, "initargs") != LUA_TNIL)
    cr_raise(L, "bad option 'initargs' (there is no 'initializer')");
  lua_settop(L, fn - 1);
  return cr_setup_push(L, kind) ? fn : 0;
}

/* pool.new(4): the number at index 1 becomes the options that it stands for. */
static void name_workers(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "workers");
  lua_replace(L, 1);
}

/* new(n, options) comes from the functions that are called so, and n is in the options. */
static void check_alone(lua_State *L) {
  if (lua_isnil(L, 1) || lua_isnil(L, 2)) return;
  bool same = lua_istable(L, 2) && lua_getfield(L, 2, "workers") && lua_rawequal(L, 1, -1);
  if (!same) cr_bad_argument(L, 2, "with options, the number is the option 'workers'");
  lua_settop(L, 2);
}

/* Is the option `kind` "cluster"? */
static bool is_cluster(lua_State *L, int index) {
  lua_getfield(L, index, "kind");
  bool is = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "cluster") == 0;
  lua_pop(L, 1);
  return is;
}

/* What computes its tasks is on other machines: a pool as lua/conrun/cluster makes it. */
static int new_cluster(lua_State *L, int index) {
  if (!cr_module(L, "conrun.cluster")) return cr_raise(L, "this conrun has no clusters");
  lua_getfield(L, -1, "new");
  lua_pushvalue(L, index);
  lua_call(L, 1, 1);
  return 1;
}

/* How many tasks are computed at once. */
static uint64_t width(cr_pool *p) {
  return p->far == CR_CARRIED ? atomic_load(&p->slots) : p->workers_max;
}

/* new([options]) -> pool, or new(n, options) for the functions that are called so; the
** options say how many there are. */
static int new_pool(lua_State *L) {
  enum {
    POOL = 3
  };
  cr_called(L, new_pool);
  int index = lua_istable(L, 2) ? 2 : lua_isnoneornil(L, 1) ? 0 : 1;
  cr_pool_options o = {0};
  char name[CR_NAME_MAX];
  lua_settop(L, 2);
  check_alone(L);
  if (index == 1 && lua_type(L, 1) == LUA_TNUMBER) name_workers(L);
  if (lua_istable(L, index ? index : 1) && is_cluster(L, index)) return new_cluster(L, index);
  read_options(L, index, &o, name);
  cr_handle *h = cr_handle_new(L, CR_POOL);
  bool harmless = !index || lua_getfield(L, index, "initializer") == LUA_TNIL;
  lua_settop(L, POOL);
  int fn = push_initializer(L, index, o.kind);
  cr_call call = {0};
  if (fn) call = cr_call_encode(L, fn, "initargs", o.kind);
  lua_pushvalue(L, POOL);
  cr_pool *p;
  cr_make(L, p, cr_pool_new(&o));
  cr_handle_fill(L, h, p);
  p->settled = cr_settings_now(L, p, true);
  if (fn) {
    p->harmless = harmless;
    cr_object_share(&call.code->object, &p->initializer);
    cr_value_adopt(&p->initargs, call.arguments);
    call.arguments->kind = CR_V_NONE;
    cr_code_done(call.handle);
  }
  cr_took();
  return 1;
}

/* -------------------------------------------------------------------- tasks */

int cr_pool_refuse(lua_State *L, cr_pool *p, int error) {
  const char *name = p->name;
  switch (error) {
  case ESHUTDOWN:
    return cr_news_raise(L, "closed",
                         lua_pushfstring(L, "cannot schedule a task: pool '%s' is closed", name));
  case EPIPE:
    if (cr_value_count(&p->broken) == 0) return cr_news_raise(L, "broken", "the pool is broken");
    cr_decode_borrowed(L, &p->broken);
    return lua_error(L);
  default: return cr_fail(L, error);
  }
}

cr_future *cr_pool_task(lua_State *L, const cr_value *v, enum cr_task_mode mode) {
  cr_future *f;
  cr_make(L, f, cr_task_new(v, mode));
  if (f) return f;
  cr_value_free(v);
  cr_fail(L, ENOMEM);
  return NULL;
}

bool cr_pool_add(lua_State *L, cr_pool *p, cr_code *code, cr_future *f, cr_hold **hold) {
  int r = cr_pool_post(p, code, &f, 1, hold);
  if (r == 0) return true;
  cr_task_discard(f);
  return r == EAGAIN ? false : cr_pool_refuse(L, p, r) == 0;
}

bool cr_pool_room(lua_State *L, cr_pool *p, cr_time until) {
  int r;
  if (p->max_queued == 0) return true;
  if (until != 0) cr_here(L);
  while ((r = cr_pool_await_room(p, until)) == EINTR) cr_look_up(L);
  return r == 0;
}

uint32_t cr_option_lane(lua_State *L, int index) {
  lua_Integer most = CR_LANES - 1 - CR_LANE_USUAL;
  lua_Integer n = cr_option_integer(L, index, "priority", -CR_LANE_USUAL, 0);
  if (n > most)
    cr_raise(L, "bad option 'priority' (integer from %I to %I expected, got %I)",
             (lua_Integer)-CR_LANE_USUAL, most, n);
  return (uint32_t)(n + CR_LANE_USUAL);
}

static int send_settings(lua_State *L) {
  cr_settings_send(L, check(L));
  return 0;
}

void cr_pool_keep_up(lua_State *L, cr_pool *p, bool folder) {
  if (p->maker != cr_id_of(cr_me)) return;
  uint64_t now = cr_settings_now(L, p, folder);
  if (now == p->settled) return;
  luaL_checkstack(L, 4, NULL);
  lua_pushcfunction(L, send_settings);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  p->settled = now;
}

void cr_pool_check_rights(lua_State *L, const cr_pool *p) {
  if (!cr_rights_within(p->rights))
    cr_raise(L, "cannot submit to pool '%s' from a sandbox: its workers may use more", p->name);
}

/* What the options of a submit say, if the table at 2 is one; the function comes behind. */
typedef struct order {
  int fn; /* index */
  int n;  /* arguments above it */
  uint32_t lane;
  cr_time until; /* when to give up waiting for room in the line */
} order;

static order usual_order(lua_State *L) {
  return (order){2, lua_gettop(L) - 2, CR_LANE_USUAL, CR_FOREVER};
}

/* await = true: the function becomes one that waits for the futures among the arguments and
** then calls that with their results (future.lua). */
static void wrap(lua_State *L, int fn) {
  cr_module(L, "conrun.future");
  lua_pop(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, CR_AWAITED);
  lua_insert(L, fn);
}

static cr_time read_timeout(lua_State *L, int options) {
  if (lua_getfield(L, options, "timeout") == LUA_TNIL) {
    lua_pop(L, 1);
    return CR_FOREVER;
  }
  lua_Number s = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
  if (!(s >= 0))
    cr_raise(L, "bad option 'timeout' (seconds, not negative, expected, got %s)",
             luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return s == 0 ? 0 : cr_after(s);
}

static order read_order(lua_State *L) {
  static const char *const known[] = {"priority", "timeout", "await", NULL};
  order o = usual_order(L);
  if (!lua_istable(L, 2) || cr_callable(L, 2)) return o;
  cr_check_options(L, 2, known);
  o.fn = 3;
  o.n--;
  o.lane = cr_option_lane(L, 2);
  o.until = read_timeout(L, 2);
  if (!cr_option_boolean(L, 2, "await", false)) return o;
  cr_check_callable(L, o.fn);
  wrap(L, o.fn);
  o.n++;
  return o;
}

/* Posts the call, and pushes the future, or nothing: NULL, the line had no room in time.  The
** handle is there before the task, and has the holding from the post on: an error behind it
** loses nothing.  In a line that is full the call waits before it is encoded, when nothing is
** in hand.  `owner`, if it is not 0, is a userdata that has the handle as its value. */
static cr_future *post(lua_State *L, const order *o, int owner) {
  cr_pool *p = check(L);
  cr_future *f;
  cr_value v;
  cr_check_callable(L, o->fn);
  cr_pool_check_rights(L, p);
  luaL_checkstack(L, 10, NULL);
  cr_pool_keep_up(L, p, owner != 0);
  cr_far(p->far);
  cr_code *code = cr_code_push(L, o->fn, "function");
  cr_handle *along = lua_touserdata(L, -1), *h = cr_handle_new(L, CR_FUTURE);
  if (owner) {
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, owner, 1);
  }
  do {
    if (!cr_pool_room(L, p, o->until)) return NULL;
    cr_far(p->far);
    cr_encode_call(L, o->fn + 1, o->n, "argument", &v);
    cr_far(false);
    f = cr_pool_task(L, &v, CR_CALL_ARGUMENTS);
    f->lane = o->lane;
  } while (!cr_pool_add(L, p, code, f, &h->hold));
  h->object = &f->object;
  cr_code_done(along);
  cr_handle_enter(L);
  return f;
}

/* submit([options,] fn, ...) -> future | nil, "timeout" */
static int submit(lua_State *L) {
  (void)check(L);
  order o = read_order(L);
  return post(L, &o, 0) ? 1 : cr_outcome(L, true, ETIMEDOUT);
}

/* ---------------------------------------------------------------------- apply */

#define CALL_TYPE "conrun.call"

/* __close: an apply that an error ends, an interruption mostly, has no use for its task. */
static int end_call(lua_State *L) {
  cr_handle *h = lua_isnil(L, 2) || lua_getiuservalue(L, 1, 1) != LUA_TUSERDATA
                     ? NULL
                     : cr_handle_test(L, -1, CR_FUTURE);
  cr_future *f = h ? (cr_future *)h->object : NULL;
  if (!f || cr_future_done(f)) return 0;
  atomic_fetch_or(&f->flags, CR_FUTURE_STOP);
  if (cr_future_cancel(f) == EBUSY) cr_task_stop(f);
  return 0;
}

/* What stops the task is there before the task, and all of it is one function in C: a hook,
** which raises an interruption, comes between any two instructions of Lua. */
static int push_call(lua_State *L) {
  lua_newuserdatauv(L, 0, 1);
  if (luaL_newmetatable(L, CALL_TYPE)) {
    lua_pushcfunction(L, end_call);
    lua_setfield(L, -2, "__close");
  }
  lua_setmetatable(L, -2);
  lua_toclose(L, -1);
  return lua_gettop(L);
}

/* apply(fn, ...) -> what it returned */
static int apply(lua_State *L) {
  order o = usual_order(L);
  if (!cr_handle_test(L, 1, CR_POOL))
    return cr_raise(L, "bad call of 'apply' (it is a method of a pool): write pool:apply(fn, ...), "
                       "with a colon");
  cr_check_callable(L, 2);
  luaL_checkstack(L, 4, NULL);
  cr_future *f = post(L, &o, push_call(L));
  if (cr_future_await(L, f, CR_FOREVER) != 0 || cr_future_state(f) != CR_DONE)
    return cr_future_raise(L, f);
  return cr_future_values(L, f);
}

/* ---------------------------------------------------------------------- end */

static int close_pool(lua_State *L) {
  cr_pool_close(check(L));
  cr_due(L);
  return 0;
}

static int terminate(lua_State *L) {
  cr_pool_terminate(check(L));
  cr_due(L); /* of tasks that this has cancelled */
  return 0;
}

/* join([timeout]) -> true | false, "timeout" */
static int join(lua_State *L) {
  cr_pool *p = check(L);
  cr_time deadline = cr_check_timeout(L, 2);
  int r;
  if (deadline != 0) cr_here(L);
  while ((r = cr_pool_join(p, deadline)) == EINTR) cr_look_up(L);
  cr_due(L);
  if (r == EDEADLK)
    return cr_error_raise(L, "deadlock", "a task cannot wait for the end of its own pool");
  if (r == EBUSY)
    return cr_raise(L, "cannot join pool '%s': it is open; call :close() first", p->name);
  if (r) return cr_outcome(L, false, r);
  lua_pushboolean(L, true);
  return 1;
}

/* keyed(table) -> has it keys, but no list? */
static int keyed(lua_State *L) {
  lua_pushboolean(L, cr_list_missing(L, 1));
  return 1;
}

/* length(list) -> how many items a map of it has */
static int length(lua_State *L) {
  lua_pushinteger(L, cr_list_length(L, 1));
  return 1;
}

/* cancel_queued(pool): for shutdown{cancel=true}. */
static int cancel_queued(lua_State *L) {
  cr_pool_cancel(check(L));
  cr_due(L);
  return 0;
}

/* __close(pool, error): the end of its scope.  Normally all tasks are finished;
** an error, also one that comes while waiting, ends the pool at once. */
static int leave(lua_State *L) {
  if (cr_stray) return 0;
  cr_pool *p = check(L);
  if (lua_isnoneornil(L, 2))
    cr_pool_close(p);
  else
    cr_pool_terminate(p);
  lua_pushcfunction(L, join);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return 0;
  cr_pool_terminate(p);
  return lua_error(L);
}

/* -------------------------------------------------------------------- state */

static const char *const state_names[] = {[CR_POOL_OPEN] = "open",
                                          [CR_POOL_CLOSED] = "closed",
                                          [CR_POOL_TERMINATED] = "terminated",
                                          [CR_POOL_BROKEN] = "broken"};

static const char *state_of(const cr_pool *p) { return state_names[atomic_load(&p->state)]; }

static void put(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

static void put_text(lua_State *L, const char *name, const char *s) {
  lua_pushstring(L, s);
  lua_setfield(L, -2, name);
}

static int stats(lua_State *L) {
  cr_pool *p = check(L);
  cr_zygote_poll();
  cr_due(L);
  lua_createtable(L, 0, 8);
  put_text(L, "name", p->name);
  put_text(L, "kind", kind_name(p, false));
  put_text(L, "state", state_of(p));
  put(L, "workers", width(p));
  put(L, "started", atomic_load(&p->workers));
  put(L, "running", atomic_load(&p->running));
  put(L, "queued", atomic_load(&p->queued));
  put(L, "completed", atomic_load(&p->completed));
  return 1;
}

#define UNKNOWN_SLOTS 16 /* of a cluster whose agents have not been heard of yet */

/* workers(pool) -> how many there may be, for the size of chunks */
static int workers(lua_State *L) {
  lua_Integer n = (lua_Integer)width(check(L));
  lua_pushinteger(L, n > 0 ? n : UNKNOWN_SLOTS);
  return 1;
}

static int text(lua_State *L) {
  cr_pool *p = check(L);
  lua_Integer n = (lua_Integer)width(p), busy = (lua_Integer)atomic_load(&p->running);
  lua_Integer queued = (lua_Integer)atomic_load(&p->queued);
  lua_pushfstring(L, "pool '%s' (%I %s: %I busy, %I %s queued", p->name, n, kind_name(p, n != 1),
                  busy, queued, queued == 1 ? "task" : "tasks");
  if (atomic_load(&p->state) == CR_POOL_OPEN)
    lua_pushliteral(L, ")");
  else
    lua_pushfstring(L, ", %s)", state_of(p));
  lua_concat(L, 2);
  return 1;
}

/* ------------------------------------------------------------------- module */

static int is_pool(lua_State *L) {
  lua_pushboolean(L, cr_handle_test(L, 1, CR_POOL) != NULL);
  return 1;
}

static const luaL_Reg public_functions[] = {{"new", new_pool}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"is_pool", is_pool}, {"workers", workers}, {"cancel_queued", cancel_queued},
    {"length", length},   {"keyed", keyed},     {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"submit", submit},       {"apply_async", submit}, {"apply", apply}, {"close", close_pool},
    {"terminate", terminate}, {"join", join},          {"stats", stats}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__close", leave}, {"__tostring", text}, {NULL, NULL}};

int luaopen_conrun_core_pool(lua_State *L) {
  if (cr_module_push(L, "conrun.core.pool")) return 1;
  luaL_newlib(L, functions);
  cr_lib_public(L, public_functions);
  cr_lib_type(L, CR_POOL, methods, meta);
  cr_map_open(L);
  cr_module_keep(L, "conrun.core.pool");
  return 1;
}
