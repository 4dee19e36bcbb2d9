/* SPDX-License-Identifier: MIT */
/*
** strand: the table of all strands, their birth and the end of their records.
**
** The table is in the arena's first pages.  A record is taken by one
** compare-and-swap of its state; the taker's id is part of that word, so if
** the taker dies before the strand runs, its own burial finds the record.
**
** What the strand before has left in the record (its pid, above all) is not read by
** anybody until the taker has cleared it: the record is TAKEN until then.  And who
** claims a strand because of something in its record swaps the very state that it read
** before: if the record has gone to another strand meanwhile, the state is another.
*/
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

#define INDEX_BITS 16
#define ID_MASK ((UINT64_C(1) << 48) - 1)

typedef struct table {
  _Atomic uint32_t top;  /* one more than the highest index ever used */
  _Atomic uint32_t hint; /* no record below it is known to be free; only a hint */
  cr_gate freed;
  _Alignas(64) cr_strand strand[CR_STRANDS];
  char plan[CR_PLAN_ROOM];                      /* point.c */
  char watch[CR_WATCH_ROOM];                    /* watch.c */
  char held[CR_HELD_ROOM];                      /* held.c */
  char trace[CR_TRACE_ROOM];                    /* trace.c */
  _Alignas(64) char schedule[CR_SCHEDULE_ROOM]; /* schedule.c */
} table;

const char *const cr_kind_names[] = {
    [CR_MAIN] = "main", [CR_THREAD] = "thread", [CR_PROCESS] = "process", [CR_KEEPER] = "keeper"};

cr_strand *cr_strands;
_Thread_local cr_strand *cr_me;
bool cr_stray;
cr_loans cr_lent;

static table *whole(void) {
  return (table *)(void *)((char *)cr_strands - offsetof(table, strand));
}

size_t cr_strands_size(void) { return sizeof(table); }

size_t cr_strands_start(void) { return offsetof(table, strand); }

uint32_t cr_strands_used(const void *start) {
  uint32_t top;
  memcpy(&top, start, sizeof top);
  return top < CR_STRANDS ? top : CR_STRANDS;
}

void cr_strands_use(void *memory, bool fresh) {
  table *t = memory;
  if (fresh) { /* the memory is a new file's: zero already */
    atomic_store(&t->top, 0);
    atomic_store(&t->hint, 0);
  }
  cr_strands = t->strand;
  cr_plan_begin(fresh);
  cr_schedule_join(t->schedule);
}

cr_gate *cr_strands_gate(void) { return &whole()->freed; }

uint32_t cr_strands_top(void) { return atomic_load(&whole()->top); }

static void raise_top(uint32_t index) {
  uint32_t top = atomic_load(&whole()->top);
  while (top <= index && !atomic_compare_exchange_weak(&whole()->top, &top, index + 1)) {}
}

/* Everything but state, index and generation starts as zero.  Others may be looking
** at the record, hence word by word.  The bell keeps its value: somebody may still
** ring the strand that had the record before. */
static void clear(cr_strand *s) {
  _Atomic uint32_t *words = (_Atomic uint32_t *)(void *)s;
  for (size_t i = offsetof(cr_strand, kind) / sizeof *words; i < sizeof *s / sizeof *words; i++)
    atomic_store_explicit(&words[i], 0, memory_order_relaxed);
  atomic_store(&s->notices, cr_id_of(s) << CR_NOTICE_BITS);
  atomic_fetch_add(&s->bell, 1);
  if (cr_lent.prepare) cr_lent.prepare(s);
}

static uint64_t word(enum cr_strand_state state) {
  return (uint64_t)state | (cr_me ? cr_id_of(cr_me) : 0) << 8;
}

static bool take(cr_strand *s) {
  uint64_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
  if ((state & 0xff) != CR_FREE) return false;
  raise_top((uint32_t)(s - cr_strands)); /* whoever buries us must find it */
  return atomic_compare_exchange_strong(&s->state, &state, word(CR_TAKEN));
}

static cr_id next_id(const cr_strand *s) {
  cr_id uses = (cr_id_of(s) >> INDEX_BITS) + 1;
  return (uses << INDEX_BITS | (s->index + 1)) & ID_MASK;
}

