/* SPDX-License-Identifier: MIT */
/*
** help: what the program says about itself.
**
** The page of --help begins with what one can type, since most people look for a
** line to copy; the options follow.  It fits a terminal of 80 columns.  Under
** Lua's own name a refusal is followed by Lua's own list, word for word, because
** programs that compare the two see it.
*/
#include "host/prompt.h"

#include <stdlib.h>

static const char lua_usage[] = "Available options are:\n"
                                "  -e stat   execute string 'stat'\n"
                                "  -i        enter interactive mode after executing 'script'\n"
                                "  -l mod    require library 'mod' into global 'mod'\n"
                                "  -l g=mod  require library 'mod' into global 'g'\n"
                                "  -v        show version information\n"
                                "  -E        ignore environment variables\n"
                                "  -W        turn warnings on\n"
                                "  --        stop handling options\n"
                                "  -         stop handling options and execute stdin\n";

void cr_help_usage(FILE *out, bool as_lua) {
  const char *name = cr_report_prefix();
  if (as_lua)
    fprintf(out, "usage: %s [options] [script [args]]\n%s", name, lua_usage);
  else
    fprintf(out, "usage: %s [options] [script [args]]    (%s --help explains the options)\n", name,
            name);
}

void cr_help_page(FILE *out) {
  static const char page[] =
      "  conrun script.lua 10 20            run a script; arg[1] is \"10\"\n"
      "  conrun -e 'print(2^10)'            run a piece of code\n"
      "  conrun                             type Lua and see what it says\n"
      "  conrun --examples                  what there is to look at and to run\n"
      "  conrun --example=squares           run one of them\n"
      "  conrun --seed=42 script.lua        the same random numbers each time\n"
      "\n"
      "usage: conrun [options] [script [args]]\n"
      "  -e code      run a piece of code\n"
      "  -l name      require module 'name' into the global 'name'\n"
      "  -l g=name    require module 'name' into the global 'g'\n"
      "  -i           be interactive after everything else\n"
      "  -v           print the version of Lua\n"
      "  -E           ignore LUA_INIT, LUA_PATH, LUA_CPATH and CONRUN_OPTIONS\n"
      "  -W           turn warnings on\n"
      "  -            run the program that comes from standard input\n"
      "  --           end of the options\n"
      "\n"
      "  --workers=N            size of a pool that is given none (default: the\n"
      "                         number of processors)\n"
      "  --seed=N               random numbers that repeat: math.randomseed(N), and\n"
      "                         numbers derived from N in every worker and task\n"
      "  --explore[=N]          run the script under many schedules and show a\n"
      "                         failure: the steps to it, and how to repeat it\n"
      "  --strategy=WHAT        'exhaustive' (default) tries all schedules, those with\n"
      "                         the fewest preemptions first; 'random', 'pct'\n"
      "  --preemptions=N        of a schedule, at most (default 2)\n"
      "  --outcomes             try them all, and count what the script has printed\n"
      "  --schedule=WORD        run one strand at a time, as WORD decides: seed:N for\n"
      "                         chance that repeats, or a recorded schedule\n"
      "  --memory-limit=SIZE    at most so much shared memory: 512M, 2G\n"
      "  --on-deadlock=WHAT     strands that wait for each other for ever: 'error'\n"
      "                         reports and ends it (default), 'report', 'off'\n"
      "  --unasked=WHAT         tasks that failed and that nobody asked about:\n"
      "                         'report' tells of them at the end (default), 'off'\n"
      "  --trace=FILE           write what every strand did, and when: .html is a page\n"
      "                         to look at, .json (and .json.gz) is for Perfetto\n"
      "  --trace-size=SIZE      memory for it (default 64M); the last of it is kept\n"
      "  --color=WHEN           auto (default; NO_COLOR is honoured), always, never\n"
      "  --audit                at the end say what is left in shared memory; exit\n"
      "                         code 1 if anything is\n"
      "  --dump[=PID]           what another program of conrun does at this moment; it\n"
      "                         neither helps nor notices; without PID the only one\n"
      "                         that runs, or a list of them\n"
      "  --json                 with --dump: the same for scripts\n"
      "  --stacks               with --dump: the program prints its Lua stacks, as\n"
      "                         Ctrl-\\ makes it do\n"
      "  --top[=PID]            the same four times a second, on the whole terminal\n"
      "  --examples             list the scripts that come with conrun\n"
      "  --example=NAME [args]  run one of them\n"
      "  --hub                  start a server for pools on other machines, on this\n"
      "                         machine alone or at --listen=ADDRESS\n"
      "  --agent=URL            compute for such pools with --workers processes;\n"
      "                         Ctrl-C lets what runs finish, a second one does not\n"
      "  --tags=A,B             what this agent has that some pools ask for\n"
      "  --token-file=FILE      the token of the server (default: the hub's)\n"
      "  --listen=ADDRESS       of the hub, such as 0.0.0.0:4222\n"
      "  --tls                  of the hub: makes certificates, and refuses others\n"
      "  --tls-ca=FILE          of an agent: who certifies the server\n"
      "  --version              print the version of conrun\n"
      "  --help                 print this\n"
      "  --help=NAME            what the reference says: --help=pool.map\n"
      "\n"
      "CONRUN_OPTIONS in the environment holds settings for every run, such as\n"
      "\"--workers=4 --color=never\".  Ctrl-C interrupts the script, a second one ends\n"
      "it at once; Ctrl-\\ shows what every thread and process is doing.\n"
      "Threads, processes, queues, locks and pools: require \"conrun\".\n";
  fputs(page, out);
}

static int print_topic(lua_State *L) {
  const char *topic = lua_tostring(L, 1);
  if (!cr_module(L, "conrun.repl.help")) return luaL_error(L, "no help");
  lua_getfield(L, -1, "text");
  lua_pushinteger(L, 1);
  lua_pushstring(L, topic);
  lua_pushinteger(L, cr_terminal_columns());
  lua_call(L, 3, 2);
  puts(lua_tostring(L, -2));
  return 1;
}

int cr_help_topic(lua_State *L, const char *topic) {
  lua_pushcfunction(L, print_topic);
  lua_pushstring(L, topic);
  if (cr_report_status(L, lua_pcall(L, 1, 1, 0)) != LUA_OK) return EXIT_FAILURE;
  bool found = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return found ? EXIT_SUCCESS : EXIT_FAILURE;
}
