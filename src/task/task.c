/* SPDX-License-Identifier: MIT */
/*
** task: one call, from its encoded form to its settled future.
**
** Lua code runs protected, with a message handler that turns whatever was
** raised into an error object while the stack that raised it is still there: the
** traceback is the worker's.  What cannot be decoded or encoded fails the task
** with kind "transfer"; a task that is ended with its pool, with "cancelled".
**
** A mapping task calls the function for each of its elements and goes on after
** an error, since the other elements have done nothing wrong; its future fails
** with the first error.  One of a single element is called like any other task:
** a reader and a writer would cost more than the call.
**
** On the road of pool:map (pool.h) this is stage 5.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/task.h"

enum stage {
  DECODING,
  CALLING,
  ENCODING
};

typedef struct task {
  cr_future *future;
  enum stage stage;
  cr_value result; /* in hand; NONE until the call has succeeded */
  cr_value error;  /* in hand; NONE until something failed */
  cr_reader *reader;
  cr_writer *writer;
  bool overdue; /* the last error said that its time was over */
  bool timed;   /* its pool has a task_timeout; asked once, not for each element */
  bool more;    /* mapping: elements may be left */
} task;

/* The innermost task that this thread runs, for the message handler: a handler that
** had it as an upvalue would be a new closure for each task, and garbage after it. */
static _Thread_local task *current;

/* -------------------------------------------------------------- error objects */

/* Was the task told to stop, by cancel{running=true} or with its pool? */
static bool stopped(const task *t) {
  return (cr_notices() & CR_END) || (atomic_load(&t->future->flags) & CR_FUTURE_STOP);
}

/* Has it been stopped because its time was over (limit.c)? */
static bool late(const task *t) { return t->timed && cr_pool_late(); }

static const char *kind_of(task *t) {
  t->overdue = !stopped(t) && late(t);
  if (stopped(t)) return "cancelled";
  if (t->overdue) return "timeout";
  return t->stage == CALLING ? "task" : "transfer";
}

/* Two kinds of errors that conrun raises in a strand are about the strand, whatever
** it was computing: they keep their kind on the way to the caller. */
static const char *kept_kind(lua_State *L, const char *kind) {
  if (strcmp(kind, "task") != 0) return kind;
  if (cr_error_is(L, 1, "interrupted")) return "interrupted";
  return cr_error_is(L, 1, "deadlock") ? "deadlock" : kind;
}

/* The elements' errors are among the results, so that is what was raised, if it is an
** error object. */
static bool collects(const task *t) { return t->future->mode & CR_MAP_COLLECT; }

/* Is the error of the whole task, whatever its function did? */
static bool is_over(const task *t) { return stopped(t) || late(t); }

/* Is the value at 1 what is to be told, as it is? */
static bool is_told(lua_State *L, const task *t) {
  if (is_over(t)) return false;
  if (t->stage == DECODING) return cr_error_is(L, 1, "transfer");
  return t->stage == CALLING && collects(t) && cr_is_error(L, 1);
}

static double allowed(const task *t) {
  return (double)cr_at(const cr_pool, &t->future->pool)->task_timeout / 1e9;
}

/* The message handler: error value -> error object. */
static int make_error(lua_State *L) {
  task *t = current;
  luaL_checkstack(L, 8, NULL);
  lua_settop(L, 1);
  if (is_told(L, t)) return 1;
  cr_error_object(L, 1, kept_kind(L, kind_of(t)));
  if (t->overdue) {
    lua_pushliteral(L, "message");
    lua_pushfstring(L, "the task took longer than its task_timeout of %f s",
                    (lua_Number)allowed(t));
    lua_rawset(L, -3);
  }
  return 1;
}

static cr_code *code_of(const task *t) { return cr_at(cr_code, &t->future->code); }

