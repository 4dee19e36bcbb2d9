/* SPDX-License-Identifier: MIT */
/*
** part: switches of what only makes the program faster.
*/
#ifndef CR_PART_H
#define CR_PART_H

#include "base/base.h"

/* Parts that only make the program faster, and that it works without.  Each can be turned
** off from the environment, CONRUN_OFF=image,spare, to measure what it brings
** (make bench BENCH=--switches) or to see whether a mistake is in it. */
enum cr_part {
  CR_IMAGE, /* state/image.c: states of threads are copies */
  CR_HEAP,  /* state/heap.c: small blocks without malloc */
  CR_WORDS, /* codec/words.c: strings that come again */
  CR_PROVE, /* codec/encode.c: a long list is known to be all of its table */
  CR_NEAR,  /* sync/queue.c: a fast getter lets items gather */
  CR_SPARE, /* worker/spare.c: processes forked beforehand */
  CR_CREW,  /* base/crew.c: threads stay for another strand */
  CR_SPIN,  /* base/spin.c: looks around before a sleep */
  CR_FIRST  /* codec/names.c: a state's first values are shown to have no name */
};
extern uint32_t cr_parts_off; /* a bit for each; r/o once the program has begun */
static inline bool cr_has(enum cr_part part) {
  return __builtin_expect(!(cr_parts_off >> part & 1), true);
}

/* Turns off the parts that are named in a list with commas; EINVAL: there is none of
** that name. */
int cr_parts_switch(const char *off);

#endif
