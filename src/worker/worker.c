/* SPDX-License-Identifier: MIT */
/*
** worker: the worker object, and what can be done to a worker from outside.
*/
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/inside.h"

static void destroy(cr_object *o) {
  cr_worker *w = (cr_worker *)o;
  cr_object_disown(&w->call);
  cr_object_disown(&w->pool);
}

static void visit_field(cr_visit *v, _Atomic uint64_t *field) {
  cr_object *o = cr_at(cr_object, field);
  if (o) v->object(v, o);
}

static void visit(cr_object *o, cr_visit *v) {
  cr_worker *w = (cr_worker *)o;
  visit_field(v, &w->call);
  visit_field(v, &w->pool);
}

void cr_worker_register(void) {
  static const cr_type type = {.name = "worker", .destroy = destroy, .visit = visit};
  cr_type_register(CR_WORKER, &type);
  deadlock_watch();
  watch_begin();
  cr_lent.open_latches = zygote_open_latches;
}

static void name(cr_worker *w, const char *given) {
  cr_worker_part *root = cr_worker_root();
  bool thread = w->kind == CR_THREAD;
  if (given) {
    cr_name_set(w->name, given);
    return;
  }
  uint32_t n = atomic_fetch_add(thread ? &root->thread_number : &root->process_number, 1) + 1;
  snprintf(w->name, sizeof w->name, "%s-%u", thread ? "Thread" : "Process", n);
}

cr_worker *cr_worker_new(const cr_worker_options *o) {
  cr_worker *w = cr_object_new(CR_WORKER, sizeof *w);
  if (!w) return NULL;
  w->kind = o->kind;
  w->daemon = o->daemon;
  w->memory_limit = o->memory_limit;
  w->rights = o->rights;
  name(w, o->name);
  return w;
}

/* Undoes the first step of a birth: nobody but the caller knows the record.  If
** a process did take it up and died at once, its burial is under way; or it is over, and
** the record is another's. */
static void unmake(const cr_worker *w, cr_strand *s) {
  if (cr_strand_named(atomic_load(&w->strand)) != s) return;
  if (cr_strand_state(s) != CR_BORN || !cr_strand_claim(s)) return;
  cr_object_disown(&s->worker);
  cr_strand_free(s);
}

