/* SPDX-License-Identifier: MIT */
/*
** sight: what one strand does or waits for, read from its record while it runs.
**
** One reader for the reports that a program makes about itself (describe.c), and for those
** that another program makes about it (arena/view.c).  For the first it runs in a signal
** handler: no lock, no memory, no floating point.
**
** Each word is read once.  What an address leads to may be over by then, and the memory
** something else: of another program the record is read again at the end, and if the strand
** is at another wait by then, all of it is done once more.
*/
#include <string.h>

#include "worker/inside.h"

static const char *const verbs[] = {
    [CR_NOTHING] = "nothing",      [CR_ON_SLEEP] = "sleep",
    [CR_ON_LOCK] = "acquire",      [CR_ON_CONDITION] = "wait",
    [CR_ON_SEMAPHORE] = "acquire", [CR_ON_EVENT] = "wait",
    [CR_ON_BARRIER] = "wait",      [CR_ON_PUT] = "put",
    [CR_ON_GET] = "get",           [CR_ON_QUEUE_JOIN] = "join",
    [CR_ON_FUTURE] = "result",     [CR_ON_WORKER] = "join",
    [CR_ON_POOL] = "join",         [CR_ON_TASK] = "task",
    [CR_ON_SELECT] = "select",     [CR_ON_CALLBACKS] = "its callbacks",
    [CR_ON_START] = "start",
};
#define VERBS (sizeof verbs / sizeof verbs[0])

const char *cr_verb(enum cr_what what) { return what < VERBS ? verbs[what] : "something"; }

/* Texts are r/o while the strand lives; of one that has just gone they may be half of the
** next one's. */
__attribute__((noinline, no_sanitize("thread"))) static void copy_text(char *to, const char *from,
                                                                       size_t room) {
  size_t n = 0;
  while (n + 1 < room && ((const volatile char *)from)[n]) {
    to[n] = ((const volatile char *)from)[n];
    n++;
  }
  to[n] = '\0';
}

static void see_holder(const cr_view *v, cr_sight *x) {
  cr_lock lock;
  if (!cr_peek(v, x->object, &lock, sizeof lock)) return;
  lock.source[CR_SOURCE_MAX - 1] = '\0';
  cr_id owner = cr_lock_owner(&lock);
  const cr_strand *s = cr_strand_in(v ? v->strands : cr_strands, owner);
  if (!s) return;
  x->holder = owner;
  copy_text(x->holder_name, s->name, CR_NAME_MAX);
  cr_lock_where(&lock, "", x->held);
}

static void see_worker(const cr_view *v, cr_sight *x) {
  cr_worker w;
  if (cr_peek(v, x->object, &w, sizeof w)) copy_text(x->target, w.name, CR_NAME_MAX);
}

static void see_object(const cr_view *v, cr_sight *x) {
  cr_object o;
  if (!x->object || !cr_peek(v, x->object, &o, sizeof o)) return;
  if (o.type > 0 && o.type < CR_TYPES) x->type = (enum cr_type_id)o.type;
  x->serial = o.serial;
  if (x->what == CR_ON_LOCK) see_holder(v, x);
  if (x->what == CR_ON_WORKER) see_worker(v, x);
}

static void see(const cr_view *v, cr_strand *s, cr_sight *x) {
  *x = (cr_sight){.id = cr_id_of(s),
                  .state = cr_strand_state(s),
                  .index = (uint32_t)(s - (v ? v->strands : cr_strands)),
                  .kind = atomic_load(&s->kind),
                  .daemon = atomic_load(&s->daemon),
                  .pid = atomic_load(&s->pid),
                  .tid = atomic_load(&s->tid),
                  .what = (enum cr_what)atomic_load(&s->waits_what),
                  .since = atomic_load(&s->waits_since),
                  .until = atomic_load(&s->waits_until),
                  .object = cr_word(atomic_load(&s->waits_for))};
  copy_text(x->name, s->name, CR_NAME_MAX);
  copy_text(x->where, s->where, CR_WHERE_MAX);
  if (x->what != CR_NOTHING) see_object(v, x);
}

#define TRIES 8 /* a strand that is always at another wait is given as it was last */

void cr_sight_take(const cr_view *v, cr_strand *s, cr_sight *x) {
  int n = 0;
  do see(v, s, x);
  while (++n < TRIES && !cr_view_again(v, s));
}
