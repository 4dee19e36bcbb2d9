/* SPDX-License-Identifier: MIT */
/*
** host: the program `conrun`, a drop-in for the command line of Lua.
**
** Only this floor may assume that it owns the process: it reads argv and the
** environment, sets signal handlers, prints messages and decides the exit code.
** main.c tells the order of birth and end; the other files are one part each:
**
**   options     argv -> cr_options, and what to say about a wrong one
**   script      the chunks that the options name: -e, -l, LUA_INIT, the script
**   repl        the interactive mode
**   report      messages, and what an uncaught error looks like
**   interrupt   SIGINT -> "interrupted!"
**   audit       what is left in shared memory at the end
*/
#ifndef CR_HOST_H
#define CR_HOST_H

#include <stdio.h>

#include "lib/lib.h"

/* ------------------------------------------------------------------ options */

/* What the command line asks for.  The pieces of code (-e, -l, -W) stay in argv
** and are run from there in their order. */
typedef struct cr_options {
  int script;       /* argv index of the script's name; argc when there is none */
  bool interactive; /* -i */
  bool version;     /* -v, or -i */
  bool executes;    /* some -e: standard input is not the program then */
  bool plain;       /* -E: no environment variables */
  bool audit;       /* --audit */
  bool about;       /* --version */
  bool help;        /* --help */
} cr_options;

/* Reads argv.  0, or the index of the first argument that is no option of ours
** (also of an option whose argument is missing). */
int cr_options_read(cr_options *o, int argc, char **argv);

/* Says on stderr what is wrong with that argument. */
void cr_options_refuse(const char *bad);

/* The page of --help. */
void cr_options_help(FILE *out);

/* ------------------------------------------------------------------- script */

/* Sets the global `arg`: the script at 0, its arguments from 1, what came before
** it at negative indices.  [-0, +0, m] */
void cr_script_arguments(lua_State *L, const cr_options *o, int argc, char **argv);

/* Each runs its part and returns a Lua status; the error is reported already.
** [-0, +0, -] */
int cr_script_environment(lua_State *L);                                /* LUA_INIT */
int cr_script_pieces(lua_State *L, const cr_options *o, char **argv);   /* -e, -l, -W */
int cr_script_run(lua_State *L, const char *name, bool with_arguments); /* NULL: stdin */

/* Calls the function below its `n` arguments as the main strand's own code: with
** traceback and interruption.  [-(n + 1), +(results | 1), -] */
int cr_script_call(lua_State *L, int n, int results);

/* --------------------------------------------------------------------- repl */

/* Reads, evaluates and prints until the end of input.  [-*, +0, -] */
void cr_repl_run(lua_State *L);

/* ------------------------------------------------------------------- report */

/* The name before each message: argv[0], or NULL in the interactive mode. */
void cr_report_name(const char *name);
const char *cr_report_prefix(void);

/* Prints one message on stderr with that name. */
void cr_report_line(const char *message);

/* Prints the error object on top unless `status` is LUA_OK; returns `status`.
** [-(0|1), +0, -] */
int cr_report_status(lua_State *L, int status);

/* The message handler of every call: makes a string with traceback. */
int cr_report_handler(lua_State *L);

/* -------------------------------------------------------------------- audit */

/* Says on stderr what is left in the arena; 1 if anything is, else 0.  No strand
** may be running. */
int cr_host_audit(void);

/* ---------------------------------------------------------------- interrupt */

/* While armed, the first SIGINT raises "interrupted!" in the main strand and the
** second ends the program.  Only one state can be armed: the main strand's. */
void cr_interrupt_arm(lua_State *L);
void cr_interrupt_disarm(void);

#endif