/* The finaliser of splitmix64: each bit of the sum changes half of the result. */
uint64_t cr_seed_derive(uint64_t seed, uint64_t n) {
  uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* The seed follows from the starter's and from how many it has started: the same in
** each run, whatever else goes on meanwhile.  Who starts a pool's worker, and when, is
** chance; its tasks bring seeds of their own (task/task.c). */
static uint64_t seed_for(const cr_worker *w) {
  if (atomic_load(&w->pool))
    return cr_seed_derive(~cr_in_worker(&cr_strands[0])->seed, w->object.serial);
  return cr_seed_derive(cr_in_worker(cr_me)->seed, ++cr_in_worker(cr_me)->children);
}

cr_strand *cr_worker_prepare(cr_worker *w) {
  cr_strand *s = cr_strand_new(w->kind, w->name);
  if (!s) return NULL;
  cr_in_worker(s)->seed = seed_for(w);
  s->daemon = w->daemon;
  atomic_store(&w->strand, cr_id_of(s));
  cr_object_share(&w->object, &s->worker);
  /* Last: the pool is there as long as the worker is, which the record holds by now. */
  atomic_store(&cr_in_worker(s)->serves, atomic_load(&w->pool));
  if (cr_ending()) cr_post(s, CR_END); /* too late to be told with all others */
  return s;
}

int cr_worker_launch(cr_worker *w, cr_strand *s) {
  if (w->kind == CR_PROCESS) atomic_store(&cr_worker_root()->processes, 1);
  cr_schedule_launch(s); /* first: a process may be dead and buried when it has started */
  int error = w->kind == CR_THREAD ? thread_start(s) : process_start(w, s);
  if (error) unmake(w, s);
  return error;
}

int cr_worker_start(cr_worker *w) {
  cr_strand *s = cr_worker_prepare(w);
  return s ? cr_worker_launch(w, s) : EAGAIN;
}

bool cr_worker_over(const cr_worker *w) { return atomic_load(&w->over) != 0; }

/* The strand of a worker that is not over; its record may be freed at any moment. */
static cr_strand *strand_of(cr_worker *w) {
  return cr_worker_over(w) ? NULL : cr_strand_named(atomic_load(&w->strand));
}

const char *cr_worker_state(cr_worker *w) {
  cr_strand *s = strand_of(w);
  if (!s) return cr_worker_over(w) ? "ended" : "starting";
  enum cr_what what = (enum cr_what)atomic_load(&s->waits_what);
  if (cr_strand_state(s) == CR_BORN) return "starting";
  if (what == CR_ON_TASK) return "idle";
  return what == CR_NOTHING ? "running" : "waiting";
}

static bool is_over(const void *w) { return cr_worker_over(w); }
static int attempt_join(void *w) { return is_over(w) ? 0 : EAGAIN; }

/* The end of a short thread is waited for awake.  Its record may be another strand's by
** now: then the processor is the wrong one, for the rest of a look. */
static int join_thread(cr_worker *w, cr_time deadline) {
  static cr_patience patience;
  cr_time start = cr_clock();
  const cr_strand *s = strand_of(w);
  int r = 0;
  if (!s || !cr_look(&patience, &s->cpu, is_over, w))
    r = cr_wait(CR_ON_WORKER, w, &w->ended, deadline, attempt_join, w);
  cr_look_learn(&patience, start);
  return r;
}

int cr_worker_join(cr_worker *w, cr_time deadline) {
  if (cr_self() == w) return EDEADLK;
  if (cr_worker_over(w)) return 0;
  if (w->kind == CR_THREAD && deadline > 0) return join_thread(w, deadline);
  return cr_wait(CR_ON_WORKER, w, &w->ended, deadline, attempt_join, w);
}

static void nudge(cr_id id) {
  cr_strand *s = cr_strand_named(id);
  int pid = s ? atomic_load(&s->pid) : 0, tid = s ? atomic_load(&s->tid) : 0;
  if (pid > 0 && tid > 0) syscall(SYS_tgkill, pid, tid, SIGURG);
}

/* The notice goes to that strand or to none.  A nudge may go astray: the thread that gets
** it looks up once for nothing. */
bool cr_strand_notify(cr_id id, uint32_t notices) {
  bool posted = cr_post_to(id, notices);
  if (posted) nudge(id);
  return posted;
}

int cr_worker_notify(cr_worker *w, uint32_t notices) {
  if (cr_worker_over(w)) return ESRCH;
  return cr_strand_notify(atomic_load(&w->strand), notices) ? 0 : ESRCH;
}

#define DYING_TIME 500000000 /* ns: a process may have an answer of its own to a signal */

void cr_burial_await(cr_id id) {
  cr_gate *gate = cr_strands_gate();
  cr_time deadline = cr_clock() + DYING_TIME;
  int r = cr_schedule_mine() ? 0 : ETIMEDOUT;
  while (r != ETIMEDOUT) {
    uint32_t seen = cr_gate_arm(gate);
    if (!cr_strand_named(id)) break;
    r = cr_gate_wait_outside(gate, seen, deadline);
  }
}

/* The zygote reaps a process after its burial.  So if the strand is not buried when the
** descriptor has been opened, that is its process's, and no signal goes to another that has
** the number by then.  Where there are no such descriptors the number has to do. */
int cr_strand_kill(cr_id id, int pid, int signal) {
  if (pid <= 0 || !cr_strand_named(id)) return ESRCH;
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return kill(pid, signal) == 0 ? 0 : errno;
  int r = cr_strand_named(id) ? 0 : ESRCH;
  if (r == 0 && syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) != 0) r = errno;
  close(fd);
  return r;
}

int cr_worker_kill(cr_worker *w, int signal) {
  if (w->kind != CR_PROCESS) return EINVAL;
  cr_id id = atomic_load(&w->strand);
  if (cr_worker_over(w)) return ESRCH;
  int r = cr_strand_kill(id, atomic_load(&w->pid), signal); /* it knows it before the record */
  if (r == 0) cr_burial_await(id);
  return r;
}
