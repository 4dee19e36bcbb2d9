/* SPDX-License-Identifier: MIT */
/*
** pool: the line of tasks, those who post to it and take from it, and its end.
**
** The line is a chain through the futures themselves; being in it is one
** reference.  It changes by one redo log under the pool's latch, so a task is in
** the line, or in a worker's hands, or (in a poster's hands) not yet posted.
**
** Who starts the workers, and when, is in staff.c.
**
** On the road of pool:map (pool.h) this is stage 3.
*/
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "line/inside.h"

void add(_Atomic uint64_t *counter, int64_t n) {
  uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
  atomic_store_explicit(counter, value + (uint64_t)n, memory_order_relaxed);
}

void count_finished(cr_pool *p, const cr_future *f) {
  add(&p->completed, 1);
  if (cr_future_state(f) == CR_FAILED) add(&p->failed, 1);
}

/* ------------------------------------------------------------------ the line */

cr_future *line_first(cr_pool *p) {
  for (size_t i = 0; i < CR_LANES; i++)
    if (cr_at(cr_future, &p->first[i])) return cr_at(cr_future, &p->first[i]);
  return NULL;
}

/* Logs that `f` goes to the front again: its worker died. */
void log_prepend(cr_pool *p, cr_future *f) {
  uint64_t next = atomic_load_explicit(&p->first[f->lane], memory_order_relaxed);
  cr_redo(&f->next_task, next);
  if (next == 0) cr_redo_pointer(&p->last[f->lane], f);
  cr_redo_pointer(&p->first[f->lane], f);
  cr_redo(&p->queued, atomic_load_explicit(&p->queued, memory_order_relaxed) + 1);
}

/* Logs that the first leaves; its reference goes to `place`, as `word`. */
void log_pop(cr_pool *p, cr_future *f, _Atomic uint64_t *place, uint64_t word) {
  uint64_t next = atomic_load_explicit(&f->next_task, memory_order_relaxed);
  cr_redo(&p->first[f->lane], next);
  if (next == 0) cr_redo(&p->last[f->lane], 0);
  cr_redo(&f->next_task, 0);
  cr_redo(&p->queued, atomic_load_explicit(&p->queued, memory_order_relaxed) - 1);
  cr_redo(place, word);
}

/* The first task, whose reference is in a note of the caller now, or NULL.  For tasks that
** nobody is to compute. */
static cr_future *pop(cr_pool *p) {
  cr_latch_take(&p->object.latch);
  cr_future *f = line_first(p);
  if (f) {
    log_pop(p, f, cr_note_place(), cr_debt_word(CR_OWE_TASK, f));
    cr_redo_commit();
    cr_noted();
  }
  cr_latch_drop(&p->object.latch);
  return f;
}

void settle_unrun(cr_future *f, const cr_value *error) {
  cr_value copy;
  bool failed = error && cr_value_copy(error, &copy) == 0;
  if (failed && cr_future_settle(f, CR_FAILED, &copy) != 0) cr_value_free(&copy);
  if (!failed) cr_future_cancel(f);
}

static const cr_value *error_of(cr_pool *p) {
  return atomic_load(&p->state) == CR_POOL_BROKEN ? &p->broken : NULL;
}

/* Settles all tasks in the line: with the error, or as cancelled.  Each goes by a note of
** the strand: whoever waits for it must be told, whatever happens to us.  Settling one may
** be the end of another pool, whose line is then cleared inside of this. */
void clear_line(cr_pool *p, const cr_value *error) {
  cr_future *f;
  while ((f = pop(p))) {
    _Atomic uint64_t *note = cr_last_note();
    (void)cr_fault("clear");
    settle_unrun(f, error);
    cr_object_disown(note);
    cr_unnote();
  }
  cr_gate_wake(&p->room, CR_ALL);
}

/* The pool is there: the dead strand has a reference to it, or was about to free it. */
static void pay_task(cr_strand *dead, _Atomic uint64_t *note) {
  cr_future *f = cr_owed(note);
  (void)dead;
  settle_unrun(f, error_of(cr_at(cr_pool, &f->pool)));
  cr_object_disown(note);
}

