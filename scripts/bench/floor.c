/* SPDX-License-Identifier: MIT */
/*
** floor: what the machine itself allows, measured in the same run.
**
** Each workload here does the least that any implementation must do: a thread
** with a bare Lua state, a fork, a ring between two cores, an uncontended call
** through Lua's API.  It is one of the benchmark's sides (see sides.lua): a
** request is a line "NAME COUNT [TEXT]" on stdin, the answer a line
** "VALUE CHECK" on stdout, or "error REASON".  VALUE is seconds for COUNT
** items unless the workload says otherwise; CHECK is what proves the work.
**
** "spawn" is the odd one out: it times whole programs, conrun's and the peers'
** alike, so that no shell or interpreter stands between the clock and them.
**
** Refused: tuning.  A floor that needs tricks is no floor that others can reach.
*/
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <linux/futex.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void answer(double value, long long check) { printf("%.9f %lld\n", value, check); }

static void fail(const char *what) { printf("error %s: %s\n", what, strerror(errno)); }

/* Starts a thread or ends the program: the driver then sees the side as failed. */
static pthread_t start(void *(*body)(void *), void *argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, body, argument)) abort();
  return thread;
}

/* ------------------------------------------------------------------- births */

static void *live_with_state(void *count) {
  lua_State *L = luaL_newstate();
  if (!L) return NULL;
  luaL_openlibs(L);
  ++*(long long *)count;
  lua_close(L);
  return NULL;
}

static void thread_state(long n, const char *text) {
  (void)text;
  long long born = 0;
  double started = now();
  for (long i = 0; i < n; i++) pthread_join(start(live_with_state, &born), NULL);
  answer(now() - started, born);
}

static void fork_wait(long n, const char *text) {
  (void)text;
  long long good = 0;
  double started = now();
  for (long i = 0; i < n; i++) {
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0) good++;
  }
  answer(now() - started, good);
}

/* ------------------------------------------------------- between two threads */

/* A ring of one writer and one reader.  Each index has one writer: `head` is the
** producer's, `tail` the consumer's; an item is stored before the index that
** publishes it (release), and read after that index was seen (acquire). */
enum {
  RING = 1024
};
static struct ring {
  _Alignas(64) atomic_long head;
  _Alignas(64) atomic_long tail;
  _Alignas(64) long slot[RING];
} ring;

static void *produce(void *count) {
  long n = *(long *)count;
  for (long i = 0; i < n; i++) {
    while (i - atomic_load_explicit(&ring.tail, memory_order_acquire) >= RING) sched_yield();
    ring.slot[i % RING] = i + 1;
    atomic_store_explicit(&ring.head, i + 1, memory_order_release);
  }
  return NULL;
}

static void through_ring(long n, const char *text) {
  (void)text;
  long long sum = 0;
  atomic_store(&ring.head, 0);
  atomic_store(&ring.tail, 0);
  double started = now();
  pthread_t producer = start(produce, &n);
  for (long i = 0; i < n; i++) {
    while (atomic_load_explicit(&ring.head, memory_order_acquire) <= i) sched_yield();
    sum += ring.slot[i % RING];
    atomic_store_explicit(&ring.tail, i + 1, memory_order_release);
  }
  double taken = now() - started;
  pthread_join(producer, NULL);
  answer(taken, sum);
}

/* Two threads on one core hand one word to and fro: 0 is ours, 1 is theirs. */
static struct {
  _Alignas(64) atomic_int turn;
  long n;
} table;

