/* SPDX-License-Identifier: MIT */
/*
** arena: blocks of all sizes, messages, counted objects, and their return.
**
** That nothing is left, and that the audit finds no fault, is checked after
** every test (test.h).
*/
#include "test.h"
#include <fcntl.h>
#include <sys/mman.h>

static void paint(unsigned char *p, size_t n, unsigned char c) { memset(p, c, n); }

static bool painted(const unsigned char *p, size_t n, unsigned char c) {
  for (size_t i = 0; i < n; i++)
    if (p[i] != c) return false;
  return true;
}

TEST(blocks_of_all_sizes) {
  size_t sizes[] = {0, 1, 15, 16, 17, 100, 1000, 4096, 5000, 13000, 65000, 65536, 100000, 3000000};
  enum {
    N = sizeof sizes / sizeof *sizes
  };
  unsigned char *p[N];
  for (int i = 0; i < N; i++) {
    p[i] = cr_alloc(sizes[i], CR_TAG_RAW);
    CHECK(p[i] && (uintptr_t)p[i] % 16 == 0 && cr_block_size(p[i]) >= sizes[i]);
    paint(p[i], sizes[i], (unsigned char)i);
  }
  for (int i = 0; i < N; i++) {
    CHECK(painted(p[i], sizes[i], (unsigned char)i));
    cr_free(p[i]);
  }
}

TEST(realloc_keeps_bytes) {
  size_t size = 1;
  unsigned char *p = cr_alloc(size, CR_TAG_RAW);
  paint(p, size, 42);
  for (; size < 1000000; size = size * 3 + 1) {
    unsigned char *q = cr_realloc(p, size * 3 + 1, size);
    if (!CHECK(q != NULL)) break;
    CHECK(painted(q, size, 42));
    p = q;
    paint(p, size * 3 + 1, 42);
  }
  cr_free(p);
}

TEST(a_size_beyond_the_arena_is_refused) {
  errno = 0;
  CHECK(cr_alloc((size_t)1 << 46, CR_TAG_RAW) == NULL);
  EQUAL(errno, ENOMEM);
}

TEST(many_blocks_come_back) {
  enum {
    N = 20000
  };
  static void *p[N];
  cr_census before, most, after;
  cr_census_take(&before);
  for (int i = 0; i < N; i++) p[i] = cr_alloc((size_t)(i % 1000), CR_TAG_RAW);
  EQUAL(cr_audit(print_fault, NULL), 0);
  cr_census_take(&most);
  for (int i = 0; i < N; i++) cr_free(p[i]);
  cr_census_take(&after);
  EQUAL(after.raw, before.raw);
  CHECK(after.pages < most.pages / 2);
}

/* ------------------------------------------------------------------- hammering */

static void hammer(void *arg) {
  unsigned char *p[64] = {0};
  size_t size[64] = {0};
  uint64_t mine = (uint64_t)(uintptr_t)arg;
  for (int i = 0; i < 20000; i++) {
    mine = mine * 6364136223846793005u + 1442695040888963407u;
    unsigned k = mine >> 40 & 63;
    if (p[k]) {
      CHECK(painted(p[k], size[k], (unsigned char)k));
      cr_free(p[k]);
    }
    size[k] = mine >> 33 & (mine >> 50 & 15 ? 255 : 32767);
    p[k] = cr_alloc(size[k], CR_TAG_RAW);
    paint(p[k], size[k], (unsigned char)k);
  }
  for (int k = 0; k < 64; k += 2)
    if (p[k]) cr_free(p[k]); /* the other half is the burial's */
}

TEST(strands_hammer) {
  FOR_BOTH_KINDS(start) {
    runner *r[4];
    for (uintptr_t i = 0; i < 4; i++) r[i] = start(hammer, (void *)(chance(1000) + i));
    for (int i = 0; i < 4; i++) finish(r[i]);
    EQUAL(cr_audit(print_fault, NULL), 0);
  }
}

static void hammer_on(void *arg) {
  shared *s = arg;
  for (;;) {
    hammer((void *)(uintptr_t)atomic_load(&s->word[0]));
    atomic_fetch_add(&s->word[0], 1);
  }
}

/* Wherever the kill comes, the arena is sound and everything is back. */
TEST(killed_while_hammering) {
  cr_time end = cr_clock() + 500000000;
  while (cr_clock() < end) {
    shared *s = shared_new();
    runner *r = by_process(hammer_on, s);
    UNTIL(atomic_load(&s->word[0]) > 0);
    for (uint64_t n = chance(100000); n > 0; n--) cr_clock();
    kill_off(r);
    cr_free(s);
    check_nothing_left();
  }
}

/* --------------------------------------------------------------------- messages */

TEST(message_grows) {
  cr_value v = message("hello");
  cr_message *m = cr_message_room(v.message, 100000);
  CHECK(m && m->length == 5 && memcmp(m->bytes, "hello", 5) == 0);
  cr_message_free(m);
}