/* The line of a pool that is broken or terminated. */
static void clear_ended(cr_pool *p) {
  if (atomic_load(&p->state) >= CR_POOL_TERMINATED) clear_line(p, error_of(p));
}

/* -------------------------------------------------------------------- posting */

int refusal(const cr_pool *p) {
  if (cr_ending()) return ESHUTDOWN;
  switch (atomic_load(&p->state)) {
  case CR_POOL_OPEN: return 0;
  case CR_POOL_BROKEN: return EPIPE;
  default: return ESHUTDOWN;
  }
}

static cr_hold *hand(const cr_future *f) {
  return (cr_hold *)(void *)((char *)cr_held(f) - offsetof(cr_hold, what));
}

/* What a task gets that is still in the caller's hands, where nobody else sees it:
** the two references among it that it has once it is born, the line's and the
** caller's. */
static void make_ready(cr_pool *p, cr_future *f, const cr_future *next) {
  atomic_store_explicit(&f->pool, cr_word(p), memory_order_relaxed);
  atomic_store_explicit(&f->next_task, cr_word(next), memory_order_relaxed);
  atomic_store_explicit(&f->object.refs, 2, memory_order_relaxed);
  f->number = ++p->posted;
}

/* One redo log: all are born and in the line.  Until then they are in the caller's
** hands, and so go with it if it dies, whatever they have got. */
static void join_line(cr_pool *p, cr_future *const f[], size_t n, cr_hold *hold[]) {
  uint32_t lane = f[0]->lane; /* that of all */
  cr_future *last = cr_at(cr_future, &p->last[lane]);
  for (size_t i = 0; i < n; i++) make_ready(p, f[i], i + 1 < n ? f[i + 1] : NULL);
  for (size_t i = 0; i < n; i++) cr_redo_pointer(&(hold[i] = hand(f[i]))->what, f[i]);
  cr_redo_pointer(last ? &last->next_task : &p->first[lane], f[0]);
  cr_redo_pointer(&p->last[lane], f[n - 1]);
  cr_redo(&p->queued, atomic_load_explicit(&p->queued, memory_order_relaxed) + n);
  cr_redo_commit();
}
_Static_assert(CR_POST_MOST + 3 <= CR_REDO_MAX, "one redo log puts them all in the line");

/* The caller holds them. */
CR_TELLS static void tell_posted(const cr_pool *p, cr_future *const f[], size_t n, cr_time time) {
  for (size_t i = 0; i < n; i++)
    cr_trace(.time = time, .saw = CR_SAW_POST, .object = f[i]->object.serial,
             .number = p->object.serial);
}

static bool has_room(const cr_pool *p, size_t n) {
  return p->max_queued == 0 || atomic_load(&p->queued) + n <= p->max_queued ||
         atomic_load(&cr_in_worker(cr_me)->serves) == cr_word(p);
}

static int attempt_room(void *arg) { return refusal(arg) || has_room(arg, 1) ? 0 : EAGAIN; }

/* Everybody is woken who waits for room, so that nobody owes the others anything. */
int cr_pool_await_room(cr_pool *p, cr_time deadline) {
  if (attempt_room(p) == 0) return 0;
  return cr_wait(CR_ON_PUT, p, &p->room, deadline, attempt_room, p);
}

/* The code is shared before the pool's latch is taken, which all workers want. */
int cr_pool_post(cr_pool *p, cr_code *code, cr_future *const f[], size_t n, cr_hold *hold[]) {
  _Atomic uint64_t *field[CR_POST_MOST];
  cr_check(n > 0 && n <= CR_POST_MOST);
  cr_point(CR_AT_USE, p);
  for (size_t i = 0; i < n; i++) field[i] = &f[i]->code;
  cr_object_share_each(&code->object, field, n);
  cr_time time = cr_trace_time();
  cr_owe(CR_OWE_CARE, p);
  cr_latch_take(&p->object.latch);
  int r = refusal(p);
  if (r == 0 && !has_room(p, n)) r = EAGAIN;
  if (r == 0) join_line(p, f, n, hold);
  cr_latch_drop(&p->object.latch);
  if (r == 0) {
    cr_gate_wake(&p->work, 1);
    for (size_t i = 0; i < n; i++) start_if_needed(p);
  }
  cr_strike(CR_OWE_CARE, p);
  for (size_t i = 0; r == EAGAIN && i < n; i++) cr_object_disown(field[i]); /* until next time */
  if (r == 0 && cr_tracing()) tell_posted(p, f, n, time);
  return r;
}