/* Argument: the error object.  The stack is gone, so the place is the
** function that was called. */
static int add_place(lua_State *L) {
  lua_Debug ar;
  lua_pushliteral(L, "traceback");
  cr_code_function(L, code_of(current));
  if (!lua_isfunction(L, -1)) return 0;
  lua_getinfo(L, ">S", &ar);
  lua_pushfstring(L, "stack traceback:\n\t...\n\t%s:%d: in function <%s:%d>", ar.short_src,
                  ar.linedefined, ar.short_src, ar.linedefined);
  lua_rawset(L, 1);
  return 0;
}

/* A protected call has failed: leaves an error object on the top of the stack, or if there
** is no memory for it what is there.  Want of memory, and an error in the handler, come
** without having been to the handler. */
static void complete(lua_State *L, int status) {
  if (status == LUA_ERRRUN) return;
  lua_pushcfunction(L, make_error);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
    lua_replace(L, -2);
    lua_pushcfunction(L, add_place);
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  }
  lua_pop(L, 1);
}

/* Does its result go to another machine? */
static bool is_far(const task *t) {
  const cr_pool *p = cr_at(const cr_pool, &t->future->pool);
  return p && p->far == CR_HOSTED;
}

/* The first error is kept.  If there is no memory for it, only words are left.
** [-1, +0, -] */
static void keep_error(lua_State *L, task *t) {
  cr_far(is_far(t));
  if (t->error.kind == CR_V_NONE && !cr_error_encode(L, &t->error) &&
      cr_encode_error(kind_of(t), "not enough memory", cr_me->name, &t->error) != 0)
    t->error.head = CR_V_NONE;
  cr_far(false);
  lua_pop(L, 1);
}

/* ---------------------------------------------------------------------- telling */

CR_TELLS static void tell_start(const cr_future *f) {
  const cr_pool *p = cr_at(const cr_pool, &f->pool);
  cr_trace(.saw = CR_SAW_START, .what = (uint8_t)f->mode, .count = cr_value_bytes(&f->arguments),
           .object = f->object.serial, .number = p ? p->object.serial : 0);
}

/* The function on the top of the stack is the task's, for so many elements. */
CR_TELLS static void tell_function(lua_State *L, const cr_future *f, size_t elements) {
  lua_Debug ar;
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">S", &ar);
  cr_record e = {.saw = CR_SAW_NAME,
                 .count = (uint32_t)elements,
                 .object = f->object.serial,
                 .number = (uint64_t)(int64_t)ar.linedefined};
  cr_trace_text(e, ar.short_src, strlen(ar.short_src));
}

/* --------------------------------------------------------------------- calling */

static int unpack(lua_State *L) {
  if (!lua_istable(L, -1) && !lua_isuserdata(L, -1))
    cr_raise(L, "an item for starmap is a list of arguments, not a %s", luaL_typename(L, -1));
  return cr_list_unpack(L, "too many arguments");
}

static bool stars(const task *t) { return (t->future->mode & CR_MAP_MODES) == CR_MAP_STAR; }

/* Stack slots of a task.  Those of a mapping stay while elements come and go above. */
enum {
  MAP_TASK = 1,
  MAP_HANDLER,
  MAP_FUNCTION,
  MAP_READER,
  MAP_WRITER,
  MAP_TOP = MAP_WRITER
};

/* The function and n arguments are on the stack.  False: the error of the element, which
** is its result, is in the task's hands. */
static bool call_element(lua_State *L, task *t, int n) {
  if (!collects(t)) {
    lua_call(L, n, 1);
    return true;
  }
  int status = lua_pcall(L, n, 1, MAP_HANDLER);
  if (status == LUA_OK) return true;
  if (cr_stray) lua_error(L);
  complete(L, status);
  if (is_over(t) || !cr_error_encode(L, &t->result)) lua_error(L);
  return false;
}

