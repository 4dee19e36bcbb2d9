/* SPDX-License-Identifier: MIT */
/*
** stuck: which strands wait for ever: who can wake whom, as a fixed point.
**
** Every strand that does not sleep, or sleeps until a deadline, lives: it may compute,
** read a file, or be about to do anything.  Beginning with these, a sleeper is found to
** live too as soon as somebody who lives could end its sleep:
**
**   what it waits for   a lock            its holder lives
**                       a future          it is settled, or its runner lives, or a worker
**                                         of its pool does; or it is in reach, by whoever
**                                         may settle or cancel it, or end its pool
**                       the end of        its strand lives
**                       a worker
**                       the end of        a worker of it lives, or it is in reach of
**                       a pool            somebody who may end it
**                       a pipe's message  the other end is in reach
**                       one of many       any of those that it watches may change
**                       anything else     it is in reach
**   a callback          of its own is set on a future that may be settled: it will run,
**                       and may do all that the strand could do
**   an interruption     its worker, its pool or a task that it computes is in reach of
**                       somebody who may interrupt, kill, terminate or cancel; its task
**                       has a timer; the process around it may end
**
** An object is in reach if anybody lives, and it has a reference that no holding of a
** stuck strand accounts for: somebody who lives holds it, or could find it in a message,
** an argument, a dict, a list or another object.  This is generous on purpose: it
** forgets that a message may itself be out of reach.
**
** When nothing changes any more, those that are left are stuck: none of them can end
** another's sleep, and nobody else will.
**
** Records and objects are read while strands run, so one finding proves nothing.  Two in
** a row do, if each word on which they rest was the same both times, and if at the end
** the stuck are still in the same sleep, on words that nobody has changed: then there
** was a moment at which all these words were true together.  Who might have helped
** before that moment, and does not live any more in any way, has changed the word on
** which the sleeper sleeps first (base/wait.c).
**
** The holdings of a strand that sleeps do not change.  One that wakes up, or dies and is
** buried, while they are read makes the finding worthless, and at worst a word of other
** memory of the arena is read as if it were an object's (cr_holdings_each).
**
** Refused: to go through what messages and containers hold, which would have to stop
** their users.
*/
#include <stdlib.h>

#include "worker/inside.h"

/* ---------------------------------------------------------------------- reading */

/* What is read here may be changed meanwhile, or even be over and its memory something
** else; whether that matters is found out by the second finding.  That is no race to be
** reported. */
__attribute__((noinline, no_sanitize("thread"))) static uint32_t peek32(const void *word) {
  return atomic_load((const _Atomic uint32_t *)word);
}
__attribute__((noinline, no_sanitize("thread"))) static uint64_t peek64(const void *word) {
  return atomic_load((const _Atomic uint64_t *)word);
}

/* The same for a word on which the finding rests, which goes into the sum of them. */
static uint64_t rest_on(picture *q, uint64_t word) {
  q->sum = (q->sum ^ word) * 0x9e3779b97f4a7c15u;
  return word;
}
static uint32_t word32(picture *q, const void *at) { return (uint32_t)rest_on(q, peek32(at)); }
static uint64_t word64(picture *q, const void *at) { return rest_on(q, peek64(at)); }

/* The checker itself is awake only for this. */
static bool sleeps_for_ever(cr_strand *s) {
  cr_gate *gate = atomic_load(&s->waits_at);
  enum cr_what what = (enum cr_what)atomic_load(&s->waits_what);
  return atomic_load(&s->asleep) && what != CR_NOTHING && what != CR_ON_SLEEP &&
         what != CR_ON_START && atomic_load(&s->waits_until) == CR_FOREVER &&
         cr_notices_of(s) == 0 && atomic_load(&s->bell) == atomic_load(&s->seen_bell) &&
         (!gate || peek32(&gate->word) == atomic_load(&s->seen));
}

static bool in_same_sleep(const suspect *x, cr_strand *s) {
  return cr_strand_state(s) == CR_RUNNING && cr_id_of(s) == x->id && sleeps_for_ever(s) &&
         atomic_load(&s->waits_number) == x->wait;
}

