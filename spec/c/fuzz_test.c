/* SPDX-License-Identifier: MIT */
/*
** fuzz: the inputs of the fuzzers again, in every build.
**
** Each file of spec/fuzz/corpus as it is, cut off at every place, and with every
** byte changed in several ways.  A long input is cut and changed at evenly spaced
** places only, so that the whole stays a matter of seconds.  The targets end the
** program when something is out of order.
*/
#include <dirent.h>

#include "../fuzz/fuzz.h"
#include "test.h"

#define FOLDER "spec/fuzz/corpus" /* from the top of the tree, where specs run */
#define LONGEST 65536
#define PLACES 64 /* in one input that are cut or changed */

typedef struct input {
  uint8_t bytes[LONGEST];
  size_t n;
} input;

static void cut_off(const fuzz_target *t, const input *in, size_t step) {
  for (size_t n = 0; n < in->n; n += step) t->one(in->bytes, n);
}

/* Bits that decide something in tags, lengths and counts; all of them at once. */
static void change(const fuzz_target *t, input *in, size_t step) {
  static const uint8_t masks[] = {0x01, 0x10, 0x80, 0xff};
  for (size_t i = 0; i < in->n; i += step)
    for (size_t m = 0; m < sizeof masks; m++) {
      in->bytes[i] ^= masks[m];
      t->one(in->bytes, in->n);
      in->bytes[i] ^= masks[m];
    }
}

static bool read_input(const char *folder, const char *name, input *in) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (!CHECK(file != NULL)) return false;
  in->n = fread(in->bytes, 1, sizeof in->bytes, file);
  fclose(file);
  return CHECK(in->n < sizeof in->bytes);
}

static void replay(const fuzz_target *t, const char *folder, const char *name) {
  static input in;
  if (!read_input(folder, name, &in)) return;
  size_t step = in.n / PLACES + 1;
  t->one(in.bytes, in.n);
  cut_off(t, &in, step);
  change(t, &in, step);
}

static void replay_all(const fuzz_target *t) {
  char folder[256];
  int inputs = 0;
  snprintf(folder, sizeof folder, FOLDER "/%s", t->name);
  DIR *d = opendir(folder);
  if (!CHECK(d != NULL)) return;
  t->open();
  for (struct dirent *entry; (entry = readdir(d));)
    if (entry->d_name[0] != '.') {
      replay(t, folder, entry->d_name);
      inputs++;
    }
  t->shut();
  closedir(d);
  CHECK(inputs > 0);
}

TEST(values) { replay_all(&fuzz_values); }

TEST(dumps) { replay_all(&fuzz_dumps); }
