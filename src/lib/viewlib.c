/* SPDX-License-Identifier: MIT */
/*
** viewlib: what another program's shared memory says; module "conrun.core.view".
**
** For conrun --dump and --top (lua/conrun/view/).  Nothing of the other program is written,
** and nothing in it runs: see arena/view.c.  Here the copies become Lua tables; what the
** kernel knows of its processes is read in Lua.
**
** An object is shown if a strand has it in its hands, holds it or waits for it.  One that
** only a message or another object mentions is not: nobody can wait for it.
*/
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/lib.h"

#define VIEW "conrun.view"
#define MOST_OBJECTS 4096 /* of one strand that are looked at */

/* ---------------------------------------------------------------------- the layout */

/* All that is read below, and by the readers that this file calls: a field more or less, or
** at another place, changes the sum. */
uint64_t cr_view_layout(void) {
  const size_t all[] = {
      sizeof(cr_strand),
      offsetof(cr_strand, name),
      offsetof(cr_strand, waits_for),
      offsetof(cr_strand, where),
      offsetof(cr_strand, worker),
      offsetof(cr_strand, arena),
      cr_strands_start(),
      cr_strands_size(),
      sizeof(cr_root),
      sizeof(cr_arena_words),
      offsetof(cr_arena_words, first),
      sizeof(cr_holds),
      sizeof(cr_sync_words),
      sizeof(cr_worker_words),
      sizeof(cr_line_words),
      sizeof(cr_object),
      sizeof(cr_lock),
      offsetof(cr_lock, source),
      sizeof(cr_condition),
      sizeof(cr_semaphore),
      sizeof(cr_event),
      sizeof(cr_barrier),
      cr_queue_bytes(),
      sizeof(cr_future),
      offsetof(cr_future, number),
      sizeof(cr_worker),
      offsetof(cr_worker, name),
      sizeof(cr_pool),
      offsetof(cr_pool, completed),
      offsetof(cr_pool, name),
      sizeof(cr_cell),
      CR_TYPES,
      CR_ON_START,
  };
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    sum = (sum ^ all[i]) * 0x9e3779b97f4a7c15u;
  return sum;
}

/* ------------------------------------------------------------------------- fields */

