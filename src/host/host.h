/* SPDX-License-Identifier: MIT */
/*
** host: the program `conrun`, a drop-in for the command line of Lua.
**
** Only this floor may assume that it owns the process: it reads argv and the
** environment, sets signal handlers, prints messages and decides the exit code.
** main.c tells the order of birth and end; the other files are one part each:
**
**   options     argv -> cr_options, and what to say about a wrong one
**   help        the pages of --help and of a refusal
**   live        what another program does: --dump, --top
**   full        a terminal as a whole, for --top
**   examples    the scripts that are installed with the program
**   script      the chunks that the options name: -e, -l, LUA_INIT, the script
**   repl        the interactive mode (prompt.h has its parts)
**   report      messages, and what an uncaught error looks like
**   interrupt   SIGINT -> "interrupted!", SIGQUIT -> what everybody is doing
**   init        the first process of a container: reaps, and hands on signals
**   control     a run under a schedule
**   audit       what is left in shared memory at the end
**   timeline    the file of --trace
*/
#ifndef CR_HOST_H
#define CR_HOST_H

#include <stdio.h>

#include "lib/lib.h"

/* ------------------------------------------------------------------ options */

enum cr_color {
  CR_COLOR_AUTO,
  CR_COLOR_ALWAYS,
  CR_COLOR_NEVER
};

#define CR_SMALLEST_LIMIT ((size_t)1 << 20) /* --memory-limit: less holds no program */
#define CR_USUAL_TRACE ((size_t)64 << 20)   /* --trace-size */
#define CR_LARGEST_TRACE ((size_t)16 << 30)

/* What the command line asks for.  The pieces of code (-e, -l, -W) stay in argv
** and are run from there in their order. */
typedef struct cr_options {
  int script;           /* argv index of the script's name (or --example); argc: there is none */
  bool as_lua;          /* called `lua`: nothing of conrun's own */
  bool interactive;     /* -i */
  bool version;         /* -v, or -i */
  bool executes;        /* some -e: standard input is not the program then */
  bool plain;           /* -E: no environment variables */
  bool audit;           /* --audit */
  const char *schedule; /* --schedule; NULL: the kernel decides */
  bool explore;         /* --explore */
  uint32_t schedules;   /* --explore=N, 0: as many as the strategy tries */
  uint32_t preemptions; /* --preemptions */
  bool bounded;         /*   was given */
  const char *strategy; /* --strategy */
  bool outcomes;        /* --outcomes */
  bool unasked_off;     /* --unasked=off */
  bool about;           /* --version */
  bool help;            /* --help */
  const char *topic;    /* --help=TOPIC; NULL: none */
  bool examples;        /* --examples */
  bool seeded;          /* --seed, with this number: */
  lua_Integer seed;     /*   */
  const char *example;  /* --example; NULL: none */
  bool hub;             /* --hub */
  const char *agent;    /* --agent=URL; NULL: none */
  const char *listen, *tags, *token_file, *tls_ca; /* of these two; NULL: none */
  bool tls;                                        /* --tls */
  uint32_t workers;    /* --workers, 0: as many as there are processors */
  size_t memory_limit; /* --memory-limit, 0: none */
  const char *trace;   /* --trace; NULL: none */
  size_t trace_size;   /* --trace-size */
  enum cr_on_deadlock on_deadlock;
  enum cr_color color;

  bool dump, top;    /* --dump, --top: of the program that has this process: */
  int32_t pid;       /*   0: whichever there is */
  bool json, stacks; /* --json, --stacks: with --dump */
} cr_options;

/* Reads argv and CONRUN_OPTIONS.  False: something is wrong, and stderr says what. */
bool cr_options_read(cr_options *o, int argc, char **argv);

/* Tells of failures that nobody asked about, unless that is not wanted, and forgets them.
** After main's state is closed, before its burial. */
void cr_host_unasked(bool wanted);

/* --------------------------------------------------------------------- help */

void cr_help_page(FILE *out);
void cr_help_usage(FILE *out, bool as_lua);

/* Prints what the reference says about a name or a word; the exit code, not 0 if it has
** nothing of that name.  [-0, +0, -] */
int cr_help_topic(lua_State *L, const char *topic);

