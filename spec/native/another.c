/* SPDX-License-Identifier: MIT */
/*
** another: loaded before a program begins (LD_PRELOAD), it makes the program believe that
** it runs as another user than the one who owns its files.
*/
#include <unistd.h>

uid_t geteuid(void) { return 12345; }
