/* SPDX-License-Identifier: MIT */
/*
** spare: worker processes that are forked before anybody wants them.
**
** To fork takes time, most of it the kernel's.  So when a program has once started
** a process, the zygote keeps a few more ready: each waits at a place in shared
** memory, and to start a worker is then to write the strand into the place and to
** wake whoever waits there.  If all places are empty, the starter asks the zygote
** as ever.  A spare has run nothing and knows nothing of the program; it inherits
** what a child forked at that moment would, since nothing of the zygote's changes.
**
** The word of a place      by whom
**   0          nobody      
**   pid, 0     free        the zygote, after the fork
**   pid, s     promised    a starter, by one compare-and-swap: the birth is decided
**   0          gone        the spare, after it has become the strand (RUNNING, pid set)
**
** Death.  A starter that dies before the swap leaves an unborn strand, after it a
** hired spare that may be asleep: its burial wakes those again.  A spare that dies at
** its place, promised or not, is found there by the zygote, which first writes the
** pid into the strand, so that the burial of that process buries the strand too.
** After `gone` it is a worker like any other.
*/
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/inside.h"

static cr_spare *place_number(int i) { return &cr_worker_root()->spare[i]; }

static int pid_of(uint64_t word) { return (int)(word >> 32); }

static cr_strand *strand_of(uint64_t word) {
  return (uint32_t)word ? &cr_strands[(uint32_t)word - 1] : NULL;
}

/* -------------------------------------------------------------------- starter */

/* The strand is not touched after the swap: it may have lived and died by then.
** The worker object is the caller's. */
static bool hire(cr_spare *place, const cr_strand *s, cr_worker *w) {
  uint64_t word = atomic_load(&place->word);
  if (word == 0 || strand_of(word)) return false;
  if (!atomic_compare_exchange_strong(&place->word, &word, word | (s->index + 1))) return false;
  int32_t none = 0;
  atomic_compare_exchange_strong(&w->pid, &none, pid_of(word));
  cr_gate_wake(&place->gate, CR_ALL);
  return true;
}

bool spare_hire(cr_strand *s, cr_worker *w) {
  for (int i = 0; i < CR_SPARES; i++)
    if (hire(place_number(i), s, w)) return true;
  return false;
}

/* ---------------------------------------------------------------------- spare */

/* Memory of the zygote that a worker will touch anyhow: the first touch of a page is
** a trap into the kernel, and costs more than all that the worker has to do.  A spare
** has the time to do that beforehand: what is written by one call for the mapping (where
** the kernel knows no such call, the traps come later); of what is only read, one touch
** brings in the pages around it that are in memory.  The zygote's mappings stay as they
** are, so it looks for them once. */
#define AROUND 65536 /* bytes that one touch of a file's page brings in: the kernel's default */

static struct {
  void *at;
  size_t size;
  bool written;
} touched[4];
static int touched_count = -1;

static void note_mapping(const char *line) {
  void *start, *end;
  char mode[8];
  if (touched_count == sizeof touched / sizeof touched[0]) return;
  if (sscanf(line, "%p-%p %7s", &start, &end, mode) != 3) return;
  bool heap = strstr(line, "[heap]") != NULL;
  bool text = strcmp(mode, "r-xp") == 0 && (char *)start <= (char *)note_mapping &&
              (char *)note_mapping < (char *)end;
  if (!heap && !text) return;
  touched[touched_count].at = start;
  touched[touched_count].size = (size_t)((char *)end - (char *)start);
  touched[touched_count++].written = heap;
}

/* Free pages at the end of the heap would be copies that no worker needs. */
static void trim_heap(void) {
  malloc_trim(0);
  for (int i = 0; i < touched_count; i++)
    if (touched[i].written) touched[i].size = (size_t)((char *)sbrk(0) - (char *)touched[i].at);
}

void spare_prepare(void) {
  char line[512];
  if (touched_count >= 0) return;
  touched_count = 0;
  FILE *maps = fopen("/proc/self/maps", "re");
  while (maps && fgets(line, sizeof line, maps)) note_mapping(line);
  if (maps) fclose(maps);
  trim_heap();
}

static void touch(const volatile char *at, size_t size) {
  for (size_t i = 0; i < size; i += AROUND) (void)at[i];
}

static void settle(void) {
  for (int i = 0; i < touched_count; i++) {
    if (touched[i].written)
      madvise(touched[i].at, touched[i].size, MADV_POPULATE_WRITE);
    else
      touch(touched[i].at, touched[i].size);
  }
  if (cr_lent.rehearse) cr_lent.rehearse();
}

/* Returns as the strand.  Deaf: there is no strand yet that could be told anything. */
cr_strand *spare_wait(cr_spare *place) {
  settle();
  uint64_t mine = (uint64_t)getpid() << 32, word;
  for (;;) {
    uint32_t seen = cr_gate_arm(&place->gate);
    word = atomic_load(&place->word);
    if (word > mine && pid_of(word) == getpid()) break;
    cr_gate_wait_outside(&place->gate, seen, CR_FOREVER);
  }
  cr_strand *s = strand_of(word);
  cr_strand_enter(s);
  atomic_store(&place->word, 0);
  return s;
}

/* --------------------------------------------------------------------- zygote */

cr_spare *spare_vacancy(void) {
  for (int i = 0; i < CR_SPARES; i++)
    if (atomic_load(&place_number(i)->word) == 0) return place_number(i);
  return NULL;
}

/* From now on it can be hired; the spare may not even have begun to wait. */
void spare_announce(cr_spare *place, int pid) { atomic_store(&place->word, (uint64_t)pid << 32); }

/* Before the strands of the process are recovered. */
void spare_died(int pid) {
  for (int i = 0; i < CR_SPARES; i++) {
    cr_spare *place = place_number(i);
    if (pid_of(atomic_load(&place->word)) != pid) continue;
    cr_strand *s = strand_of(atomic_exchange(&place->word, 0));
    if (s) atomic_store(&s->pid, pid);
  }
}

bool spare_promised(const cr_strand *s) {
  for (int i = 0; i < CR_SPARES; i++)
    if (strand_of(atomic_load(&place_number(i)->word)) == s) return true;
  return false;
}

void spare_wake_hired(void) {
  for (int i = 0; i < CR_SPARES; i++)
    if (strand_of(atomic_load(&place_number(i)->word)))
      cr_gate_wake(&place_number(i)->gate, CR_ALL);
}

int spare_pid(int number) { return pid_of(atomic_load(&place_number(number)->word)); }

void spare_kill_all(void) {
  for (int i = 0; i < CR_SPARES; i++) {
    int pid = spare_pid(i);
    if (pid > 0) kill(pid, SIGKILL);
  }
}