/* --------------------------------------------------------------------- taking */

/* The calling worker, which did `before`, computes the first task; the pool's latch
** is held, as for the next one. */
static void begin(cr_pool *p, cr_future *f, cr_hold *hold, uint64_t before) {
  log_pop(p, f, &hold->what, cr_word(f));
  cr_redo_pointer(&cr_in_line(cr_me)->task, f);
  cr_redo_commit();
  if (before < DOING_TASK) add(&p->running, 1);
  if (before == DOING_WAIT) add(&p->idle, -1);
  atomic_store_explicit(&cr_in_line(cr_me)->settled, 0, memory_order_relaxed);
}

/* It has none, and waits for one or not. */
static void rest(cr_pool *p, uint64_t before, bool wait) {
  if (before >= DOING_TASK) add(&p->running, -1);
  if (wait && before != DOING_WAIT) add(&p->idle, 1);
  if (before != DOING_WAIT) doing(wait ? DOING_WAIT : DOING_NOTHING);
}

/* A task, or EAGAIN.  Counts the one that the worker has settled before, if any: a
** burial in between finds the strand at the one or at the other, and passes over
** what is settled.  Latch taken and dropped. */
static int try_take(cr_pool *p, cr_hold *hold) {
  bool bounded = p->max_queued > 0;
  if (bounded) cr_owe(CR_OWE_WAKE, &p->room);
  cr_latch_take(&p->object.latch);
  cr_future *f = line_first(p);
  uint64_t before = atomic_load_explicit(&cr_in_line(cr_me)->task, memory_order_relaxed);
  int r = f ? 0 : refusal(p) ? ESHUTDOWN : EAGAIN;
  if (atomic_load(&p->state) == CR_POOL_TERMINATED || cr_ending()) r = ESHUTDOWN;
  if (r == 0)
    begin(p, f, hold, before);
  else
    rest(p, before, r == EAGAIN);
  if (before >= DOING_TASK) count_finished(p, cr_to(cr_future, before));
  cr_latch_drop(&p->object.latch);
  if (bounded && r == 0) cr_gate_wake(&p->room, CR_ALL);
  if (bounded) cr_strike(CR_OWE_WAKE, &p->room);
  return r;
}

static int look_around(cr_pool *p, cr_hold *hold) {
  int r = EAGAIN;
  unsigned n = cr_spin_start();
  bool any = n > 0;
  while (r == EAGAIN && cr_spin(&n, 1))
    if (atomic_load_explicit(&p->queued, memory_order_relaxed) > 0) r = try_take(p, hold);
  if (any) cr_spin_learn(r != EAGAIN);
  return r;
}

static int wait_for_task(cr_pool *p, cr_hold *hold, cr_time patience) {
  int r = look_around(p, hold);
  if (r != EAGAIN) return r;
  cr_time until = patience == CR_FOREVER ? CR_FOREVER : cr_clock() + patience;
  cr_owe(CR_OWE_WAKE, &p->work);
  cr_wait_begin(CR_ON_TASK, p, &p->work);
  for (;;) {
    uint32_t seen = cr_gate_arm(&p->work);
    if ((r = try_take(p, hold)) != EAGAIN) break;
    if ((r = cr_gate_wait(&p->work, seen, until)) != 0) break;
  }
  cr_wait_end(r == 0);
  /* A wake-up goes to one sleeper, who answers for the rest (base.h): for a pool, too,
  ** that was closed after this one was woken and before it armed the gate again. */
  if (r == 0 && (atomic_load(&p->queued) > 0 || refusal(p))) cr_gate_wake(&p->work, 1);
  cr_strike(CR_OWE_WAKE, &p->work);
  return r;
}

