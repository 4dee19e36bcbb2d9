/* SPDX-License-Identifier: MIT */
/*
** held: how long latches are held (held.h says why).
*/
#include "base/held.h"

#ifdef CR_DEBUG
#include <stdio.h>

/* Behind the records of watch.c, in every process at the same place. */
typedef struct longest {
  cr_latch latch; /* its own, which is not measured */
  _Atomic cr_time time;
  char where[64];
} longest;

_Static_assert(sizeof(longest) <= CR_HELD_ROOM, "the record fits behind those of watch.c");

static longest *record(void) {
  return (longest *)(void *)((char *)&cr_strands[CR_STRANDS] + CR_PLAN_ROOM + CR_WATCH_ROOM);
}

/* Those that this thread has, the last one last. */
static _Thread_local struct {
  const cr_latch *latch;
  const char *where;
  cr_time since;
} held[CR_DEBTS];
static _Thread_local int depth;

void cr_held_begin(const cr_latch *l, const char *where) {
  if (depth >= CR_DEBTS || l == &record()->latch) return;
  held[depth].latch = l;
  held[depth].where = where;
  held[depth++].since = cr_time_busy();
}

static void remember(cr_time time, const char *where) {
  longest *r = record();
  if (time <= atomic_load(&r->time)) return;
  cr_latch_take(&r->latch);
  if (time > atomic_load(&r->time)) {
    atomic_store(&r->time, time);
    snprintf(r->where, sizeof r->where, "%s", where);
  }
  cr_latch_drop(&r->latch);
}

/* A latch that burial has opened is not among them. */
void cr_held_end(const cr_latch *l) {
  int i = depth - 1;
  while (i >= 0 && held[i].latch != l) i--;
  if (i < 0) return;
  cr_time time = cr_time_busy() - held[i].since;
  const char *where = held[i].where;
  for (depth--; i < depth; i++) held[i] = held[i + 1];
  remember(time, where);
}

cr_time cr_held_longest(const char **where) {
  *where = record()->where;
  return atomic_load(&record()->time);
}
#endif