/* --------------------------------------------------------------------- live */

/* Shows what another program does, by --dump or --top; the exit code.  [-0, +0, -] */
int cr_live(lua_State *L, const cr_options *o);

/* full.c.  The terminal as a whole: can it be had?  It is put back by close, and however else
** the program ends.  Push: the functions of a terminal for Lua.  [-0, +1, m] */
bool cr_full_possible(void);
bool cr_full_open(void);
void cr_full_close(void);
void cr_full_push(lua_State *L);

/* ----------------------------------------------------------------- examples */

/* Lists the scripts that come with the program, one line each; the exit code. */
int cr_examples_list(FILE *out);

/* The path of the example of that name, allocated; NULL: there is none, and stderr
** says so. */
char *cr_example_find(const char *name);

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

/* Before any code runs that could start a worker, if there will be a conversation:
** what workers print must come through our hands (terminal.c). */
void cr_repl_prepare(const cr_options *o);

/* Reads, evaluates and prints until the end of input.  [-*, +0, e] */
void cr_repl_run(lua_State *L, const cr_options *o);

/* ------------------------------------------------------------------- report */

/* The name before each message: argv[0], or NULL in the interactive mode. */
void cr_report_name(const char *name);
const char *cr_report_prefix(void);

/* Prints one message on stderr with that name. */
void cr_report_line(const char *message);

/* Prints the error object on top unless `status` is LUA_OK; returns `status`.
** [-(0|1), +0, -] */
int cr_report_status(lua_State *L, int status);

/* Was the error that was reported last what SIGINT has led to? */
bool cr_report_interrupted(void);

/* The message handler of every call: makes a string with traceback. */
int cr_report_handler(lua_State *L);

/* Whether what is printed on `fd` may have colours: --color decides; with "auto"
** a terminal has them, unless NO_COLOR is set or the terminal is dumb. */
void cr_color_choose(enum cr_color when);
bool cr_color_on(int fd);

/* ----------------------------------------------------------------- schedule */

/* A controlled run (base/schedule.h).  Before anything else: takes chance from the places
** of this process in memory, for which the program is executed once more. */
void cr_host_pin(char **argv);

/* The arena is there and nothing has been started.  False: that is no schedule, and stderr
** says so. */
bool cr_host_control(const char *schedule);

/* --explore: runs the program under many schedules; the exit code.  [-0, +0, -] */
int cr_host_explore(lua_State *L, const cr_options *o, char **argv);

/* The program is over: writes the log if somebody wants it, and returns the exit code. */
int cr_host_controlled(int code);

/* -------------------------------------------------------------------- audit */

/* Says on stderr what is left in the arena; 1 if anything is, else 0.  No strand
** may be running. */
int cr_host_audit(void);

/* ----------------------------------------------------------------- timeline */

enum cr_form {
  CR_FORM_NONE,
  CR_FORM_JSON,
  CR_FORM_GZIP,
  CR_FORM_PAGE
};

/* What is to be written, by the ending of the file's name; NONE: it has no such ending. */
enum cr_form cr_timeline_form(const char *name);

/* Opens the file, so that one that cannot be written is known before the program runs.
** False: it cannot, and stderr says why. */
bool cr_timeline_open(const char *name);

/* Writes it, if one was opened: all strands but main have ended.  0, or 1 if it could not
** be written, and stderr says why. */
int cr_timeline_write(void);

/* ---------------------------------------------------------------- interrupt */

/* While armed, the first SIGINT raises "interrupted!" in the main strand and the
** second ends the program.  Only one state can be armed: the main strand's. */
void cr_interrupt_arm(void);
void cr_interrupt_disarm(void);

/* While kept, SIGINT never ends the program: a conversation goes on after it. */
void cr_interrupt_keep(bool yes);

/* Is an error with that message what SIGINT has led to?  The error may have been
** caught and raised again with more text. */
bool cr_interrupt_was(const char *message);

/* From now on SIGQUIT shows what every strand is doing. */
void cr_interrupt_show(void);

/* --------------------------------------------------------------------- init */

/* If this is the first process of a container, returns in a child of it, which is the
** program. */
void cr_init_serve(void);

#endif