/* No more idle: told to look up. */
static void stop_waiting(cr_pool *p) {
  cr_latch_take(&p->object.latch);
  if (atomic_load(&cr_in_line(cr_me)->task) == DOING_WAIT) add(&p->idle, -1);
  doing(DOING_NOTHING);
  cr_latch_drop(&p->object.latch);
}

static void forget_task(cr_pool *p, bool finished) {
  cr_latch_take(&p->object.latch);
  if (finished) count_finished(p, future_of(cr_me));
  doing(DOING_NOTHING);
  add(&p->running, -1);
  cr_latch_drop(&p->object.latch);
}

/* The first of the line, or waits for it.  The task before is let go between the two:
** nothing of it is kept while the worker sleeps. */
static int take(cr_pool *p, cr_hold *hold, cr_hold **before, cr_time patience) {
  int r = try_take(p, hold);
  if (*before) cr_object_drop(*before);
  *before = NULL;
  if (r == EAGAIN) r = wait_for_task(p, hold, patience);
  if (r != 0) {
    stop_waiting(p);
    cr_hold_unused(hold);
  }
  if (r == EINTR || r == ETIMEDOUT) start_if_needed(p); /* what it does instead may take long */
  return r;
}

/* A task that was cancelled while it was in the line is passed over. */
int cr_pool_take(cr_pool *p, cr_hold **task, cr_time patience) {
  cr_point(CR_AT_USE, p);
  for (;;) {
    cr_hold *hold = cr_hold_reserve();
    if (!hold) cr_pool_finished(p, task);
    int r = hold ? take(p, hold, task, patience) : ENOMEM;
    if (r != 0) return r;
    (void)cr_fault("task");
    if (cr_future_start(future_of(cr_me), cr_me) == 0) {
      *task = hold;
      return 0;
    }
    forget_task(p, false);
    cr_object_drop(hold);
  }
}

void cr_pool_finished(cr_pool *p, cr_hold **task) {
  (void)cr_fault("task");
  if (!*task) return;
  forget_task(p, true);
  cr_object_drop(*task);
  *task = NULL;
  start_if_needed(p); /* it has passed for about to be idle, and may do something else */
}

void cr_pool_helped(cr_pool *p, uint64_t outer) {
  cr_latch_take(&p->object.latch);
  count_finished(p, future_of(cr_me));
  doing(outer);
  atomic_store_explicit(&cr_in_line(cr_me)->settled, 0, memory_order_relaxed);
  cr_latch_drop(&p->object.latch);
  start_if_needed(p); /* as above */
}

/* ------------------------------------------------------------------------ end */

static void wake_all(cr_pool *p) {
  cr_gate_wake(&p->work, CR_ALL);
  cr_gate_wake(&p->rest, CR_ALL);
  cr_gate_wake(&p->room, CR_ALL);
}

static void change_state(cr_pool *p, enum cr_pool_state to) {
  cr_latch_take(&p->object.latch);
  if (atomic_load(&p->state) < to) atomic_store(&p->state, to);
  cr_latch_drop(&p->object.latch);
  wake_all(p);
}

void cr_pool_close(cr_pool *p) {
  cr_owe(CR_OWE_CARE, p);
  change_state(p, CR_POOL_CLOSED);
  start_if_needed(p);
  cr_strike(CR_OWE_CARE, p);
}

void cr_pool_cancel(cr_pool *p) {
  cr_owe(CR_OWE_CARE, p);
  clear_line(p, NULL);
  cr_strike(CR_OWE_CARE, p);
}

