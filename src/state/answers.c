/* SPDX-License-Identifier: MIT */
/*
** answers: names that other languages have, and what to write here instead.
**
** Hands that know Python's threading, multiprocessing, queue and concurrent.futures type
** `q:get_nowait()` first.  Lua's own answer to a method that is not there ("attempt to
** call a nil value") says that it is wrong, not what is right.  So the names of one table
** are answered, and all others stay nil, as Lua has it: programs may ask an object
** whether it has a method.  A shared dict has no answers, for every name is a key there.
**
** The table of methods of a handle, and each module, have a metatable whose __index comes
** here; only a name that is not there pays for that.
*/
#include <string.h>

#include "state/state.h"

typedef struct answer {
  const char *owner; /* type of a handle, module, "option" of a pool, "type" of shared numbers */
  const char *name;
  const char *use;
} answer;

static const answer answers[] = {
    {"queue", "get_nowait", "q:get(0)"},
    {"queue", "put_nowait", "q:put(v, 0)"},
    {"queue", "qsize", "q:size() or #q"},
    {"queue", "shutdown", "q:close()"},
    {"queue", "push", "q:put(v)"},
    {"queue", "pop", "q:get()"},
    {"queue", "send", "q:put(v)"},
    {"queue", "recv", "q:get()"},
    {"future", "exception", "f:error()"},
    {"future", "set_exception", "f:set_error(e)"},
    {"future", "add_done_callback", "f:on_done(fn)"},
    {"future", "get", "f:result()"},
    {"future", "wait", "f:result(), or conrun.future.wait { f } for one that may fail"},
    {"future", "join", "f:result(), or conrun.future.wait { f } for one that may fail"},
    {"future", "ready", "f:done()"},
    {"future", "successful", "f.state == \"done\""},
    {"worker", "is_alive", "w:alive()"},
    {"worker", "start", "nothing: conrun.thread.start and conrun.process.start have started it"},
    {"worker", "run", "nothing: conrun.thread.start and conrun.process.start have started it"},
    {"worker", "get", "w:result()"},
    {"worker", "wait", "w:join()"},
    {"worker", "stop", "w:interrupt(), or w:terminate() for a process"},
    {"worker", "ident", "w.id"},
    {"pool", "run", "pool:submit(fn, ...)"},
    {"pool", "execute", "pool:submit(fn, ...)"},
    {"pool", "wait", "pool:close() and pool:join()"},
    {"pool", "stop", "pool:terminate()"},
    {"lock", "lock", "lock:acquire()"},
    {"lock", "unlock", "lock:release()"},
    {"lock", "try_lock", "lock:acquire(0)"},
    {"lock", "is_locked", "lock:locked()"},
    {"condition", "signal", "c:notify()"},
    {"condition", "broadcast", "c:notify_all()"},
    {"condition", "notifyAll", "c:notify_all()"},
    {"condition", "lock", "c:acquire()"},
    {"condition", "unlock", "c:release()"},
    {"semaphore", "wait", "s:acquire()"},
    {"semaphore", "post", "s:release()"},
    {"semaphore", "signal", "s:release()"},
    {"semaphore", "get_value", "s:value()"},
    {"event", "isSet", "e:is_set()"},
    {"event", "reset", "e:clear()"},
    {"event", "signal", "e:set()"},
    {"barrier", "n_waiting", "b.waiting"},
    {"pipe", "receive", "a:recv()"},
    {"pipe", "send_bytes", "a:send(text)"},
    {"pipe", "recv_bytes", "a:recv()"},
    {"pipe", "put", "a:send(v)"},
    {"pipe", "get", "a:recv()"},
    {"list", "extend", "for _, v in ipairs(t) do l:append(v) end"},
    {"list", "push", "l:append(v)"},
    {"list", "add", "l:append(v)"},
    {"list", "sort", "table.sort on a copy: t = {} for v in l:items() do t[#t + 1] = v end"},
    {"list", "reverse", "for i = #l, 1, -1 do ... l[i] ... end"},
    {"list", "index", "for i, v in ipairs(l) do ... end"},
    {"list", "count", "for v in l:items() do ... end"},
    {"value", "value", "v:get() and v:set(x)"},
    {"value", "get_lock", "v:add(n) or v:cas(old, new), which need no lock"},
    {"value", "increment", "v:add(1)"},
    {"value", "inc", "v:add(1)"},
    {"array", "get_obj", "a itself: a[i]"},
    {"array", "get_lock", "a:add(i, n) or a:cas(i, old, new), which need no lock"},
    {"option", "max_workers", "workers"},
    {"option", "processes", "workers"},
    {"option", "threads", "workers"},
    {"option", "maxtasksperchild", "max_tasks_per_worker"},
    {"option", "max_tasks_per_child", "max_tasks_per_worker"},
    {"option", "thread_name_prefix", "name"},
    {"option", "timeout", "task_timeout"},
    {"option", "size", "workers"},
    {"type", "b", "i8"},
    {"type", "B", "u8"},
    {"type", "h", "i16"},
    {"type", "H", "u16"},
    {"type", "i", "i32"},
    {"type", "I", "u32"},
    {"type", "l", "i64"},
    {"type", "L", "u64"},
    {"type", "q", "i64"},
    {"type", "Q", "u64"},
    {"type", "f", "f32"},
    {"type", "d", "f64"},
    {"type", "int", "i64"},
    {"type", "integer", "i64"},
    {"type", "float", "f64"},
    {"type", "double", "f64"},
    {"type", "number", "f64"},
    {"conrun", "Thread", "conrun.thread.start(fn, ...)"},
    {"conrun", "Process", "conrun.process.start(fn, ...)"},
    {"conrun", "Timer", "conrun.thread.timer(seconds, fn, ...)"},
    {"conrun", "Lock", "conrun.lock.new()"},
    {"conrun", "RLock", "conrun.lock.recursive()"},
    {"conrun", "Condition", "conrun.condition.new()"},
    {"conrun", "Semaphore", "conrun.semaphore.new(n)"},
    {"conrun", "BoundedSemaphore", "conrun.semaphore.bounded(n)"},
    {"conrun", "Event", "conrun.event.new()"},
    {"conrun", "Barrier", "conrun.barrier.new(parties)"},
    {"conrun", "Queue", "conrun.queue.new(maxsize)"},
    {"conrun", "SimpleQueue", "conrun.queue.new()"},
    {"conrun", "JoinableQueue", "conrun.queue.new(maxsize)"},
    {"conrun", "LifoQueue", "conrun.queue.lifo(maxsize)"},
    {"conrun", "PriorityQueue", "conrun.queue.priority(maxsize)"},
    {"conrun", "Pipe", "conrun.pipe.new()"},
    {"conrun", "Future", "conrun.future.new()"},
    {"conrun", "Pool", "conrun.pool.processes(n)"},
    {"conrun", "ThreadPool", "conrun.pool.threads(n)"},
    {"conrun", "ThreadPoolExecutor", "conrun.pool.threads(n)"},
    {"conrun", "ProcessPoolExecutor", "conrun.pool.processes(n)"},
    {"conrun", "Value", "conrun.shared.value(type, x)"},
    {"conrun", "Array", "conrun.shared.array(type, n)"},
    {"conrun", "Manager", "conrun.shared.dict() and conrun.shared.list(), which need no manager"},
    {"conrun", "SharedMemory", "conrun.shared.buffer(size)"},
    {"conrun", "as_completed", "conrun.future.as_completed(list)"},
    {"conrun", "wait", "conrun.future.wait(list)"},
    {"conrun", "current_thread", "conrun.current()"},
    {"conrun", "current_process", "conrun.current()"},
    {"conrun", "get_ident", "conrun.current().id"},
    {"conrun", "tqdm", "conrun.progress(xs)"},
    {"conrun", "spawn", "conrun.thread.start(fn, ...) or conrun.process.start(fn, ...)"},
    {"conrun", "map", "a pool: conrun.pool.threads(n):map(fn, xs)"},
    {"conrun.pool", "map", "a pool's method: conrun.pool.threads(n):map(fn, xs)"},
    {"conrun.pool", "submit", "a pool's method: conrun.pool.threads(n):submit(fn, ...)"},
    {"conrun.pool", "apply", "a pool's method: conrun.pool.threads(n):apply(fn, ...)"},
    {"conrun.pool", "Pool", "conrun.pool.processes(n)"},
    {"conrun.pool", "ThreadPoolExecutor", "conrun.pool.threads(n)"},
    {"conrun.pool", "ProcessPoolExecutor", "conrun.pool.processes(n)"},
    {"conrun.thread", "new", "conrun.thread.start(fn, ...)"},
    {"conrun.thread", "Thread", "conrun.thread.start(fn, ...)"},
    {"conrun.thread", "spawn", "conrun.thread.start(fn, ...)"},
    {"conrun.thread", "sleep", "conrun.sleep(seconds)"},
    {"conrun.thread", "Lock", "conrun.lock.new()"},
    {"conrun.process", "new", "conrun.process.start(fn, ...)"},
    {"conrun.process", "Process", "conrun.process.start(fn, ...)"},
    {"conrun.process", "spawn", "conrun.process.start(fn, ...)"},
    {"conrun.queue", "Queue", "conrun.queue.new(maxsize)"},
    {"conrun.shared", "Value", "conrun.shared.value(type, x)"},
    {"conrun.shared", "Array", "conrun.shared.array(type, n)"},
    {"conrun.shared", "List", "conrun.shared.list(t)"},
    {"conrun.shared", "Dict", "conrun.shared.dict(t)"},
    {"conrun.shared", "Manager",
     "conrun.shared.dict() and conrun.shared.list(), which need no manager"},
    {"conrun.log", "warning", "conrun.log.warn(format, ...)"},
    {"conrun.log", "critical", "conrun.log.error(format, ...)"},
    {"conrun.log", "exception", "conrun.log.error(format, ...)"},
    {"conrun.log", "basicConfig", "conrun.log.level(name) and conrun.log.to(path)"},
    {"conrun.log", "setLevel", "conrun.log.level(name)"},
    {"conrun.log", "getLogger", "conrun.log, which every strand has"},
    {"conrun.lock", "Lock", "conrun.lock.new()"},
    {"conrun.lock", "RLock", "conrun.lock.recursive()"},
    {NULL, NULL, NULL},
};