/* False while somebody is born or buried: ask again later. */
static bool look(picture *q) {
  q->top = cr_strands_top();
  q->anybody = false;
  for (uint32_t i = 0; i < q->top; i++) {
    cr_strand *s = &cr_strands[i];
    suspect *x = &q->all[i];
    enum cr_strand_state state = cr_strand_state(s);
    *x = (suspect){.is = GONE};
    if (state == CR_FREE || s->kind == CR_KEEPER) continue;
    if (state != CR_RUNNING) return false;
    x->id = cr_id_of(s);
    x->wait = atomic_load(&s->waits_number);
    x->is = sleeps_for_ever(s) ? STUCK : LIVES;
    q->anybody |= x->is == LIVES;
  }
  return true;
}

/* --------------------------------------------------------------------- holdings */

/* Of those that are stuck, one strand after the other; in a table, how many hold each
** object. */
struct holding {
  const cr_object *object;
  bool calls; /* callbacks of the strand wait for this future */
};
struct holders {
  const cr_object *object; /* NULL: an empty place */
  uint64_t count;          /* holdings of the strands that are still stuck */
};

static void note_holding(void *arg, cr_object *o, uint64_t aux) {
  picture *q = arg;
  if (q->count == q->room) {
    size_t room = q->room ? 2 * q->room : 256;
    struct holding *more = realloc(q->held, room * sizeof *more);
    if (!more) {
      q->full = true;
      return;
    }
    q->held = more;
    q->room = room;
  }
  q->held[q->count++] = (struct holding){o, aux != 0 && o->type == CR_FUTURE};
}

/* The place of an object, or the empty one where it would be: less than half of all
** places are taken. */
static struct holders *place_of(const picture *q, const cr_object *o) {
  size_t i = ((uintptr_t)o >> 4) * 0x9e3779b97f4a7c15u & (q->places - 1);
  while (q->table[i].object && q->table[i].object != o) i = (i + 1) & (q->places - 1);
  return &q->table[i];
}

static bool make_table(picture *q) {
  q->places = 16;
  while (q->places < 2 * q->count + 2) q->places *= 2;
  free(q->table);
  q->table = calloc(q->places, sizeof *q->table);
  if (!q->table) return false;
  for (size_t i = 0; i < q->count; i++) {
    struct holders *h = place_of(q, q->held[i].object);
    h->object = q->held[i].object;
    h->count++;
  }
  return true;
}

/* False if one of the sleepers ended meanwhile, or for want of memory. */
static bool note_holdings(picture *q) {
  q->count = 0;
  q->full = false;
  for (uint32_t i = 0; i < q->top; i++) {
    suspect *x = &q->all[i];
    if (x->is != STUCK) continue;
    x->from = q->count;
    if (!cr_holdings_each(&cr_strands[i], note_holding, q) || q->full) return false;
    x->to = q->count;
  }
  return make_table(q);
}

static void comes_to_life(picture *q, suspect *x) {
  x->is = LIVES;
  q->anybody = true;
  for (size_t i = x->from; i < x->to; i++) place_of(q, q->held[i].object)->count--;
}

/* ------------------------------------------------------------------ in whose reach */

/* Not of one that is gone; but of one that was born since. */
static bool lives(const picture *q, cr_id id) {
  const cr_strand *s = cr_strand_named(id);
  const suspect *x = s && s->index < q->top ? &q->all[s->index] : NULL;
  return s && (!x || x->is == GONE || x->id != id || x->is == LIVES);
}

static bool any_lives(const picture *q, bool (*which)(cr_strand *s, uint64_t arg), uint64_t arg) {
  for (uint32_t i = 0; i < q->top; i++)
    if (q->all[i].is == LIVES && which(&cr_strands[i], arg)) return true;
  return false;
}

/* `known` references are not holdings, and nobody comes to the object by them.  The
** count is read before the holdings are: a reference that goes from a message to a
** strand meanwhile is counted once at least. */
static bool in_reach(picture *q, const cr_object *o, uint64_t known) {
  return word64(q, &o->refs) > place_of(q, o)->count + known && q->anybody;
}

/* The strand's record has a reference while the worker is not over. */
static bool worker_in_reach(picture *q, const cr_worker *w) { return in_reach(q, &w->object, 1); }

/* Each of its workers has one, by its worker object. */
static bool pool_in_reach(picture *q, uint64_t pool) {
  uint64_t workers = 0;
  for (uint32_t i = 0; i < q->top; i++) {
    const cr_worker *w = q->all[i].is == GONE ? NULL : cr_worker_of(&cr_strands[i]);
    workers += w && peek64(&w->pool) == pool;
  }
  return in_reach(q, cr_to(const cr_object, pool), workers);
}

