/* SPDX-License-Identifier: MIT */
/*
** control: a run under a schedule, seen from its host.
**
** What else than the schedule could make two runs differ is pinned here: the addresses of
** this process (which are what Lua's tables are ordered by, and what tostring shows) and
** random numbers.  What is outside of the program is as it is: files, sockets, process
** ids, other programs, the number of processors.
**
** The log of the run goes into the file that CONRUN_SCHEDULE_LOG names, one line for each
** step and a last one that says how the run ended: for who explores (lua/conrun/explore).
*/
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

#include "host/host.h"

#define MOST_STEPS 2000000u /* of a run that nobody has to look through */
#define ASK 0xffffffffu     /* personality: changes nothing */

void cr_host_pin(char **argv) {
  int now = personality(ASK);
  if (now < 0 || (now & ADDR_NO_RANDOMIZE)) return;
  if (personality((unsigned)now | ADDR_NO_RANDOMIZE) < 0) return;
  execv("/proc/self/exe", argv); /* if that cannot be, addresses are by chance */
}

/* ------------------------------------------------------------------------ log */

static void write_step(FILE *out, const cr_step *s) {
  const char *type = s->type ? cr_type_name((enum cr_type_id)s->type) : "";
  fprintf(out, "%u\t%u\t%s\t%u\t%s\t%s\t%s\t%u\t%d%d\t", s->who, s->stands, type, s->serial,
          s->operation, s->where, s->with, s->chosen, s->kept, s->idle);
  for (int i = 0; i < s->count; i++) fprintf(out, "%s%u", i ? "," : "", s->candidate[i]);
  fputc('\n', out);
}

static void write_log(const char *verdict, const char *left) {
  const char *path = getenv("CONRUN_SCHEDULE_LOG");
  FILE *out = path ? fopen(path, "we") : NULL;
  uint32_t count;
  if (!out) return;
  const cr_step *log = cr_schedule_log(&count);
  for (uint32_t i = 0; i < count; i++) write_step(out, &log[i]);
  for (uint32_t i = 0; i < cr_strands_top(); i++)
    if (cr_schedule_name(i)[0]) fprintf(out, "name\t%u\t%s\n", i, cr_schedule_name(i));
  fprintf(out, "end\t%x\t%s\t%s\n", cr_schedule_checksum(), verdict ? verdict : "",
          left ? left : "");
  fclose(out);
}

/* -------------------------------------------------------------------- exploring */

/* The words of the exploration itself are not for the runs. */
static bool is_ours(const char *word) {
  static const char *const words[] = {"--explore", "--strategy", "--preemptions", "--outcomes"};
  size_t n = strcspn(word, "=");
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strlen(words[i]) == n && memcmp(word, words[i], n) == 0) return true;
  return false;
}

static void push_words(lua_State *L, const cr_options *o, char **argv) {
  lua_newtable(L);
  lua_pushstring(L, argv[0]);
  lua_rawseti(L, -2, 0);
  for (int i = 1, n = 1; argv[i]; i++) {
    if (i < o->script && is_ours(argv[i])) continue;
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, n++);
  }
}

static void set_integer(lua_State *L, const char *name, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, name);
}

#define USUAL_SCHEDULES 1000
#define USUAL_DEPTH 3

static int explore(lua_State *L) {
  const cr_options *o = lua_touserdata(L, 1);
  char **argv = lua_touserdata(L, 2);
  if (!cr_module(L, "conrun.explore.report")) return luaL_error(L, "no exploration");
  lua_getfield(L, -1, "main");
  push_words(L, o, argv);
  lua_newtable(L);
  set_integer(L, "schedules", o->schedules ? o->schedules : USUAL_SCHEDULES);
  set_integer(L, "preemptions", o->preemptions);
  set_integer(L, "depth", USUAL_DEPTH);
  lua_pushstring(L, o->strategy ? o->strategy : "exhaustive");
  lua_setfield(L, -2, "strategy");
  lua_pushboolean(L, o->outcomes);
  lua_setfield(L, -2, "outcomes");
  lua_call(L, 2, 1);
  return 1;
}

int cr_host_explore(lua_State *L, const cr_options *o, char **argv) {
  lua_pushcfunction(L, explore);
  lua_pushlightuserdata(L, (void *)o);
  lua_pushlightuserdata(L, argv);
  if (cr_report_status(L, lua_pcall(L, 2, 1, 0)) != LUA_OK) return EXIT_FAILURE;
  int code = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return code;
}

/* ------------------------------------------------------------------------ end */

int cr_host_controlled(int code) {
  char room[256];
  const char *verdict = cr_schedule_verdict(), *left = cr_schedule_left(room, sizeof room);
  if (verdict) fprintf(stderr, "%s: schedule: %s\n", cr_report_prefix(), verdict);
  if (left) fprintf(stderr, "%s: schedule: %s\n", cr_report_prefix(), left);
  write_log(verdict, left);
  return (verdict || left) && code == EXIT_SUCCESS ? EXIT_FAILURE : code;
}

/* The other strands stand still, wherever they are: there is nothing to be unwound. */
static void halt(void) {
  fflush(NULL);
  _exit(cr_host_controlled(EXIT_FAILURE));
}

bool cr_host_control(const char *schedule) {
  cr_lent.halt = halt;
  bool logs = getenv("CONRUN_SCHEDULE_LOG") != NULL;
  if (cr_schedule_begin(schedule, logs ? CR_STEPS : MOST_STEPS) == 0) return true;
  fprintf(
      stderr,
      "%s: '%s' is no schedule (write seed:N, with a number, or a schedule as it was recorded)\n",
      cr_report_prefix(), schedule);
  return false;
}
