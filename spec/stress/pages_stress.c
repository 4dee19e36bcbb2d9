/* SPDX-License-Identifier: MIT */
/*
** pages: large blocks by many strands at once, kept and given back.
**
** What src/arena/pages.c promises of its fast path, the memory that stays
** committed between two uses: no run is ever two strands' at a time, whatever is
** kept, punched or trimmed meanwhile; what is wanted again is kept; what is wanted
** no more is given back; and a strand that is killed in the middle of any of it
** leaves a table without faults.
*/
#include <sys/stat.h>

#include "../c/test.h"

#define MIB ((size_t)1 << 20)

/* Bytes of the arena that the system has given memory for. */
static size_t committed(void) {
  struct stat file;
  cr_check(fstat(cr_arena_fd(), &file) == 0);
  return (size_t)file.st_blocks * 512;
}

/* A word in each page of 4 KiB says whose it is. */
static void sign(uint64_t *word, size_t size, uint64_t name) {
  for (size_t i = 0; i < size / sizeof *word; i += 512) word[i] = name + i;
}

static bool signed_by(const uint64_t *word, size_t size, uint64_t name) {
  for (size_t i = 0; i < size / sizeof *word; i += 512)
    if (word[i] != name + i) return false;
  return true;
}

static void take_and_give(size_t size) {
  uint64_t *block = cr_alloc(size, CR_TAG_RAW);
  if (!CHECK(block != NULL)) return;
  sign(block, size, 7);
  cr_free(block);
}

TEST(what_is_wanted_again_is_kept) {
  size_t size = 64 * MIB;
  take_and_give(size);
  CHECK(committed() < size); /* more than a program gets without asking twice */
  take_and_give(size);
  CHECK(committed() >= size);
}

TEST(what_is_wanted_no_more_is_given_back) {
  take_and_give(100 * MIB);
  take_and_give(100 * MIB);
  CHECK(committed() >= 100 * MIB);
  while (committed() >= 50 * MIB) cr_arena_settle();
}

TEST(the_next_page_operation_gives_back) {
  take_and_give(100 * MIB);
  take_and_give(100 * MIB);
  CHECK(committed() >= 100 * MIB);
  while (committed() >= 50 * MIB) take_and_give(MIB);
}

/* ------------------------------------------------------------------- hammering */

#define BLOCKS 4

static void hammer_for(int turns, uint64_t mine) {
  uint64_t *block[BLOCKS] = {0}, name = mine << 32;
  size_t size[BLOCKS];
  for (int i = 0; i < turns; i++) {
    mine = mine * 6364136223846793005u + 1442695040888963407u;
    unsigned k = mine >> 40 & (BLOCKS - 1);
    if (block[k]) {
      CHECK(signed_by(block[k], size[k], name + k));
      cr_free(block[k]);
      block[k] = NULL;
      continue;
    }
    size[k] = (mine >> 44 & 63) * 65536 / 4 + 20000;
    block[k] = cr_alloc(size[k], CR_TAG_RAW);
    if (block[k]) sign(block[k], size[k], name + k); /* else the others have it all */
    if ((mine >> 52 & 15) == 0) cr_arena_settle();
  }
  for (int k = 0; k < BLOCKS; k++)
    if (block[k]) cr_free(block[k]);
}

static void hammer(void *arg) { hammer_for(2000, (uint64_t)(uintptr_t)arg); }
static void hammer_on(void *arg) {
  for (;;) hammer_for(1000, (uint64_t)(uintptr_t)arg);
}

TEST(no_run_is_two_strands_at_a_time) {
  enum {
    N = 6
  };
  runner *r[N];
  for (uintptr_t i = 0; i < N; i++)
    r[i] = i % 2 ? by_thread(hammer, (void *)(i + 1)) : by_process(hammer, (void *)(i + 1));
  for (int i = 0; i < N; i++) finish(r[i]);
}

/* How far the other gets before it is killed is left to chance. */
TEST(killed_while_it_takes_and_gives) {
  for (uintptr_t i = 1; i <= 60; i++) {
    runner *r = by_process(hammer_on, (void *)i), *other = by_process(hammer_on, (void *)(i + 100));
    for (uint64_t n = chance(20); n > 0; n--) take_and_give(5 * MIB);
    kill_off(r);
    take_and_give(40 * MIB);
    kill_off(other);
    EQUAL(cr_audit(print_fault, NULL), 0);
  }
}
