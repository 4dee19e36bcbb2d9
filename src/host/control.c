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
  fprintf(out, "end\t%x\t%s\t%s\n", cr_schedule_checksum(), verdict ? verdict : "",
          left ? left : "");
  fclose(out);
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
