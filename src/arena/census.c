/* SPDX-License-Identifier: MIT */
/*
** census: counts what is alive; audit: proves that it is what it should be.
**
** Both walk the page table.  A small block is alive when its bit is clear and
** its tag is not FREE (in some strand's cache).  The audit then goes the other
** way: from every strand's holds, through every object's own parts, to blocks,
** and checks that it meets each live block exactly once and each object as often
** as its count says.  It uses private memory of the caller, sized by the census,
** and runs while no other strand does.
*/
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/inside.h"

/* ------------------------------------------------------------------- walking */

static void walk_small(small_page *page, void (*f)(void *arg, void *block), void *arg) {
  for (uint32_t i = 0; i < page->capacity; i++) {
    void *block = block_at(page, i);
    if (!block_is_free(page, i) && cr_block_tag(block) != CR_TAG_FREE) f(arg, block);
  }
}

static void walk(void (*f)(void *arg, void *block), void *arg) {
  for (uint64_t i = arena->first_page; i < arena->pages; i++) {
    uint64_t word = arena->used[i / 64];
    if (word == 0) i |= 63;
    if (!(word >> (i % 64) & 1)) continue;
    page_entry *e = &arena->entry[i];
    if (e->use == PAGE_LARGE)
      f(arg, (block_head *)page_address(i) + 1);
    else if (e->use >= PAGE_SMALL)
      walk_small(page_address(i), f, arg);
    if (e->use == PAGE_LARGE) i += e->count - 1;
  }
}

static void count(void *arg, void *block) {
  cr_census *c = arg;
  cr_object *o = block;
  c->bytes += cr_block_size(block) + sizeof(block_head);
  switch (cr_block_tag(block)) {
  case CR_TAG_OBJECT: c->objects[o->type]++; break;
  case CR_TAG_MESSAGE: c->messages++; break;
  case CR_TAG_RAW: c->raw++; break;
  default: break;
  }
}

void cr_census_take(cr_census *c) {
  memset(c, 0, sizeof *c);
  walk(count, c);
  cr_for_strands(s) c->strands += cr_strand_exists(s);
  c->pages = arena->in_use;
}

/* --------------------------------------------------------------------- audit */

typedef struct entry {
  void *block;
  uint64_t reached;
} entry;

typedef struct audit {
  cr_visit visit; /* first: the visitors get a pointer to it */
  entry *entry;   /* sorted by address, as the walk gives them */
  size_t n, room;
  int faults;
  void (*report)(void *arg, const char *line);
  void *arg;
} audit;

static void fault(audit *a, const char *what, const void *block, uint64_t x, uint64_t y) {
  char line[160];
  snprintf(line, sizeof line, "%s: block %p: %" PRIu64 ", expected %" PRIu64, what, block, x, y);
  a->faults++;
  if (a->report) a->report(a->arg, line);
}

static void add(void *arg, void *block) {
  audit *a = arg;
  if (a->n == a->room) {
    size_t room = a->room ? 2 * a->room : 1024;
    entry *more = realloc(a->entry, room * sizeof *more);
    if (!more) {
      fault(a, "audit has no memory", block, a->n, a->n + 1);
      return;
    }
    a->entry = more;
    a->room = room;
  }
  a->entry[a->n++] = (entry){block, 0};
}

static int by_address(const void *x, const void *y) {
  const entry *a = x, *b = y;
  return a->block < b->block ? -1 : a->block > b->block;
}

static entry *look_up(audit *a, void *block) {
  entry key = {block, 0};
  return a->n ? bsearch(&key, a->entry, a->n, sizeof key, by_address) : NULL;
}

static void reach(audit *a, void *block) {
  entry *e = look_up(a, block);
  if (e)
    e->reached++;
  else
    fault(a, "freed but still reached", block, 0, 1);
}

static void reach_object(cr_visit *v, cr_object *o) { reach((audit *)v, o); }

static void reach_block(cr_visit *v, void *block) {
  audit *a = (audit *)v;
  reach(a, block);
  if (!look_up(a, block) || cr_block_tag(block) != CR_TAG_MESSAGE) return;
  cr_message *m = block;
  cr_refs *refs = cr_at(cr_refs, &m->refs);
  if (!refs) return;
  reach(a, refs);
  for (uint64_t i = 0; cr_message_object(m, i); i++) reach_object(v, cr_message_object(m, i));
}

static void reach_inside(audit *a, cr_object *o) {
  const cr_type *t = o->type < CR_TYPES ? cr_type_of(o) : NULL;
  if (t && t->visit) t->visit(o, &a->visit);
}

static void reach_hold(audit *a, cr_hold *h) {
  uint64_t what = atomic_load(&h->what);
  void *block = cr_to(void, (what & ~(uint64_t)3));
  if (what == 0) return;
  if (what & 1)
    reach_block(&a->visit, block);
  else
    reach_object(&a->visit, block);
}

static void reach_strand(audit *a, cr_strand *s) {
  cr_object *worker = cr_at(cr_object, &s->worker);
  if (worker) reach_object(&a->visit, worker);
  for (int i = 0; i < CR_DEBTS; i++)
    if (atomic_load(&s->debt[i]) >> CR_DEBT_SHIFT == CR_OWE_TASK)
      reach_object(&a->visit, cr_owed(&s->debt[i]));
  cr_holds *more = cr_at(cr_holds, &cr_in_arena(s)->more);
  for (; more; more = cr_at(cr_holds, &more->next)) reach(a, more);
  cr_holds_walk walk = {.strand = s};
  cr_hold *h;
  while ((h = cr_holds_next(&walk))) reach_hold(a, h);
}

static void judge(audit *a, entry *e) {
  cr_object *o = e->block;
  bool object = cr_block_tag(e->block) == CR_TAG_OBJECT;
  uint64_t refs = object ? atomic_load(&o->refs) : 1;
  if (object && refs == 0) refs = 1; /* not born: in one strand's hands */
  if (e->reached == refs) return;
  if (e->reached == 0)
    fault(a,
          object ? o->type < CR_TYPES && cr_type_of(o) ? cr_type_of(o)->name : "object" : "leaked",
          e->block, 0, refs);
  else
    fault(a, object ? "wrong reference count" : "owned more than once", e->block, e->reached, refs);
}

int cr_audit(void (*report)(void *arg, const char *line), void *arg) {
  audit a = {.visit = {reach_block, reach_object}, .report = report, .arg = arg};
  walk(add, &a);
  cr_for_strands(s)
    if (cr_strand_exists(s)) reach_strand(&a, s);
  for (size_t i = 0; i < a.n; i++)
    if (cr_block_tag(a.entry[i].block) == CR_TAG_OBJECT) reach_inside(&a, a.entry[i].block);
  for (size_t i = 0; i < a.n; i++) judge(&a, &a.entry[i]);
  free(a.entry);
  return a.faults;
}
