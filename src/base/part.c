/* SPDX-License-Identifier: MIT */
/*
** part: the switches of what only makes the program faster.
*/
#include <string.h>

#include "base/base.h"

uint32_t cr_parts_off;

static const char *const names[] = {[CR_IMAGE] = "image", [CR_HEAP] = "heap", [CR_WORDS] = "words",
                                    [CR_PROVE] = "prove", [CR_NEAR] = "near", [CR_SPARE] = "spare",
                                    [CR_CREW] = "crew",   [CR_SPIN] = "spin", [CR_FIRST] = "first"};
#define PARTS (sizeof names / sizeof names[0])

/* The bit of the name at `word`, `n` bytes long; 0: there is none. */
static uint32_t bit_of(const char *word, size_t n) {
  for (size_t i = 0; i < PARTS; i++)
    if (strlen(names[i]) == n && memcmp(names[i], word, n) == 0) return 1u << i;
  return 0;
}

int cr_parts_switch(const char *off) {
  for (const char *word = off; *word;) {
    size_t n = strcspn(word, ",");
    uint32_t bit = bit_of(word, n);
    if (bit == 0) return EINVAL;
    cr_parts_off |= bit;
    word += n + (word[n] == ',');
  }
  return 0;
}