static const answer *find(const char *owner, const char *name) {
  for (const answer *a = answers; a->owner; a++)
    if (strcmp(a->name, name) == 0 && strcmp(a->owner, owner) == 0) return a;
  return NULL;
}

const char *cr_answer_find(const char *owner, const char *name) {
  const answer *a = find(owner, name);
  return a ? a->use : NULL;
}

int cr_answer_type(lua_State *L, const char *name, const char *known) {
  const char *use = cr_answer_find("type", name);
  const char *hint = use ? lua_pushfstring(L, ": use %s", use) : "";
  return cr_bad_argument(L, 1, lua_pushfstring(L, "unknown type '%s'%s (%s)", name, hint, known));
}

int cr_answer(lua_State *L, const char *owner) {
  const answer *a = lua_type(L, 2) == LUA_TSTRING ? find(owner, lua_tostring(L, 2)) : NULL;
  if (!a) return 0;
  bool module = strncmp(owner, "conrun", 6) == 0;
  cr_where(L);
  lua_pushfstring(L, "%s has no %s'%s': use %s", owner, module ? "" : "method ", a->name, a->use);
  lua_concat(L, 2);
  return lua_error(L);
}

static int missing(lua_State *L) { return cr_answer(L, lua_tostring(L, lua_upvalueindex(1))); }

void cr_answers_index(lua_State *L, const char *owner) {
  lua_pushstring(L, owner);
  lua_pushcclosure(L, missing, 1);
}

void cr_answers_methods(lua_State *L, const char *type) {
  lua_createtable(L, 0, 1);
  cr_answers_index(L, type);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
}

void cr_answers_module(lua_State *L, const char *name) {
  lua_createtable(L, 0, 2);
  cr_answers_index(L, name);
  lua_setfield(L, -2, "__index");
  lua_getfield(L, -2, "new");
  lua_setfield(L, -2, "__call");
  lua_setmetatable(L, -2);
}

void cr_called(lua_State *L, lua_CFunction new) {
  if (!lua_istable(L, 1) || luaL_getmetafield(L, 1, "__call") == LUA_TNIL) return;
  bool module = lua_tocfunction(L, -1) == new;
  lua_pop(L, 1);
  if (module) lua_remove(L, 1);
}

int cr_answers_list(lua_State *L) {
  lua_newtable(L);
  for (lua_Integer i = 0; answers[i].owner; i++) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, answers[i].owner);
    lua_setfield(L, -2, "owner");
    lua_pushstring(L, answers[i].name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, answers[i].use);
    lua_setfield(L, -2, "use");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}