/* The record may be freed and taken by another strand while we look: the strand that
** serves this pool is meant, by its name. */
static void end_worker(cr_strand *s, void *arg) {
  cr_id id = cr_id_of(s);
  if (atomic_load(&cr_in_worker(s)->serves) != cr_word(arg)) return;
  int pid = atomic_load(&s->pid);
  bool killed = s->kind == CR_PROCESS && pid > 0 && cr_strand_kill(id, pid, SIGKILL) != EPERM;
  /* A carrier is told at its next wait, never in between: it has tasks in its hands. */
  if (killed)
    cr_burial_await(id);
  else if (((cr_pool *)arg)->far == CR_CARRIED)
    cr_post_to(id, CR_END);
  else
    cr_strand_notify(id, CR_END); /* also from behind walls, which let no kill out */
}

/* Can be repeated: whoever did it before, or broke the pool, may have died over it. */
void cr_pool_terminate(cr_pool *p) {
  cr_owe(CR_OWE_CARE, p);
  change_state(p, CR_POOL_TERMINATED);
  clear_ended(p);
  if (atomic_load(&p->state) == CR_POOL_TERMINATED) cr_roster_each(end_worker, p);
  cr_strike(CR_OWE_CARE, p);
}

void cr_pool_break(cr_pool *p, const char *why, const cr_value *error) {
  cr_value v;
  int r = error ? cr_value_copy(error, &v) : cr_encode_error("broken", why, NULL, &v);
  if (r != 0) v.head = CR_V_NONE;
  cr_owe(CR_OWE_CARE, p);
  cr_latch_take(&p->object.latch);
  bool first = atomic_load(&p->state) < CR_POOL_TERMINATED;
  if (first) {
    cr_value_log_put(&p->broken, &v);
    cr_redo(&p->state, CR_POOL_BROKEN);
    cr_redo_commit();
    cr_value_published(&v);
  }
  cr_latch_drop(&p->object.latch);
  if (!first) cr_value_free(&v);
  clear_ended(p);
  wake_all(p);
  cr_strike(CR_OWE_CARE, p);
}

void cr_pool_give_up(cr_pool *p, const char *why) {
  cr_pool_break(p, why, NULL);
  cr_pool_leave(p);
}

/* A worker that leaves is not counted, but there until it is over. */
static bool any_servant(const cr_pool *p) {
  cr_for_strands(s)
    if (cr_strand_exists(s) && atomic_load(&cr_in_worker(s)->serves) == cr_word(p)) return true;
  return false;
}

static int at_rest(cr_pool *p) {
  cr_latch_take(&p->object.latch);
  bool rest = atomic_load(&p->workers) == 0 && !line_first(p) && !any_servant(p);
  cr_latch_drop(&p->object.latch);
  return rest ? 0 : EAGAIN;
}

int cr_pool_join(cr_pool *p, cr_time deadline) {
  if (atomic_load(&p->state) == CR_POOL_OPEN) return EBUSY;
  if (atomic_load(&cr_in_worker(cr_me)->serves) == cr_word(p) && deadline == CR_FOREVER)
    return EDEADLK;
  if (at_rest(p) == 0) return 0;
  int r;
  cr_wait_begin(CR_ON_POOL, p, &p->rest);
  for (;;) {
    uint32_t seen = cr_gate_arm(&p->rest);
    if ((r = at_rest(p)) != EAGAIN) break;
    if ((r = cr_gate_wait(&p->rest, seen, deadline)) != 0) break;
  }
  cr_wait_end(r == 0);
  return r;
}

/* Holds of the calling strand do not change while it waits here. */
static cr_pool *open_pool(const cr_hold *h) {
  cr_object *o = cr_held_object(h);
  return o && o->type == CR_POOL ? (cr_pool *)o : NULL;
}

static int finish(const cr_hold *h, cr_time deadline) {
  cr_pool *p = open_pool(h);
  if (!p || atomic_load(&cr_in_worker(cr_me)->serves) == cr_word(p)) return 0;
  cr_pool_close(p);
  return cr_pool_join(p, deadline);
}

int cr_pools_finish(cr_time deadline) {
  cr_holds_walk walk = {.strand = cr_me};
  const cr_hold *h;
  int r = 0;
  while (r == 0 && (h = cr_holds_next(&walk))) r = finish(h, deadline);
  return r;
}