static void play(int mine, long n) {
  for (long i = 0; i < n; i++) {
    while (atomic_load(&table.turn) != mine)
      syscall(SYS_futex, &table.turn, FUTEX_WAIT_PRIVATE, !mine, NULL, NULL, 0);
    atomic_store(&table.turn, !mine);
    syscall(SYS_futex, &table.turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  }
}

static void *play_other(void *unused) {
  (void)unused;
  play(1, table.n);
  return NULL;
}

static void ping_pong(long n, const char *text) {
  (void)text;
  cpu_set_t all, one;
  sched_getaffinity(0, sizeof all, &all);
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one); /* the other thread inherits it */
  table.n = n;
  atomic_store(&table.turn, 0);
  double started = now();
  pthread_t other = start(play_other, NULL);
  play(0, n);
  pthread_join(other, NULL);
  double taken = now() - started;
  sched_setaffinity(0, sizeof all, &all);
  answer(taken, n);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long long guarded; /* under mutex */
static atomic_llong shared;

static void *count_locked(void *count) {
  for (long i = *(long *)count; i > 0; i--) {
    pthread_mutex_lock(&mutex);
    guarded++;
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

static void *count_atomic(void *count) {
  for (long i = *(long *)count; i > 0; i--) atomic_fetch_add(&shared, 1);
  return NULL;
}

static double two_threads(void *(*body)(void *), long each) {
  double started = now();
  pthread_t other = start(body, &each);
  body(&each);
  pthread_join(other, NULL);
  return now() - started;
}

static void counter(long n, const char *text) {
  (void)text;
  guarded = 0;
  double taken = two_threads(count_locked, n / 2);
  answer(taken, guarded);
}

static void adder(long n, const char *text) {
  (void)text;
  atomic_store(&shared, 0);
  double taken = two_threads(count_atomic, n / 2);
  answer(taken, atomic_load(&shared));
}

/* --------------------------------------------------------------- processors */

static long fib(long n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static void *fib_four(void *argument) {
  volatile long n = *(long *)argument;
  long sum = 0;
  for (int i = 0; i < 4; i++) sum += fib(n);
  *(long *)argument = sum;
  return NULL;
}

/* How many times faster two threads do eight calls than one does: what the
** machine gives at this moment.  VALUE is that factor. */
static void two_cores(long n, const char *text) {
  (void)text;
  long alone[2] = {n, n}, a = n, b = n;
  double started = now();
  fib_four(&alone[0]);
  fib_four(&alone[1]);
  double one = now() - started;
  started = now();
  pthread_t other = start(fib_four, &a);
  fib_four(&b);
  pthread_join(other, NULL);
  double two = now() - started;
  answer(one / two, a + b);
}

static void copy(long n, const char *text) {
  (void)text;
  char *from = malloc((size_t)n), *to = malloc((size_t)n);
  if (!from || !to) abort();
  memset(from, 'x', (size_t)n);
  memset(to, 0, (size_t)n);
  double started = now();
  memcpy(to, from, (size_t)n);
  double taken = now() - started;
  long long same = memcmp(from, to, (size_t)n) == 0 ? n : 0;
  free(from);
  free(to);
  answer(taken, same);
}

/* ------------------------------------------------------- through Lua's interface */

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

static int constant_index(lua_State *L) {
  lua_pushinteger(L, luaL_checkinteger(L, 2));
  return 1;
}

static int constant_newindex(lua_State *L) {
  luaL_checkinteger(L, 2);
  luaL_checkinteger(L, 3);
  return 0;
}

/* A string hashed to a number that the object keeps. */
static int get_hashed(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

static int set_hashed(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  return 0;
}

/* Userdata with empty methods, with an __index of its own, and with a hash. */
static void push_object(lua_State *L, const luaL_Reg *methods, const luaL_Reg *meta) {
  lua_newuserdatauv(L, 0, 1);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  lua_newtable(L);
  if (methods) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
  }
  if (meta) luaL_setfuncs(L, meta, 0);
  lua_setmetatable(L, -2);
}

static const luaL_Reg empty[] = {{"acquire", nothing}, {"release", nothing}, {NULL, NULL}};
static const luaL_Reg hashed[] = {{"get", get_hashed}, {"set", set_hashed}, {NULL, NULL}};
static const luaL_Reg indexed[] = {
    {"__index", constant_index}, {"__newindex", constant_newindex}, {NULL, NULL}};

static const struct {
  const char *name, *source;
} chunks[] = {
    {"methods", "local n, o = ... for _ = 1, n do o:acquire() o:release() end return n"},
    {"index", "local n, _, a = ... local s = 0 "
              "for _ = 1, n // 1000 do for i = 1, 1000 do s = s + a[i] end end return s"},
    {"newindex", "local n, _, a = ... "
                 "for turn = 1, n // 1000 do for i = 1, 1000 do a[i] = turn end end return n"},
    {"hash_get",
     "local n, _, _, d, keys = ... local s = 0 "
     "for i, key in ipairs(keys) do d:set(key, i) end "
     "for _ = 1, n // 1000 do for i = 1, 1000 do s = s + d:get(keys[i]) end end return s"},
    {"hash_set", "local n, _, _, d, keys = ... "
                 "for turn = 1, n // 1000 do for i = 1, 1000 do d:set(keys[i], turn) end end "
                 "return d:get(keys[1000])"},
    {"tables", "local n = ... local s = 0 for i = 1, n do "
               "local t = { id = 7, name = 'item', v = 0.5 } s = s + t.id end return s"},
    {"floats", "local n = ... local t = {} for i = 1, n do t[i] = i + 0.5 end return #t"},
    {NULL, NULL}};

static void push_keys(lua_State *L) {
  lua_newtable(L);
  for (int i = 1; i <= 1000; i++) {
    lua_pushfstring(L, "key %d", i);
    lua_rawseti(L, -2, i);
  }
}

static void run_chunk(const char *source, long n) {
  lua_State *L = luaL_newstate();
  if (!L) abort();
  luaL_openlibs(L);
  if (luaL_loadstring(L, source)) abort();
  lua_pushinteger(L, n);
  push_object(L, empty, NULL);
  push_object(L, NULL, indexed);
  push_object(L, hashed, NULL);
  push_keys(L);
  double started = now();
  if (lua_pcall(L, 5, 1, 0))
    printf("error %s\n", lua_tostring(L, -1));
  else
    answer(now() - started, lua_tointeger(L, -1));
  lua_close(L);
}

/* A worker's least work for each item of a map. */
static void protected_calls(long n, const char *text) {
  (void)text;
  lua_State *L = luaL_newstate();
  if (!L || luaL_dostring(L, "return function(n) return n * n end")) abort();
  long long sum = 0;
  double started = now();
  for (long i = 1; i <= n; i++) {
    lua_pushvalue(L, -1);
    lua_pushinteger(L, i);
    if (lua_pcall(L, 1, 1, 0)) abort();
    sum += lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  double taken = now() - started;
  lua_close(L);
  answer(taken, sum);
}

/* ------------------------------------------------------------------- memory */

/* The sum of the fields of a smaps_rollup whose names start so, in bytes. */
static long long memory_of(pid_t pid, const char *field) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
  FILE *file = fopen(path, "r");
  long long sum = 0, kilobytes;
  if (!file) return 0;
  while (fgets(line, sizeof line, file))
    if (strncmp(line, field, strlen(field)) == 0 && sscanf(line, "%*[^:]: %lld", &kilobytes) == 1)
      sum += kilobytes * 1024;
  fclose(file);
  return sum;
}

/* VALUE is bytes for COUNT states. */
static void state_memory(long n, const char *text) {
  (void)text;
  lua_State **states = calloc((size_t)n, sizeof *states);
  if (!states) abort();
  long long made = 0, before = memory_of(getpid(), "Rss");
  for (long i = 0; i < n; i++) {
    states[i] = luaL_newstate();
    if (!states[i]) continue;
    luaL_openlibs(states[i]);
    made++;
  }
  long long after = memory_of(getpid(), "Rss");
  for (long i = 0; i < n; i++)
    if (states[i]) lua_close(states[i]);
  free(states);
  answer((double)(after - before), made);
}

/* VALUE is private bytes of COUNT children that only wait to be released. */
static void fork_memory(long n, const char *text) {
  (void)text;
  int gate[2], ready[2];
  char byte = 0;
  if (pipe(gate) || pipe(ready)) return fail("pipe");
  pid_t *children = calloc((size_t)n, sizeof *children);
  if (!children) abort();
  long long private = 0, made = 0;
  for (long i = 0; i < n; i++) {
    children[i] = fork();
    if (children[i] == 0) {
      close(gate[1]);
      if (write(ready[1], &byte, 1) == 1 && read(gate[0], &byte, 1) == 0) _exit(0);
      _exit(1);
    }
    if (children[i] > 0 && read(ready[0], &byte, 1) == 1) made++;
  }
  for (long i = 0; i < n; i++)
    if (children[i] > 0) private += memory_of(children[i], "Private");
  close(gate[1]);
  for (long i = 0; i < n; i++)
    if (children[i] > 0) waitpid(children[i], NULL, 0);
  close(gate[0]);
  close(ready[0]);
  close(ready[1]);
  free(children);
  answer((double)private, made);
}

/* ----------------------------------------------------------------- programs */

enum {
  MOST_WORDS = 16,
  MOST_OUTPUT = 8192
};

/* Splits at tabs: words of a command may have blanks. */
static void split(char *text, char **words) {
  int n = 0;
  for (char *word = strtok(text, "\t"); word && n < MOST_WORDS - 1; word = strtok(NULL, "\t"))
    words[n++] = word;
  words[n] = NULL;
}

/* Runs a program and keeps the start of what it prints; its wait status. */
static int run_program(char **words, char *output) {
  int out[2], status = -1;
  if (pipe(out)) return -1;
  pid_t pid = vfork();
  if (pid == 0) {
    dup2(out[1], 1);
    close(out[0]);
    close(out[1]);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    execvp(words[0], words);
    _exit(127);
  }
  close(out[1]);
  size_t have = 0;
  ssize_t got;
  while ((got = read(out[0], output + have, MOST_OUTPUT - 1 - have)) > 0) have += (size_t)got;
  output[have] = 0;
  close(out[0]);
  if (pid > 0) waitpid(pid, &status, 0);
  return status;
}

/* CHECK is the last run's output, its newlines as tabs. */
static void spawn(long n, const char *text) {
  static char output[MOST_OUTPUT];
  char *words[MOST_WORDS], *command = strdup(text);
  if (!command) abort();
  split(command, words);
  int status = 0;
  double started = now();
  for (long i = 0; i < n && status == 0; i++) status = run_program(words, output);
  double taken = now() - started;
  if (status != 0) {
    printf("error '%s' ended with status %d\n", words[0], status);
  } else {
    for (char *c = output; *c; c++)
      if (*c == '\n') *c = '\t';
    printf("%.9f %s\n", taken, output);
  }
  free(command);
}

/* ------------------------------------------------------------------ requests */

static const struct {
  const char *name;
  void (*run)(long n, const char *text);
} workloads[] = {{"thread_state", thread_state},
                 {"fork", fork_wait},
                 {"ring", through_ring},
                 {"ping_pong", ping_pong},
                 {"counter", counter},
                 {"adder", adder},
                 {"two_cores", two_cores},
                 {"copy", copy},
                 {"pcall", protected_calls},
                 {"state_memory", state_memory},
                 {"fork_memory", fork_memory},
                 {"spawn", spawn},
                 {NULL, NULL}};

static bool run_workload(const char *name, long n, const char *text) {
  for (int i = 0; workloads[i].name; i++)
    if (strcmp(workloads[i].name, name) == 0) return workloads[i].run(n, text), true;
  for (int i = 0; chunks[i].name; i++)
    if (strcmp(chunks[i].name, name) == 0) return run_chunk(chunks[i].source, n), true;
  return false;
}

int main(void) {
  static char line[4096];
  char name[32];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    long n = 0;
    int end = 0;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%31s %ld %n", name, &n, &end) < 2 || !run_workload(name, n, line + end))
      printf("error unknown request '%s'\n", line);
  }
  return 0;
}