/* Pending, it is in the line of its pool. */
static bool task_in_reach(picture *q, const cr_future *f) {
  bool queued = peek64(&f->pool) != 0 && word64(q, &f->state) == CR_PENDING;
  return in_reach(q, &f->object, queued);
}

/* --------------------------------------------------------------- what it waits for */

static bool lock_may_open(picture *q, const cr_lock *l) {
  cr_id holder = rest_on(q, cr_lock_owner(l));
  return holder == 0 || lives(q, holder);
}

static bool serves(cr_strand *s, uint64_t pool) {
  return atomic_load(&cr_in_worker(s)->serves) == pool;
}

static bool is_called(cr_strand *s, uint64_t future) {
  const cr_worker *w = cr_worker_of(s);
  return w && peek64(&w->call) == future;
}

/* What a worker was started with: nobody else can settle it. */
static bool is_call_of(const cr_future *f, cr_id runner) {
  cr_strand *s = cr_strand_named(runner);
  return s && is_called(s, cr_word(f));
}

static bool future_may_settle(picture *q, const cr_future *f) {
  uint64_t runner = word64(q, &f->runner), pool = peek64(&f->pool);
  if (word64(q, &f->state) >= CR_DONE) return true;
  if (runner && lives(q, runner)) return true;
  if (runner && is_call_of(f, runner)) return false;
  if (task_in_reach(q, f)) return true;
  if (runner || peek64(&f->code) == 0) return false;
  if (!pool) return any_lives(q, is_called, cr_word(f));
  return any_lives(q, serves, pool) || pool_in_reach(q, pool);
}

static bool keeps_main(cr_strand *s, uint64_t arg) {
  (void)arg;
  return !s->daemon && s->kind != CR_MAIN;
}

static bool is_thread_of(cr_strand *s, uint64_t pid) {
  return s->kind == CR_THREAD && (uint64_t)atomic_load(&s->pid) == pid;
}

/* The end of main waits for all workers, that of a process for its threads. */
static bool workers_may_end(const picture *q, cr_strand *s) {
  if (s->kind == CR_MAIN) return any_lives(q, keeps_main, 0);
  return any_lives(q, is_thread_of, (uint64_t)atomic_load(&s->pid));
}

static bool worker_may_end(picture *q, const cr_worker *w) {
  return word32(q, &w->over) != 0 || lives(q, word64(q, &w->strand));
}

/* The other end of the pipe whose messages come by this queue.  If none of the stuck
** holds it, it is with somebody else, for the queue would be closed without it. */
static const cr_object *sending_end(const picture *q, const cr_object *queue) {
  for (size_t i = 0; i < q->places; i++) {
    const cr_object *o = q->table[i].object;
    if (o && o->type == CR_PIPE && peek64(&((const cr_pipe *)o)->out) == cr_word(queue)) return o;
  }
  return NULL;
}

static bool is_incoming(const picture *q, const suspect *x, const cr_object *queue) {
  for (size_t i = x->from; i < x->to; i++) {
    const cr_object *o = q->held[i].object;
    if (o->type == CR_PIPE && peek64(&((const cr_pipe *)o)->in) == cr_word(queue)) return true;
  }
  return false;
}

static bool may_come_by(picture *q, const suspect *x, const cr_object *queue) {
  if (!is_incoming(q, x, queue)) return in_reach(q, queue, 0);
  const cr_object *other = sending_end(q, queue);
  return other ? in_reach(q, other, 0) : q->anybody;
}

/* May one of those change that a strand waits for all at once?  It holds each of them. */
static bool may_be_ready(picture *q, const suspect *x, const cr_object *o) {
  switch (o->type) {
  case CR_FUTURE: return future_may_settle(q, (const cr_future *)o);
  case CR_WORKER: return worker_may_end(q, (const cr_worker *)o);
  case CR_PIPE: return may_come_by(q, x, cr_pipe_incoming((const cr_pipe *)o));
  default: return in_reach(q, o, 0);
  }
}

/* A strand is known by a bit that it has in common with others, so this may say yes for
** no reason, but not no. */
static bool is_watched(const cr_strand *s, const cr_object *o) {
  const cr_object *changes = o->type == CR_PIPE ? cr_pipe_incoming((const cr_pipe *)o) : o;
  return changes && peek64(&changes->watch) >> (s->index % 64) & 1;
}

