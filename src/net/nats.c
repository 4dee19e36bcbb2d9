/* SPDX-License-Identifier: MIT */
/*
** nats: libnats, looked for at run time, so that the program depends on libc only.  Its
** types come from <nats/nats.h>.
*/
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "net/inside.h"

#define LIBRARY "libnats.so.3.4"

struct nats nats;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *missing;

static void find(void) {
#define PLACE(name) {#name, &nats.name},
  const struct {
    const char *name;
    void *place;
  } functions[] = {NATS_FUNCTIONS(PLACE)};
#undef PLACE
  void *file = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!file) missing = "the library " LIBRARY " is not installed (Debian's package is libnats3.4)";
  for (size_t i = 0; !missing && i < sizeof functions / sizeof functions[0]; i++) {
    void *function = dlsym(file, functions[i].name);
    if (!function) missing = "the library " LIBRARY " is another than Debian's";
    memcpy(functions[i].place, &function, sizeof function);
  }
}

const char *nats_missing(void) {
  pthread_once(&once, find);
  return missing;
}
