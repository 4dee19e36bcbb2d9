/* SPDX-License-Identifier: MIT */
/*
** trace: the chunks of events, and who writes where.
**
** `writer` says which strand may write in a chunk; 0: none, it is full or was never used.
** A strand takes a chunk by one compare-and-swap of that word, and gives it up when it is
** full.  A chunk whose writer has died is free as well: the id says so (cr_strand_named), so
** a burial has nothing to do here.
**
** What the others may read:
**   used    records that are whole; the last store of each event.  Who dies in the middle of
**           one has not written it.
**   owner   whose events they are; r/o while used > 0
** A strand that has taken a chunk first sets `used` to 0 and then fills in the rest, so if it
** dies in between, the chunk holds nothing.
**
** A stray process (worker/fork.c) has the record of its parent, and writes nothing.
*/
#include <string.h>

#include "base/base.h"

typedef struct chunk {
  _Atomic cr_id writer;
  _Atomic uint32_t used; /* records */
  uint32_t events;       /* the writer's own */
  cr_id owner;
  uint64_t turn; /* the number of the taking */
  int32_t pid, tid;
  uint32_t kind;
  char name[CR_NAME_MAX];
  _Alignas(32) cr_record event[];
} chunk;
#define RECORDS ((CR_TRACE_CHUNK - sizeof(chunk)) / sizeof(cr_record))

typedef struct head {
  _Atomic uint32_t on;
  uint32_t chunks;       /* r/o, as are area, began and day */
  uint64_t area;         /* the address of the first chunk */
  _Atomic uint64_t next; /* turns of all takings so far */
  _Atomic uint64_t over; /* events in chunks that were used again */
  _Atomic uint64_t lost; /* events that found no chunk */
  cr_time began;
  double day;
} head;
_Static_assert(sizeof(head) <= CR_TRACE_ROOM, "the head fits behind the records of held.h");

static head *whole(void) {
  return (head *)(void *)((char *)&cr_strands[CR_STRANDS] + CR_PLAN_ROOM + CR_WATCH_ROOM +
                          CR_HELD_ROOM);
}

static chunk *chunk_at(const head *h, uint64_t i) {
  return (chunk *)(void *)((char *)(uintptr_t)h->area + i % h->chunks * CR_TRACE_CHUNK);
}

bool cr_trace_on(void) {
  return cr_strands && atomic_load_explicit(&whole()->on, memory_order_relaxed);
}

void cr_trace_begin(void *memory, size_t size) {
  head *h = whole();
  h->area = cr_word(memory);
  h->chunks = (uint32_t)(size / CR_TRACE_CHUNK);
  h->began = cr_clock();
  h->day = cr_time_of_day();
  atomic_store(&h->on, 1);
  cr_plan_look();
}

void cr_trace_end(void) { atomic_store(&whole()->on, 0); }

/* ------------------------------------------------------------------------ writing */

static _Thread_local chunk *mine; /* the last that this thread took, for whatever strand */

static bool is_free(cr_id writer) { return writer == 0 || !cr_strand_named(writer); }

static void take_over(head *h, chunk *c, uint64_t turn) {
  const cr_strand *me = cr_me;
  if (atomic_load(&c->used) > 0) atomic_fetch_add(&h->over, c->events);
  atomic_store(&c->used, 0);
  c->events = 0;
  c->owner = cr_id_of(me);
  c->turn = turn;
  c->pid = atomic_load(&me->pid);
  c->tid = atomic_load(&me->tid);
  c->kind = atomic_load(&me->kind);
  memcpy(c->name, me->name, sizeof c->name);
}

static chunk *take(head *h) {
  for (uint32_t i = 0; i < h->chunks; i++) {
    uint64_t turn = atomic_fetch_add(&h->next, 1);
    chunk *c = chunk_at(h, turn);
    cr_id writer = atomic_load(&c->writer);
    if (!is_free(writer) || !atomic_compare_exchange_strong(&c->writer, &writer, cr_id_of(cr_me)))
      continue;
    take_over(h, c, turn);
    return c;
  }
  return NULL;
}

static bool is_mine(chunk *c) {
  return c && atomic_load_explicit(&c->writer, memory_order_relaxed) == cr_id_of(cr_me);
}

/* A chunk with room for so many records; NULL: there is none. */
static chunk *room(head *h, uint32_t records) {
  bool had = is_mine(mine);
  if (had && atomic_load_explicit(&mine->used, memory_order_relaxed) + records <= RECORDS)
    return mine;
  if (had) atomic_store_explicit(&mine->writer, 0, memory_order_release);
  return mine = take(h);
}

static uint32_t records_of(size_t length) {
  return 1 + (uint32_t)((length + sizeof(cr_record) - 1) / sizeof(cr_record));
}

void cr_trace_text(cr_record e, const char *text, size_t length) {
  if (!cr_trace_on() || !cr_me || cr_stray) return;
  if (length > CR_TRACE_TEXT_MOST) length = CR_TRACE_TEXT_MOST;
  head *h = whole();
  uint32_t n = records_of(length);
  chunk *c = room(h, n);
  if (!c) {
    atomic_fetch_add(&h->lost, 1);
    return;
  }
  uint32_t used = atomic_load_explicit(&c->used, memory_order_relaxed);
  if (e.time == 0) e.time = cr_clock();
  e.length = (uint16_t)length;
  c->event[used] = e;
  if (length > 0) memcpy(&c->event[used + 1], text, length);
  c->events++;
  atomic_store_explicit(&c->used, used + n, memory_order_release);
}

static void park(const void *object) {
  const cr_strand *me = cr_me;
  enum cr_what what = (enum cr_what)atomic_load_explicit(&me->waits_what, memory_order_relaxed);
  cr_record e = {.saw = CR_SAW_PARK, .what = (uint8_t)what};
  if (object && cr_lent.tell_wait) cr_lent.tell_wait(what, object, &e);
  bool idle = what == CR_ON_TASK || what == CR_ON_START; /* the line of Lua is an older wait's */
  cr_trace_text(e, me->where, idle ? 0 : strnlen(me->where, sizeof me->where));
}

void cr_trace_point(enum cr_point at, const void *object) {
  if (!cr_trace_on() || !cr_me) return;
  switch (at) {
  case CR_AT_BIRTH: cr_trace_pass((cr_record){.saw = CR_SAW_BIRTH}); break;
  case CR_AT_PARK: park(object); break;
  case CR_AT_RESUME: cr_trace_pass((cr_record){.saw = CR_SAW_RESUME}); break;
  default: break;
  }
}

/* ------------------------------------------------------------------------ reading */

bool cr_trace_part_at(uint32_t i, cr_trace_part *p) {
  const head *h = whole();
  if (i >= h->chunks || i >= atomic_load(&h->next)) return false;
  const chunk *c = chunk_at(h, i);
  *p = (cr_trace_part){.strand = c->owner,
                       .turn = c->turn,
                       .pid = c->pid,
                       .tid = c->tid,
                       .kind = c->kind,
                       .records = atomic_load_explicit(&c->used, memory_order_acquire),
                       .name = c->name,
                       .event = c->event};
  return true;
}

cr_trace_facts cr_trace_tell(void) {
  head *h = whole();
  return (cr_trace_facts){h->began, h->day, atomic_load(&h->over), atomic_load(&h->lost)};
}