/* All results of a call of its own, one of an element. */
static int call(lua_State *L, task *t) {
  cr_code_function(L, code_of(t));
  if (cr_tracing() && lua_isfunction(L, -1)) tell_function(L, t->future, 1);
  int base = lua_gettop(L);
  int n = cr_decode_borrowed(L, &t->future->arguments);
  t->stage = CALLING;
  if (t->future->mode == CR_CALL_ARGUMENTS)
    lua_call(L, n, LUA_MULTRET);
  else if (!call_element(L, t, stars(t) ? unpack(L) : n))
    return 0;
  t->stage = ENCODING;
  if (cr_stray) return 0;
  cr_far(is_far(t));
  cr_encode(L, base, lua_gettop(L) - base + 1, "result", &t->result);
  cr_far(false);
  return 0;
}

/* The elements from the reader's position on.  An error ends it in the middle of
** one; the next call goes on with the one after. */
static int map_on(lua_State *L) {
  task *t = lua_touserdata(L, MAP_TASK);
  bool star = stars(t);
  for (;;) {
    lua_settop(L, MAP_TOP);
    t->stage = DECODING;
    lua_pushvalue(L, MAP_FUNCTION);
    t->more = !cr_stray && cr_reader_next(L, t->reader);
    if (!t->more) return 0;
    t->stage = CALLING;
    if (late(t)) cr_raise(L, "interrupted!"); /* its function has caught the first one */
    lua_call(L, star ? unpack(L) : 1, 1);
    t->stage = ENCODING;
    if (!cr_stray) cr_writer_add(L, t->writer, -1);
  }
}

/* An element has failed; the error is on the top of the stack.  Can the task go on?  A
** broken message cannot be read on: an error while decoding ends the task. */
static bool fail_element(lua_State *L, task *t) {
  bool whole = t->stage == DECODING || is_over(t);
  if (!whole && collects(t) && cr_error_write(L, t->writer))
    lua_pop(L, 1);
  else
    keep_error(L, t);
  return !whole && t->more;
}

static int map(lua_State *L, task *t) {
  bool more = true;
  lua_settop(L, MAP_HANDLER);
  cr_code_function(L, code_of(t));
  if (cr_tracing() && lua_isfunction(L, -1))
    tell_function(L, t->future, cr_value_count(&t->future->arguments));
  t->reader = cr_reader_new(L, &t->future->arguments);
  cr_far(is_far(t));
  t->writer = cr_writer_new(L, "result", false);
  while (more) {
    lua_pushcfunction(L, map_on);
    for (int i = MAP_TASK; i <= MAP_TOP; i++) lua_pushvalue(L, i);
    int status = lua_pcall(L, MAP_TOP, 0, MAP_HANDLER);
    more = status != LUA_OK;
    if (!more) break;
    if (cr_stray) lua_error(L);
    complete(L, status);
    more = fail_element(L, t);
  }
  if (t->error.kind == CR_V_NONE && !cr_stray) {
    t->stage = ENCODING;
    cr_writer_finish(L, t->writer, &t->result);
  }
  return 0;
}

/* Names are what stays the same from run to run. */
static uint64_t hash(const char *name) {
  uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
  return h;
}

/* With --seed the numbers that a task draws follow from its pool's name and its place
** in the line: which worker computes it, and after what, is chance.  A sandbox may
** have no `math`. */
static void seed(lua_State *L, const cr_future *f) {
  const cr_pool *p = cr_at(const cr_pool, &f->pool);
  if (!p || !cr_worker_root()->seeded) return;
  int top = lua_gettop(L);
  uint64_t n = cr_seed_derive(cr_in_worker(&cr_strands[0])->seed ^ hash(p->name), f->number);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "math") == LUA_TTABLE &&
      lua_getfield(L, -1, "randomseed") == LUA_TFUNCTION) {
    lua_pushinteger(L, (lua_Integer)n);
    lua_call(L, 1, 0);
  }
  lua_settop(L, top);
}

static int run(lua_State *L) {
  task *t = lua_touserdata(L, MAP_TASK);
  seed(L, t->future);
  bool one = t->future->mode == CR_CALL_ARGUMENTS || cr_value_count(&t->future->arguments) == 1;
  return one ? call(L, t) : map(L, t);
}

/* -------------------------------------------------------------------- settling */

