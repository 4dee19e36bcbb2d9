/* SPDX-License-Identifier: MIT */
/*
** describe: a strand in words: what it does or waits for, since when, what it holds.
**
** For the report of a deadlock and for SIGQUIT.  Everything is read from the
** strand's record while the strand runs (sight.c), so a line is true of about now and not
** of one instant: the worst that a race does is a line about something that is over.
**
** All of it may run in a signal handler that came at any instruction: it takes no
** lock, allocates nothing and formats no floating point, for which the C library
** may allocate.
*/
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/inside.h"

void text_put(text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->room + t->length, t->size - t->length, format, args);
  va_end(args);
  if (n > 0) t->length += (size_t)n < t->size - t->length ? (size_t)n : t->size - t->length - 1;
}

/* The flag comes first, so that of two strands one begins the line. */
void cr_bars_pass(void) {
  _Atomic uint32_t *bars = &cr_worker_root()->bars;
  uint32_t rows = atomic_load(bars);
  while (rows > 0 && !(rows & CR_BARS_PASSED))
    if (atomic_compare_exchange_weak(bars, &rows, 1 | CR_BARS_PASSED)) {
      while (write(STDERR_FILENO, "\n", 1) < 0 && errno == EINTR) {}
      return;
    }
}

void text_write(text *t) {
  size_t done = 0;
  if (t->length > 0) cr_bars_pass();
  while (done < t->length) {
    ssize_t n = write(STDERR_FILENO, t->room + done, t->length - done);
    if (n < 0 && errno != EINTR) break; /* nobody reads it */
    if (n > 0) done += (size_t)n;
  }
  t->length = 0;
}

/* ------------------------------------------------------------------- waiting */

static void put_object(text *t, const cr_sight *x) {
  if (x->what == CR_ON_WORKER && !x->object)
    text_put(t, "the end of its workers");
  else if (x->what == CR_ON_WORKER)
    text_put(t, "the end of '%s'", x->target);
  else if (x->type)
    text_put(t, "%s %lu (%s)", cr_type_name(x->type), (unsigned long)x->serial, cr_verb(x->what));
  else
    text_put(t, "%s", cr_verb(x->what));
  if (x->holder)
    text_put(t, ", held by '%s'%s%s", x->holder_name, x->held[0] ? " since " : "", x->held);
}

void text_object(text *t, cr_strand *s) {
  cr_sight x;
  cr_sight_take(NULL, s, &x);
  put_object(t, &x);
}

static void put_seconds(text *t, cr_time since) {
  long tenths = (long)((cr_clock() - since) / 100000000);
  text_put(t, ", for %ld.%ld s", tenths / 10, tenths % 10);
}

/* ------------------------------------------------------------------- holding */

#define MOST_LOCKS 16 /* of one strand that are named */

static void put_lock(text *t, const cr_lock *l) {
  char taken[CR_WHERE_MAX];
  text_put(t, "    holds lock %lu%s\n", (unsigned long)l->object.serial,
           cr_lock_where(l, ", taken at ", taken));
}

static void put_locks(text *t, const cr_strand *s) {
  cr_lock lock;
  uint64_t at = 0;
  for (int n = 0; cr_lock_next(NULL, s, &at, &lock); n++) {
    if (n == MOST_LOCKS) {
      text_put(t, "    holds more locks\n");
      return;
    }
    put_lock(t, &lock);
  }
}

/* --------------------------------------------------------------------- strands */

void text_name(text *t, cr_strand *s) {
  uint32_t kind = atomic_load(&s->kind);
  text_put(t, "  %s '%.*s'", kind == CR_MAIN ? "strand" : cr_kind_names[kind], CR_NAME_MAX,
           s->name);
}

void text_waiter(text *t, cr_strand *s) {
  cr_sight x;
  cr_sight_take(NULL, s, &x);
  text_name(t, s);
  text_put(t, " waits for ");
  put_object(t, &x);
  if (x.where[0]) text_put(t, ", at %s", x.where);
  put_seconds(t, x.since);
  text_put(t, "\n");
  put_locks(t, s);
}

/* What the kernel says of its thread.  The letter: R runs, S and D are in a system call,
** '?': it cannot be found out. */
typedef struct kernel {
  char letter;
  unsigned flags;
} kernel;
#define EXITING 4u /* the kernel's PF_EXITING: it ends, whatever it sleeps for meanwhile */

static kernel ask_kernel(const cr_strand *s) {
  char path[64], line[256];
  kernel k = {'?', 0};
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", atomic_load(&s->pid), atomic_load(&s->tid));
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
  if (fd >= 0) close(fd);
  line[n > 0 ? n : 0] = '\0';
  const char *at = strrchr(line, ')'); /* the name before it may hold anything */
  if (!at || at[1] != ' ') return k;
  k.letter = *(at += 2);
  for (int field = 0; field < 6 && at; field++) at = strchr(at + 1, ' ');
  if (at) k.flags = (unsigned)strtoul(at, NULL, 10);
  return k;
}

/* A signal that ends a process has woken it up before whoever sent it goes on. */
bool kernel_sleeps(const cr_strand *s) {
  kernel k = ask_kernel(s);
  /* Gone, or there is no /proc; but who must not look does not know (walls.c). */
  if (k.letter == '?') return access("/proc/self/stat", F_OK) != 0 && errno == ENOENT;
  return strchr("STt", k.letter) && !(k.flags & EXITING);
}

/* Tells of one that does not wait in conrun; true: it runs code that can be nudged. */
static bool put_busy(text *t, cr_strand *s) {
  int state = s == cr_me ? 'R' : ask_kernel(s).letter;
  bool calls = state == 'S' || state == 'D';
  text_name(t, s);
  text_put(t,
           calls ? " is in a system call; its stack follows when that returns\n" : " is at work\n");
  put_locks(t, s);
  return state == 'R';
}

/* A text of at most PIPE_BUF bytes goes into a pipe in one piece. */
static void write_early(text *t) {
  if (t->length > t->size / 2) text_write(t);
}

static bool is_shown(const cr_strand *s) {
  return s->kind != CR_KEEPER && cr_strand_state(s) == CR_RUNNING;
}

/* A thread in a system call is not nudged: calls that wait for a time, or for one of
** several things, end with EINTR whatever the signal, and the program would go on in
** another way than without our question.  One that has just begun to read or to open
** something goes on with that. */
static void nudge(const cr_strand *s) {
  int pid = atomic_load(&s->pid), tid = atomic_load(&s->tid);
  if (pid > 0 && tid > 0) syscall(SYS_tgkill, pid, tid, CR_SIGNAL_ASK);
}

static void show(text *t, cr_strand *s) {
  bool waits = atomic_load(&s->waits_what) != CR_NOTHING, runs = false;
  if (waits)
    text_waiter(t, s);
  else
    runs = put_busy(t, s);
  write_early(t);
  if (s == cr_me || atomic_load(&s->waits_what) == CR_ON_TASK) return; /* idle: no stack */
  cr_dump_ask(s);
  if (runs) nudge(s);
}

void cr_strands_show(void) {
  char room[PIPE_BUF];
  text t = {room, sizeof room, 0};
  uint32_t shown = 0;
  cr_for_strands(s) shown += is_shown(s);
  text_put(&t, "conrun: %u %s\n", shown, shown == 1 ? "strand" : "strands");
  cr_for_strands(s)
    if (is_shown(s)) show(&t, s);
  text_write(&t);
}