void cr_pools_cancel(void) {
  cr_holds_walk walk = {.strand = cr_me};
  const cr_hold *h;
  cr_pool *own = cr_at(cr_pool, &cr_in_worker(cr_me)->serves);
  if (own) cr_pool_cancel(own);
  while ((h = cr_holds_next(&walk)))
    if (open_pool(h)) cr_pool_cancel(open_pool(h));
}

void cr_pools_end(void) {
  atomic_store(&cr_worker_root()->ending, 1);
  cr_pools_cancel();
}

/* ----------------------------------------------------------------------- type */

static void destroy(cr_object *o) {
  cr_pool *p = (cr_pool *)o;
  clear_line(p, NULL);
  cr_object_disown(&p->initializer);
  cr_object_disown(&p->settings);
  cr_object_disown(&p->settings_old);
  cr_value_free_owned(&p->initargs);
  cr_value_free_owned(&p->broken);
}

static void visit(cr_object *o, cr_visit *v) {
  cr_pool *p = (cr_pool *)o;
  _Atomic uint64_t *owned[] = {&p->initializer, &p->settings, &p->settings_old};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
    cr_object *other = cr_at(cr_object, owned[i]);
    if (other) v->object(v, other);
  }
  cr_value_visit(&p->initargs, v);
  cr_value_visit(&p->broken, v);
  for (size_t i = 0; i < CR_LANES; i++)
    for (cr_future *f = cr_at(cr_future, &p->first[i]); f; f = cr_at(cr_future, &f->next_task))
      v->object(v, &f->object);
}

/* Each worker has one reference.  When only those are left, no new task can come:
** the workers finish what waits and go. */
static void left(cr_object *o, uint64_t refs) {
  cr_pool *p = (cr_pool *)o;
  uint64_t open = CR_POOL_OPEN;
  if (refs > atomic_load(&p->workers) || atomic_load(&p->state) > CR_POOL_CLOSED) return;
  atomic_compare_exchange_strong(&p->state, &open, CR_POOL_CLOSED);
  cr_gate_wake(&p->work, CR_ALL);
}

/* The dead strand may have put a task in the line and started nobody, or ended the pool
** and not told anybody. */
static void care(cr_object *o) {
  cr_pool *p = (cr_pool *)o;
  if (atomic_load(&p->state) >= CR_POOL_TERMINATED) cr_pool_terminate(p);
  start_if_needed(p);
  wake_all(p);
}

static void send(cr_object *o) { cr_pool_fill((cr_pool *)o); }

void cr_pool_register(void) {
  static const cr_type type = {
      .name = "pool", .destroy = destroy, .care = care, .left = left, .send = send, .visit = visit};
  cr_type_register(CR_POOL, &type);
  cr_type_register(CR_CODE, &code_type);
  cr_lent.bury = pool_bury;
  cr_lent.over = pool_over;
  cr_payer_register(CR_OWE_TASK, pay_task);
}

cr_pool *cr_pool_new(const cr_pool_options *o) {
  cr_pool *p = cr_object_new(CR_POOL, sizeof *p);
  if (!p) return NULL;
  p->kind = o->kind;
  p->workers_max = o->workers;
  p->tasks_per_worker = o->tasks_per_worker;
  p->retries = o->retries;
  p->memory_limit = o->memory_limit;
  p->task_timeout = o->task_timeout;
  p->max_queued = o->max_queued;
  p->idle_timeout = o->idle_timeout;
  p->rights = o->rights;
  p->owner_pid = own_pid();
  p->maker = cr_id_of(cr_me);
  if (o->name)
    cr_name_set(p->name, o->name);
  else
    snprintf(p->name, sizeof p->name, "pool-%u",
             atomic_fetch_add(&cr_line_root()->pool_number, 1) + 1);
  if (cr_tracing())
    cr_trace_text((cr_record){.saw = CR_SAW_POOL, .object = p->object.serial}, p->name,
                  strlen(p->name));
  return p;
}