/* A task that obeyed when it was asked to stop is cancelled; one that finished all
** the same has its result. */
static void settle(task *t) {
  bool failed = t->result.kind == CR_V_NONE;
  if (failed && (atomic_load(&t->future->flags) & CR_FUTURE_STOP)) {
    cr_future_finish(t->future, CR_CANCELLED, NULL);
    cr_value_free(&t->error);
    return;
  }
  const cr_value *v = failed ? &t->error : &t->result;
  if (failed && stopped(t)) cr_future_ask(t->future); /* it was ended, and nobody need be told */
  if (cr_future_finish(t->future, failed ? CR_FAILED : CR_DONE, v) != 0) cr_value_free(v);
  if (!failed) cr_value_free(&t->error);
}

/* The function has forked, and this is the child, which comes out of it as a process that
** has no part in the program: it ends as a program whose script has ended.  On top of the
** stack is an error object, or nothing. */
_Noreturn static void end_stray(lua_State *L, int status) {
  if (status != LUA_OK)
    fprintf(stderr, "conrun: uncaught error in a process forked from '%s': %s\n", cr_me->name,
            luaL_tolstring(L, -1, NULL));
  exit(status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Nothing that is pushed here takes memory, so nothing raises outside of the call:
** the stack has LUA_MINSTACK free slots.  The handler is an argument too, so that a
** mapping can use it for its own protected calls. */
static void compute(lua_State *L, task *t) {
  lua_pushcfunction(L, make_error);
  int handler = lua_gettop(L);
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, t);
  lua_pushvalue(L, handler);
  int status = lua_pcall(L, 2, 0, handler);
  if (cr_stray) end_stray(L, status);
  if (status == LUA_OK) return;
  complete(L, status);
  keep_error(L, t);
}

/* A task that took too long has failed, whatever came of it: it may have caught the error
** that was to stop it, or have been in a C function that nothing stops. */
static void fail_late(task *t) {
  char message[96];
  bool said = t->overdue && t->result.kind == CR_V_NONE;
  if (said || stopped(t) || !late(t)) return;
  snprintf(message, sizeof message, "the task took longer than its task_timeout of %.14g s",
           allowed(t));
  cr_value_free(&t->result);
  cr_value_free(&t->error);
  t->result.head = t->error.head = CR_V_NONE;
  if (cr_encode_error("timeout", message, cr_me->name, &t->error) != 0) t->error.head = CR_V_NONE;
}

/* A hook that a task has set ends with it. */
typedef struct hooked {
  lua_Hook hook;
  int mask, count;
} hooked;

static hooked hook_of(lua_State *L) {
  return (hooked){lua_gethook(L), lua_gethookmask(L), lua_gethookcount(L)};
}

static void restore_hook(lua_State *L, const hooked *before) {
  if (lua_gethook(L) != before->hook || lua_gethookmask(L) != before->mask)
    lua_sethook(L, before->hook, before->mask, before->count);
}

void cr_task_run(lua_State *L, cr_future *f) {
  const cr_pool *p = cr_at(const cr_pool, &f->pool);
  task t = {.future = f,
            .result.head = CR_V_NONE,
            .error.head = CR_V_NONE,
            .timed = p && p->task_timeout != 0};
  cr_point(CR_AT_START, f);
  if (cr_tracing()) tell_start(f);
  task *outer = current;
  int top = lua_gettop(L);
  hooked before = hook_of(L);
  current = &t;
  compute(L, &t);
  current = outer;
  lua_settop(L, top);
  if (p) restore_hook(L, &before); /* an initializer's hook is for all tasks */
  if (!outer && cr_lua_lent.task_over) cr_lua_lent.task_over(L, p != NULL);
  cr_carried_check(L);
  fail_late(&t);
  atomic_store_explicit(&cr_in_line(cr_me)->settled, 1, memory_order_relaxed);
  settle(&t);
  (void)cr_fault("task");
  cr_future_let_go(f); /* somebody else may have settled it */
  cr_trace(.saw = CR_SAW_END, .object = f->object.serial, .number = cr_arena_in_use());
}
