/* SPDX-License-Identifier: MIT */
/*
** screen: whole lines from many strands, and progress bars below them.
*/
#ifndef CR_SCREEN_H
#define CR_SCREEN_H

#include "state/state.h"

/* Writes whole lines to stdout or stderr, unmixed with those of other strands and
** with progress bars (screen.c).  May raise what a notice raises before it writes
** to stdout, never for stderr.  [-0, +0, e] */
void cr_screen_write(lua_State *L, FILE *to, const char *text, size_t n);

/* Leaves the bars that are drawn as they are and begins a new line below them, for
** messages of a program that ends.  Takes no lock. */
void cr_screen_rest(void);
void cr_screen_open(lua_State *L); /* before cr_print_open.  [-0, +0, m] */
int luaopen_conrun_core_screen(lua_State *L);

#endif