TEST(message_counts_what_it_mentions) {
  cr_event *e = cr_event_new();
  cr_hold *h = cr_object_born(e);
  cr_value v = message("x");
  uint64_t number = 99;
  for (uint64_t i = 0; i < 20; i++) {
    EQUAL(cr_message_mention(v.message, &e->object, &number), 0);
    EQUAL(number, i);
  }
  EQUAL(atomic_load(&e->object.refs), 21);
  CHECK(cr_message_object(v.message, 19) == &e->object);
  CHECK(cr_message_object(v.message, 20) == NULL);
  cr_message *copy = cr_message_copy(v.message);
  EQUAL(atomic_load(&e->object.refs), 41);
  cr_message_free(v.message);
  cr_object_drop(h);
  EQUAL(atomic_load(&e->object.refs), 20);
  cr_message_free(copy);
}

/* --------------------------------------------------------------------- objects */

TEST(object_unborn_is_only_a_block) {
  cr_array *a = cr_array_new(CR_F64, 1000);
  CHECK(((double *)a->data)[999] == 0);
  cr_free(a);
}

TEST(object_is_counted) {
  cr_event *e = cr_event_new();
  cr_hold *h = cr_object_born(e);
  cr_hold *again = cr_object_hold(&e->object);
  EQUAL(atomic_load(&e->object.refs), 2);
  cr_object_drop(h);
  EQUAL(atomic_load(&e->object.refs), 1);
  cr_object_drop(again);
}

static void hold_and_die(void *arg) {
  cr_object_hold(arg);
  kill(getpid(), SIGKILL);
}

TEST(references_of_the_dead_are_dropped) {
  cr_event *e = cr_event_new();
  cr_hold *h = cr_object_born(e);
  finish(by_process(hold_and_die, e));
  EQUAL(atomic_load(&e->object.refs), 1);
  cr_object_drop(h);
}

/* A long chain of objects that own each other ends without recursion. */
TEST(a_chain_of_objects_is_destroyed) {
  cr_hold *h = cr_object_born(cr_event_new());
  for (int i = 0; i < 20000; i++) {
    cr_queue *q = cr_queue_new(CR_FIFO, 0);
    cr_value v = message("next");
    uint64_t number;
    cr_message_mention(v.message, (cr_object *)(uintptr_t)atomic_load(&h->what), &number);
    cr_hold *outer = cr_object_born(q);
    EQUAL(cr_queue_put(q, &v, 0, 0), 0);
    cr_object_drop(h);
    h = outer;
  }
  cr_object_drop(h);
}

/* ---- seen from outside */

static int open_own(cr_view *v, uint64_t layout) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", cr_arena_fd());
  return cr_view_open(v, open(path, O_RDONLY | O_CLOEXEC), layout);
}

static void note_address(void *arg, uint64_t object) {
  uint64_t *wanted = arg;
  if (*wanted == object) *wanted = 0;
}

TEST(another_arena_is_read_as_ones_own) {
  cr_event *e = cr_event_new();
  cr_hold *h = cr_object_born(e);
  cr_event copy, own;
  cr_view v;
  EQUAL(open_own(&v, 0), 0);
  EQUAL(v.top, cr_strands_top());
  CHECK(cr_strand_in(v.strands, cr_id_of(cr_me)) == &v.strands[cr_me->index]);
  CHECK(cr_peek(&v, cr_word(e), &copy, sizeof copy) && cr_peek(NULL, cr_word(e), &own, sizeof own));
  EQUAL(copy.object.serial, e->object.serial);
  EQUAL(own.object.serial, e->object.serial);
  uint64_t wanted = cr_word(e);
  CHECK(cr_view_holdings(&v, &v.strands[cr_me->index], 1000, note_address, &wanted));
  EQUAL(wanted, 0);
  cr_view_close(&v);
  cr_object_drop(h);
}

TEST(an_address_outside_is_found_nowhere) {
  uint64_t base = cr_word(cr_arena_base()), size = cr_arena_size(), word[2];
  cr_view v;
  EQUAL(open_own(&v, 0), 0);
  const uint64_t bad[] = {0, 8, base - 8, base + 1, base + size, base + size - 8, UINT64_MAX - 7};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK(!cr_peek(&v, bad[i], word, sizeof word));
    CHECK(!cr_peek(NULL, bad[i], word, sizeof word));
  }
  CHECK(!cr_peek(&v, base, word, (size_t)-8));
  cr_view_close(&v);
}

TEST(a_strand_with_many_holdings_is_told_in_part) {
  enum {
    MANY = 300
  };
  cr_hold *hold[MANY];
  uint64_t none = 1;
  cr_view v;
  for (int i = 0; i < MANY; i++) hold[i] = cr_object_born(cr_event_new());
  EQUAL(open_own(&v, 0), 0);
  CHECK(!cr_view_holdings(&v, &v.strands[cr_me->index], MANY - 1, note_address, &none));
  CHECK(cr_view_holdings(&v, &v.strands[cr_me->index], MANY + 100, note_address, &none));
  cr_view_close(&v);
  for (int i = 0; i < MANY; i++) cr_object_drop(hold[i]);
}

TEST(a_view_of_another_layout_or_file_is_refused) {
  cr_view v;
  EQUAL(open_own(&v, 1), EPROTO);
  cr_view_close(&v);
  EQUAL(cr_view_open(&v, memfd_create("empty", 0), 0), ENOEXEC);
  cr_view_close(&v);
}
