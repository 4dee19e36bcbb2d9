/* SPDX-License-Identifier: MIT */
/*
** register: what conrun is made of, in three lists: its C modules, what this floor lends
** to the ones below, and the types of objects.
*/
#include <pthread.h>
#include <stdlib.h>

#include "lib/lib.h"

static const luaL_Reg modules[] = {
    {"conrun.core", luaopen_conrun_core},
    {"conrun.core.barrier", luaopen_conrun_core_barrier},
    {"conrun.core.begin", luaopen_conrun_core_begin},
    {"conrun.core.condition", luaopen_conrun_core_condition},
    {"conrun.core.explore", luaopen_conrun_core_explore},
    {"conrun.core.future", luaopen_conrun_core_future},
    {"conrun.core.net", luaopen_conrun_core_net},
    {"conrun.core.pool", luaopen_conrun_core_pool},
    {"conrun.core.shared", luaopen_conrun_core_shared},
    {"conrun.core.view", luaopen_conrun_core_view},
    {"conrun.core.worker", luaopen_conrun_core_worker},
    {"conrun.event", luaopen_conrun_event},
    {"conrun.lock", luaopen_conrun_lock},
    {"conrun.pipe", luaopen_conrun_pipe},
    {"conrun.queue", luaopen_conrun_queue},
    {"conrun.core.screen", luaopen_conrun_core_screen},
    {"conrun.select", luaopen_conrun_select},
    {"conrun.semaphore", luaopen_conrun_semaphore},
    {"conrun.trace", luaopen_conrun_trace},
    {NULL, NULL},
};

static void open_globals(lua_State *L) {
  cr_screen_open(L);
  cr_print_open(L);
  cr_os_open(L);
  cr_program_open(L);
  cr_coroutine_open(L);
}

static void complain(lua_State *L, const char *text, size_t n) {
  cr_screen_write(L, stderr, text, n);
}

static void lend(void) {
  cr_lua_lent.modules = modules;
  cr_lua_lent.open = open_globals;
  cr_lua_lent.complain = complain;
}

/* A part of a wrong name would be measured in vain. */
static void switch_parts(void) {
  const char *off = getenv("CONRUN_OFF");
  if (!off || cr_parts_switch(off) == 0) return;
  fprintf(stderr, "conrun: CONRUN_OFF='%s' names a part that there is not (src/base/part.c)\n",
          off);
  exit(EXIT_FAILURE);
}

/* A C module has forked, and this is the child. */
static void in_child(void) {
  if (!cr_forked() || !cr_stray) return;
  cr_handles_forget();
  cr_buffers_forget();
}

void cr_lib_register(void) {
  switch_parts();
  pthread_atfork(cr_fork_begins, cr_fork_ends, in_child);
  lend();
  cr_sync_register();
  cr_worker_register();
  cr_pool_register();
  cr_entry_register();
  cr_step_register();
  cr_nudge_prepare();
}
