/* SPDX-License-Identifier: MIT */
/*
** view: another program's arena, read and never written.
**
** The memory file of a running program is opened for reading through /proc/PID/fd, which the
** kernel allows to whoever may trace that program: its user and root.  It is read with pread
** and not mapped, for three reasons: to touch a hole of a mapped memory file gives the file a
** page, so that looking would cost the program memory; an address that is wrong gives an
** error and no signal; and the reader can be a conrun with an arena of its own, wherever the
** other one lies.
**
** The program goes on meanwhile, or hangs, or is stopped, or ends: the file stays readable as
** long as it is open here.  What is read is therefore taken with care:
**
**   - the face is compared before anything else: a program of another version or build may
**     have anything anywhere;
**   - every word is copied once and used from the copy, so it cannot change between a check
**     and its use;
**   - an address is a word like any other until cr_peek has found it in the arena, and what
**     is found there may be another thing by now, so all counts are used with a bound;
**   - who has followed addresses from a record looks at the record again, and takes it anew if
**     it has changed: cr_view_again.
**
** One's own arena is read in the same way where the view is NULL, by loads of whole words.
*/
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/inside.h"

/* ---------------------------------------------------------------------- reading */

static bool read_file(int fd, uint64_t offset, void *to, size_t n) {
  char *at = to;
  while (n > 0) {
    ssize_t done = pread(fd, at, n, (off_t)offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    offset += (uint64_t)done;
    n -= (size_t)done;
  }
  return true;
}

/* Others write there; that is no race to be reported, as in stuck.c.  Objects and their sizes
** are multiples of 8. */
__attribute__((noinline, no_sanitize("thread"))) static void copy_words(const void *from, void *to,
                                                                        size_t n) {
  const volatile uint64_t *word = from;
  for (size_t i = 0; i < n / sizeof *word; i++) {
    uint64_t now = word[i];
    memcpy((char *)to + i * sizeof now, &now, sizeof now);
  }
}

bool cr_peek(const cr_view *v, uint64_t address, void *to, size_t n) {
  uint64_t base = v ? v->face.base : cr_word(arena), size = v ? v->face.size : arena->face.size;
  uint64_t offset = address - base;
  if (address % 8 != 0 || n % 8 != 0 || offset >= size || n > size - offset) return false;
  if (v) return read_file(v->fd, offset, to, n);
  copy_words(cr_to(void, address), to, n);
  return true;
}

/* ----------------------------------------------------------------------- a view */

static uint64_t first_page_up(uint64_t n) { return (n + 4095) & ~(uint64_t)4095; }

/* Where the memory of the strand table begins (map.c: lay_out). */
static uint64_t table_offset(void) { return first_page_up(sizeof(arena_head)); }

static uint64_t record_address(const cr_view *v, size_t i) {
  return v->face.base + table_offset() + cr_strands_start() + i * sizeof(cr_strand);
}

int cr_view_open(cr_view *v, int fd, uint64_t layout) {
  *v = (cr_view){.fd = fd};
  if (!read_file(fd, 0, &v->face, sizeof v->face)) return ENOEXEC;
  v->face.version[CR_NAME_MAX - 1] = '\0';
  if (v->face.magic >> 16 != CR_ARENA_MAGIC >> 16) return ENOEXEC;
  if (v->face.magic != CR_ARENA_MAGIC) v->face.version[0] = '\0';
  if (v->face.magic != CR_ARENA_MAGIC || v->face.layout != layout) return EPROTO;
  v->head = malloc(sizeof *v->head);
  v->strands = calloc(CR_STRANDS, sizeof *v->strands);
  return v->head && v->strands ? cr_view_look(v) : ENOMEM;
}

void cr_view_close(cr_view *v) {
  free(v->head);
  free(v->strands);
  if (v->fd >= 0) close(v->fd);
  *v = (cr_view){.fd = -1};
}

int cr_view_look(cr_view *v) {
  _Alignas(8) char start[256];
  size_t n = cr_strands_start();
  cr_check(n <= sizeof start);
  if (!read_file(v->fd, 0, v->head, sizeof *v->head) || !read_file(v->fd, table_offset(), start, n))
    return EIO;
  v->top = cr_strands_used(start);
  return cr_peek(v, record_address(v, 0), v->strands, v->top * sizeof(cr_strand)) ? 0 : EIO;
}

cr_root *cr_view_root(const cr_view *v) { return &v->head->root; }

uint64_t cr_view_used(const cr_view *v, uint64_t *limit) {
  *limit = v->head->limit == UINT64_MAX ? 0 : v->head->limit * CR_PAGE_SIZE;
  return v->head->in_use * CR_PAGE_SIZE;
}

static bool is_same_wait(const cr_strand *a, const cr_strand *b) {
  return a->state == b->state && a->id == b->id && a->waits_number == b->waits_number &&
         a->waits_for == b->waits_for;
}

bool cr_view_again(const cr_view *v, cr_strand *s) {
  cr_strand now;
  if (!v || !cr_peek(v, record_address(v, (size_t)(s - v->strands)), &now, sizeof now)) return true;
  bool same = is_same_wait(s, &now);
  if (!same) memcpy((void *)s, (const void *)&now, sizeof now);
  return same;
}

/* --------------------------------------------------------------------- holdings */

#define SOME 64 /* that are read at once */

typedef struct walk {
  size_t left; /* how many may still be told */
  void (*f)(void *arg, uint64_t object);
  void *arg;
} walk;

static bool tell_some(walk *w, const cr_hold *h, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint64_t what = h[i].what;
    if (what == 0 || what & 1) continue;
    if (w->left-- == 0) return false;
    w->f(w->arg, what & ~(uint64_t)3);
  }
  return true;
}

static bool tell_block(const cr_view *v, walk *w, uint64_t at, uint64_t count) {
  cr_hold some[SOME];
  for (uint64_t i = 0; i < count; i += SOME) {
    size_t n = count - i < SOME ? (size_t)(count - i) : SOME;
    uint64_t from = at + offsetof(cr_holds, hold) + i * sizeof *some;
    if (!cr_peek(v, from, some, n * sizeof *some)) return true; /* it is a block no more */
    if (!tell_some(w, some, n)) return false;
  }
  return true;
}

/* More blocks than a strand with that many holdings can have: it was read while it changed. */
#define MOST_BLOCKS 4096

bool cr_view_holdings(const cr_view *v, const cr_strand *s, size_t most,
                      void (*f)(void *arg, uint64_t object), void *arg) {
  walk w = {most, f, arg};
  cr_holds block;
  if (!tell_some(&w, cr_in_arena(s)->first, CR_HOLDS_INLINE)) return false;
  uint64_t more = cr_in_arena(s)->more;
  for (int n = 0; more && n < MOST_BLOCKS && cr_peek(v, more, &block, sizeof block); n++) {
    if (!tell_block(v, &w, more, block.count)) return false;
    more = block.next;
  }
  return true;
}
