/* SPDX-License-Identifier: MIT */
/*
** run: a target for libFuzzer, which has the main function.
**
** The program's name says which: fuzz-values, fuzz-dumps.  Every thousand inputs the
** arena is counted: nothing may have been left in it.
*/
#include <string.h>

#include "fuzz.h"
#include "sync/sync.h"

#define COUNTED_EVERY 1000

static const fuzz_target *target;
static cr_census at_start;

static const fuzz_target *find_target(const char *program) {
  static const fuzz_target *const targets[] = {&fuzz_values, &fuzz_dumps};
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
    if (strstr(program, targets[i]->name)) return targets[i];
  return NULL;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  cr_arena_options options = {.limit = FUZZ_MEMORY};
  (void)argc;
  const char *slash = strrchr((*argv)[0], '/');
  target = find_target(slash ? slash : (*argv)[0]);
  cr_check(target != NULL);
  cr_check(cr_arena_create(&options) == 0);
  cr_sync_register();
  target->open();
  cr_census_take(&at_start);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  static unsigned inputs;
  cr_census now;
  target->one(bytes, n);
  if (++inputs % COUNTED_EVERY != 0) return 0;
  cr_census_take(&now);
  cr_check(now.messages == at_start.messages && now.raw == at_start.raw);
  cr_check(cr_audit(NULL, NULL) == 0);
  return 0;
}