static bool one_may_be_ready(picture *q, const suspect *x, const cr_strand *s) {
  for (size_t i = x->from; i < x->to; i++) {
    const cr_object *o = q->held[i].object;
    if (is_watched(s, o) && may_be_ready(q, x, o)) return true;
  }
  return false;
}

static bool may_come(picture *q, const suspect *x, cr_strand *s) {
  const void *o = atomic_load(&s->waits_for);
  switch ((enum cr_what)atomic_load(&s->waits_what)) {
  case CR_ON_LOCK: return lock_may_open(q, o);
  case CR_ON_FUTURE: return future_may_settle(q, o);
  case CR_ON_WORKER: return o ? worker_may_end(q, o) : workers_may_end(q, s);
  case CR_ON_POOL: return any_lives(q, serves, cr_word(o)) || pool_in_reach(q, cr_word(o));
  case CR_ON_TASK: return pool_in_reach(q, cr_word(o));
  case CR_ON_GET: return may_come_by(q, x, o);
  case CR_ON_SELECT: return one_may_be_ready(q, x, s);
  case CR_ON_CALLBACKS: return false; /* but one of them may be called */
  default: return !o || in_reach(q, o, 0);
  }
}

/* ------------------------------------------------ callbacks, interruptions and ends */

static bool is_its_task(const picture *q, size_t i, const cr_strand *s) {
  const cr_future *f = (const cr_future *)q->held[i].object;
  return f->object.type == CR_FUTURE && peek64(&f->runner) == cr_id_of(s) &&
         peek64(&f->state) < CR_DONE;
}

/* A callback that may be called, or a task that may be cancelled. */
static bool a_future_may_help(picture *q, const suspect *x, const cr_strand *s) {
  for (size_t i = x->from; i < x->to; i++) {
    const cr_future *f = (const cr_future *)q->held[i].object;
    if (q->held[i].calls && future_may_settle(q, f)) return true;
    if (is_its_task(q, i, s) && task_in_reach(q, f)) return true;
  }
  return false;
}

static bool worker_may_be_ended(picture *q, cr_strand *s) {
  const cr_worker *w = cr_worker_of(s);
  uint64_t pool = w ? peek64(&w->pool) : 0;
  return w &&
         (word64(q, &w->until) != 0 || worker_in_reach(q, w) || (pool && pool_in_reach(q, pool)));
}

static bool is_process_of(cr_strand *s, uint64_t pid) {
  return s->kind == CR_PROCESS && (uint64_t)atomic_load(&s->pid) == pid;
}

/* A thread goes with its process, be it that this is killed or that it ends: in both cases
** the strand that was the first of the process lives. */
static bool process_may_end(const picture *q, cr_strand *thread) {
  return any_lives(q, is_process_of, (uint64_t)atomic_load(&thread->pid));
}

static bool may_wake(picture *q, const suspect *x, cr_strand *s) {
  return worker_may_be_ended(q, s) || (s->kind == CR_THREAD && process_may_end(q, s)) ||
         may_come(q, x, s) || a_future_may_help(q, x, s);
}

/* ------------------------------------------------------------------- the fixed point */

/* The sum is that of the last time, when nobody comes to life any more. */
static bool spread(picture *q) {
  bool changed = false;
  q->sum = 0;
  for (uint32_t i = 0; i < q->top; i++) {
    suspect *x = &q->all[i];
    if (x->is != STUCK) continue;
    rest_on(q, (uint64_t)i << 32 | x->wait);
    rest_on(q, x->id);
    if (!may_wake(q, x, &cr_strands[i])) continue;
    comes_to_life(q, x);
    changed = true;
  }
  return changed;
}

bool stuck_find(picture *q) {
  if (!look(q) || !note_holdings(q)) return false;
  while (spread(q)) {}
  return true;
}

bool stuck_proven(const picture *a, const picture *b) {
  if (a->sum != b->sum) return false;
  for (uint32_t i = 0; i < b->top; i++)
    if (b->all[i].is == STUCK && !in_same_sleep(&b->all[i], &cr_strands[i])) return false;
  return true;
}

void stuck_forget(picture *q) {
  free(q->held);
  free(q->table);
}