static void put_integer(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

static void put_text(lua_State *L, const char *name, const char *text) {
  if (text[0] == '\0') return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void put_flag(lua_State *L, const char *name, bool yes) {
  lua_pushboolean(L, yes);
  lua_setfield(L, -2, name);
}

static void put_seconds(lua_State *L, const char *name, cr_time time) {
  lua_pushnumber(L, (lua_Number)time / 1e9);
  lua_setfield(L, -2, name);
}

/* ------------------------------------------------------------------------ objects */

/* The copies end inside the arena or not at all; a text is given an end. */
static void put_name(lua_State *L, char name[CR_NAME_MAX]) {
  name[CR_NAME_MAX - 1] = '\0';
  put_text(L, "name", name);
}

static void put_lock(lua_State *L, const cr_view *v, cr_lock *lock) {
  char where[CR_WHERE_MAX];
  lock->source[CR_SOURCE_MAX - 1] = '\0';
  const cr_strand *holder = cr_strand_in(v->strands, cr_lock_owner(lock));
  if (!holder) return;
  char name[CR_NAME_MAX];
  memcpy(name, holder->name, sizeof name);
  name[CR_NAME_MAX - 1] = '\0';
  put_text(L, "holder", name);
  put_text(L, "held", cr_lock_where(lock, "", where));
}

static void put_queue(lua_State *L, const cr_queue *q) {
  static const char *const orders[] = {
      [CR_FIFO] = "fifo", [CR_LIFO] = "lifo", [CR_PRIORITY] = "priority"};
  enum cr_queue_order order = cr_queue_kind(q);
  if (order <= CR_PRIORITY) put_text(L, "order", orders[order]);
  put_integer(L, "size", cr_queue_size(q));
  if (cr_queue_maxsize(q)) put_integer(L, "maxsize", cr_queue_maxsize(q));
  put_flag(L, "closed", cr_queue_closed(q));
}

static void put_pool(lua_State *L, cr_pool *p) {
  static const char *const states[] = {[CR_POOL_OPEN] = "open",
                                       [CR_POOL_CLOSED] = "closed",
                                       [CR_POOL_TERMINATED] = "terminated",
                                       [CR_POOL_BROKEN] = "broken"};
  uint64_t state = atomic_load(&p->state);
  put_name(L, p->name);
  put_text(L, "kind", p->kind == CR_PROCESS ? "process" : "thread");
  if (state <= CR_POOL_BROKEN) put_text(L, "state", states[state]);
  put_integer(L, "workers", p->workers_max);
  put_integer(L, "started", atomic_load(&p->workers));
  put_integer(L, "idle", atomic_load(&p->idle));
  put_integer(L, "running", atomic_load(&p->running));
  put_integer(L, "queued", atomic_load(&p->queued));
  uint64_t failed = atomic_load(&p->failed), all = atomic_load(&p->completed);
  put_integer(L, "done", all > failed ? all - failed : 0); /* it may be counting just now */
  put_integer(L, "failed", failed);
}

/* A copy of any of the objects whose inside is told. */
typedef union copy {
  cr_object object;
  cr_lock lock;
  cr_semaphore semaphore;
  cr_event event;
  cr_barrier barrier;
  cr_pool pool;
  char queue[1024];
} copy;

static size_t bytes_of(uint32_t type) {
  switch (type) {
  case CR_LOCK: return sizeof(cr_lock);
  case CR_SEMAPHORE: return sizeof(cr_semaphore);
  case CR_EVENT: return sizeof(cr_event);
  case CR_BARRIER: return sizeof(cr_barrier);
  case CR_QUEUE: return cr_queue_bytes();
  case CR_POOL: return sizeof(cr_pool);
  default: return sizeof(cr_object);
  }
}

static void put_inside(lua_State *L, const cr_view *v, copy *c) {
  switch (c->object.type) {
  case CR_LOCK: put_lock(L, v, &c->lock); break;
  case CR_SEMAPHORE: put_integer(L, "value", atomic_load(&c->semaphore.value)); break;
  case CR_EVENT: put_flag(L, "set", cr_event_is_set(&c->event)); break;
  case CR_BARRIER:
    put_integer(L, "arrived", cr_barrier_waiting(&c->barrier));
    put_integer(L, "parties", c->barrier.parties);
    put_flag(L, "broken", cr_barrier_broken(&c->barrier));
    break;
  case CR_QUEUE: put_queue(L, (const cr_queue *)(const void *)c->queue); break;
  case CR_POOL: put_pool(L, &c->pool); break;
  default: break;
  }
}

/* What is told of an object by itself, and not only where a strand waits for it: there may be
** a hundred thousand futures. */
static bool is_told(uint32_t type) {
  return type == CR_LOCK || type == CR_CONDITION || type == CR_SEMAPHORE || type == CR_EVENT ||
         type == CR_BARRIER || type == CR_QUEUE || type == CR_POOL;
}

/* The stack below is, at fixed places: the objects by their address, and as a list. */
typedef struct look {
  lua_State *L;
  const cr_view *v;
  int known, list;
} look;

static void push_object(look *k, copy *c) {
  lua_State *L = k->L;
  lua_createtable(L, 0, 8);
  put_text(L, "type", cr_type_name((enum cr_type_id)c->object.type));
  put_integer(L, "id", c->object.serial);
  put_inside(L, k->v, c);
}

static void note_object(void *arg, uint64_t address) {
  look *k = arg;
  copy c;
  if (lua_rawgeti(k->L, k->known, (lua_Integer)address) == LUA_TNIL) {
    bool told = cr_peek(k->v, address, &c.object, sizeof c.object) && is_told(c.object.type) &&
                c.object.serial != 0 && cr_peek(k->v, address, &c, bytes_of(c.object.type));
    if (told && is_told(c.object.type)) {
      push_object(k, &c);
      lua_rawseti(k->L, k->list, (lua_Integer)lua_rawlen(k->L, k->list) + 1);
    }
    lua_pushboolean(k->L, told);
    lua_rawseti(k->L, k->known, (lua_Integer)address);
  }
  lua_pop(k->L, 1);
}

/* ------------------------------------------------------------------------ strands */

static void put_wait(lua_State *L, const cr_sight *x, cr_time now) {
  lua_createtable(L, 0, 8);
  put_text(L, "verb", cr_verb(x->what));
  put_seconds(L, "seconds", now > x->since ? now - x->since : 0);
  if (x->what == CR_ON_WORKER && !x->object) put_flag(L, "workers", true);
  if (x->type) put_text(L, "type", cr_type_name(x->type));
  if (x->serial) put_integer(L, "id", x->serial);
  put_text(L, "target", x->target);
  if (x->holder) put_text(L, "holder", x->holder_name);
  put_text(L, "held", x->held);
  lua_setfield(L, -2, "waits");
}

static void put_locks(look *k, const cr_strand *s) {
  cr_lock lock;
  uint64_t at = 0;
  char where[CR_WHERE_MAX];
  lua_newtable(k->L);
  for (int n = 1; n <= MOST_OBJECTS && cr_lock_next(k->v, s, &at, &lock); n++) {
    lock.source[CR_SOURCE_MAX - 1] = '\0';
    lua_createtable(k->L, 0, 2);
    put_integer(k->L, "lock", lock.object.serial);
    put_text(k->L, "where", cr_lock_where(&lock, "", where));
    lua_rawseti(k->L, -2, n);
    note_object(k, at);
  }
  lua_setfield(k->L, -2, "holds");
}

static void put_task(look *k, const cr_strand *s) {
  uint64_t pool = atomic_load(&cr_in_worker(s)->serves);
  cr_future *f = future_of(s), task;
  copy c;
  if (!pool || !cr_peek(k->v, pool, &c, sizeof c.pool) || c.object.type != CR_POOL) return;
  note_object(k, pool);
  put_integer(k->L, "pool", c.object.serial);
  if (f && cr_peek(k->v, cr_word(f), &task, sizeof task) && task.object.type == CR_FUTURE)
    put_integer(k->L, "task", task.number);
}

static const char *phase(enum cr_strand_state state) {
  return state == CR_RUNNING ? "running" : state == CR_DYING ? "ending" : "starting";
}

static void put_strand(look *k, cr_strand *s, const cr_sight *x, cr_time now) {
  lua_State *L = k->L;
  lua_createtable(L, 0, 16);
  put_integer(L, "id", x->id);
  put_text(L, "name", x->name);
  if (x->kind <= CR_KEEPER) put_text(L, "kind", cr_kind_names[x->kind]);
  put_text(L, "state", phase(x->state));
  put_flag(L, "daemon", x->daemon);
  put_integer(L, "pid", (uint64_t)x->pid);
  put_integer(L, "tid", (uint64_t)x->tid);
  put_text(L, "where", x->where);
  if (x->state == CR_RUNNING) {
    if (x->what != CR_NOTHING) put_wait(L, x, now);
    if (x->object) note_object(k, x->object);
    put_locks(k, s);
    put_task(k, s);
  }
}

/* The keeper is no strand of the program. */
static bool is_shown(const cr_sight *x) { return x->state >= CR_BORN && x->kind != CR_KEEPER; }

static bool put_strands(look *k, cr_time now) {
  bool all = true;
  int n = 0;
  lua_newtable(k->L);
  for (uint32_t i = 0; i < k->v->top; i++) {
    cr_strand *s = &k->v->strands[i];
    cr_sight x;
    cr_sight_take(k->v, s, &x);
    if (!is_shown(&x)) continue;
    put_strand(k, s, &x, now);
    lua_rawseti(k->L, -2, ++n);
    all &= cr_view_holdings(k->v, s, MOST_OBJECTS, note_object, k);
  }
  return all;
}

/* ---------------------------------------------------------------------- the module */

static cr_view *check(lua_State *L) {
  cr_view *v = luaL_checkudata(L, 1, VIEW);
  luaL_argcheck(L, v->fd >= 0, 1, "closed view");
  return v;
}

/* look(view) -> { pid, version, uptime, used, limit, strands, objects, partial }; nil: it
** cannot be read any more */
static int m_look(lua_State *L) {
  cr_view *v = check(L);
  if (cr_view_look(v) != 0) return 0;
  cr_time now = cr_clock();
  uint64_t limit, used = cr_view_used(v, &limit);
  lua_settop(L, 1);
  lua_newtable(L);
  lua_newtable(L);
  look k = {L, v, 2, 3};
  lua_createtable(L, 0, 8);
  bool all = put_strands(&k, now);
  lua_setfield(L, 4, "strands");
  lua_pushvalue(L, k.list);
  lua_setfield(L, 4, "objects");
  put_flag(L, "partial", !all);
  put_text(L, "version", v->face.version);
  put_integer(L, "pid", (uint64_t)atomic_load(&cr_view_root(v)->main_pid));
  put_seconds(L, "uptime", now - v->face.born);
  put_integer(L, "used", used);
  if (limit) put_integer(L, "limit", limit);
  return 1;
}

static int m_close(lua_State *L) {
  cr_view_close(luaL_checkudata(L, 1, VIEW));
  return 0;
}

static bool is_arena_link(int folder, const char *name) {
  static const char wanted[] = "/memfd:conrun";
  char target[64];
  ssize_t n = readlinkat(folder, name, target, sizeof target);
  return n >= (ssize_t)sizeof wanted - 1 && memcmp(target, wanted, sizeof wanted - 1) == 0;
}

/* Opens the arena among the files of a process: 0, ENOEXEC: it has none, EPROTO, or what was
** in the way of looking. */
static int open_view(cr_view *v, const char *path) {
  DIR *folder = opendir(path);
  struct dirent *entry;
  int error = folder ? ENOEXEC : errno;
  while (folder && error == ENOEXEC && (entry = readdir(folder))) {
    if (!is_arena_link(dirfd(folder), entry->d_name)) continue;
    int fd = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC);
    error = fd < 0 ? errno : cr_view_open(v, fd, cr_view_layout());
    if (error == ENOEXEC) cr_view_close(v);
  }
  if (folder) closedir(folder);
  return error;
}

/* open(pid) -> view, inode of its memory | nil, reason, detail */
static int view_open(lua_State *L) {
  lua_Integer pid = luaL_checkinteger(L, 1);
  cr_view *v = lua_newuserdatauv(L, sizeof *v, 0);
  struct stat st;
  char path[64];
  *v = (cr_view){.fd = -1};
  luaL_setmetatable(L, VIEW);
  snprintf(path, sizeof path, "/proc/%lld/fd", (long long)pid);
  int error = open_view(v, path);
  if (error == 0 && fstat(v->fd, &st) == 0) {
    lua_pushinteger(L, (lua_Integer)st.st_ino);
    return 2;
  }
  lua_pushnil(L);
  switch (error) {
  case ENOEXEC: lua_pushliteral(L, "other"); break;
  case EPROTO: lua_pushliteral(L, "version"); break;
  case ENOENT: lua_pushliteral(L, "absent"); break;
  case EACCES:
  case EPERM: lua_pushliteral(L, "denied"); break;
  default: lua_pushstring(L, strerror(error)); break;
  }
  lua_pushstring(L, error == EPROTO ? v->face.version : "");
  cr_view_close(v);
  return 3;
}

/* processes() -> the ids of all that this user may look at, but those of this program */
static int processes(lua_State *L) {
  DIR *folder = opendir("/proc");
  struct dirent *entry;
  struct stat st;
  int n = 0;
  lua_newtable(L);
  while (folder && (entry = readdir(folder))) {
    long pid = strtol(entry->d_name, NULL, 10);
    if (pid <= 0 || pid == getpid() || fstatat(dirfd(folder), entry->d_name, &st, 0) != 0) continue;
    if (geteuid() != 0 && st.st_uid != geteuid()) continue;
    lua_pushinteger(L, pid);
    lua_rawseti(L, -2, ++n);
  }
  if (folder) closedir(folder);
  return 1;
}

/* owner(pid) -> the number of its user; nil: it is gone */
static int owner(lua_State *L) {
  struct stat st;
  char path[64];
  snprintf(path, sizeof path, "/proc/%lld", (long long)luaL_checkinteger(L, 1));
  if (stat(path, &st) != 0) return 0;
  lua_pushinteger(L, st.st_uid);
  return 1;
}

/* The mask of the signals that a process has handlers for. */
static uint64_t caught(lua_Integer pid) {
  char path[64], line[256];
  unsigned long long mask = 0;
  snprintf(path, sizeof path, "/proc/%lld/status", (long long)pid);
  FILE *file = fopen(path, "re");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "SigCgt: %llx", &mask) == 1) break; // NOLINT(cert-err34-c): of the kernel
  if (file) fclose(file);
  return mask;
}