cr_strand *cr_strand_in(cr_strand *table, cr_id id) {
  cr_id number = id & ((1u << INDEX_BITS) - 1);
  if (number == 0 || number > CR_STRANDS) return NULL;
  cr_strand *s = &table[number - 1];
  return cr_id_of(s) == id && cr_strand_exists(s) ? s : NULL;
}

cr_strand *cr_strand_named(cr_id id) { return cr_strand_in(cr_strands, id); }

/* In UTF-8 the bytes of a character after its first begin with the bits 10. */
static bool within_character(char byte) { return ((unsigned char)byte & 0xc0) == 0x80; }

void cr_name_set(char to[CR_NAME_MAX], const char *from) {
  size_t n = strnlen(from, CR_NAME_MAX);
  if (n == CR_NAME_MAX)
    for (n--; n > 0 && within_character(from[n]);) n--;
  for (size_t i = 0; i < n; i++)
    to[i] = (char)((unsigned char)from[i] < ' ' || from[i] == 127 ? '?' : from[i]);
  to[n] = '\0';
}

cr_strand *cr_strand_new(enum cr_strand_kind kind, const char *name) {
  uint32_t start = atomic_load(&whole()->hint);
  for (uint32_t k = 0; k < CR_STRANDS; k++) {
    uint32_t i = (start + k) % CR_STRANDS;
    cr_strand *s = &cr_strands[i];
    if (!take(s)) continue;
    cr_memory_comes();
    atomic_store(&whole()->hint, i + 1);
    if (s->index != i) s->index = i; /* it never changes, and others read it */
    atomic_store(&s->id, next_id(s));
    clear(s);
    s->kind = kind;
    cr_name_set(s->name, name);
    atomic_store(&s->state, word(CR_BORN));
    cr_memory_goes();
    return s;
  }
  return NULL;
}

void cr_strand_enter(cr_strand *s) {
  cr_me = s;
  atomic_store_explicit(&s->cpu, cr_cpu_here(), memory_order_relaxed);
  atomic_store(&s->pid, (int32_t)getpid());
  atomic_store(&s->tid, (int32_t)syscall(SYS_gettid));
  cr_point(CR_AT_BIRTH, s);
  atomic_store(&s->state, word(CR_RUNNING));
}

bool cr_strand_claim_of(cr_strand *s, int pid) {
  cr_point(CR_AT_DEATH, s);
  uint64_t state = atomic_load(&s->state);
  while ((state & 0xff) == CR_BORN || (state & 0xff) == CR_RUNNING) {
    if (pid != 0 && atomic_load(&s->pid) != pid) return false;
    if (atomic_compare_exchange_weak(&s->state, &state, word(CR_DYING))) return true;
  }
  return false;
}

bool cr_strand_claim(cr_strand *s) { return cr_strand_claim_of(s, 0); }

cr_id cr_strand_maker(const cr_strand *s) {
  uint64_t state = atomic_load(&s->state);
  return (state & 0xff) == CR_FREE || (state & 0xff) == CR_RUNNING ? 0 : state >> 8;
}

void cr_strand_untake(cr_strand *s, cr_id maker) {
  uint64_t state = CR_TAKEN | maker << 8;
  atomic_compare_exchange_strong(&s->state, &state, CR_FREE);
}

void cr_strand_free(cr_strand *s) {
  uint32_t i = s->index;
  cr_id id = cr_id_of(s);
  cr_schedule_leave(s);
  atomic_store(&s->state, CR_FREE);
  uint32_t hint = atomic_load(&whole()->hint);
  while (i < hint && !atomic_compare_exchange_weak(&whole()->hint, &hint, i)) {}
  /* A strand that frees its own record has no place left to note what it wakes.
  ** If its process dies here, main dies with it or is woken by its burial. */
  cr_gate *gate = &whole()->freed;
  cr_watch_miss(gate);
  atomic_fetch_add(&gate->word, 2);
  cr_gate_nudge(gate, CR_ALL);
  if (cr_controlled) cr_schedule_gone(s, id);
  if (cr_me == s) cr_me = NULL;
}