/* ask(pid) -> has the program been asked for its stacks?  SIGQUIT would end one that does not
** listen, or another that has the number by now: hence the descriptor of the process, where
** the kernel has such. */
static int ask(lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  bool by_number = fd < 0 && (errno == ENOSYS || errno == EPERM);
  bool listens = caught(pid) >> (SIGQUIT - 1) & 1;
  if (listens && by_number)
    listens = kill(pid, SIGQUIT) == 0;
  else if (listens)
    listens = syscall(SYS_pidfd_send_signal, fd, SIGQUIT, NULL, 0) == 0;
  if (fd >= 0) close(fd);
  lua_pushboolean(L, listens);
  return 1;
}

/* target(path) -> what a link points at; nil */
static int target(lua_State *L) {
  char to[PATH_MAX];
  ssize_t n = readlink(luaL_checkstring(L, 1), to, sizeof to);
  if (n < 0) return 0;
  lua_pushlstring(L, to, (size_t)n);
  return 1;
}

static const luaL_Reg functions[] = {{"open", view_open}, {"processes", processes},
                                     {"owner", owner},    {"ask", ask},
                                     {"target", target},  {NULL, NULL}};

static const luaL_Reg methods[] = {{"look", m_look}, {"close", m_close}, {NULL, NULL}};

int luaopen_conrun_core_view(lua_State *L) {
  cr_check(cr_queue_bytes() <= sizeof(copy));
  luaL_newmetatable(L, VIEW);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, m_close);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
