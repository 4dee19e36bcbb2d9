/* SPDX-License-Identifier: MIT */
/*
** tsan: what ThreadSanitizer has to be told about Lua.
**
** The sanitizer keeps a stack of calls of its own, which it sets back when it
** sees a longjmp.  Debian's liblua raises errors with the fortified variant of
** that function, which the sanitizer does not see: every Lua error would leave
** frames there, until the stack overflows.  So here the fortified variant is the
** plain one.  Only the tsan variant is linked with this file.
*/
#undef _FORTIFY_SOURCE
#include <setjmp.h>

_Noreturn void __longjmp_chk(jmp_buf buffer, int value);
void __longjmp_chk(jmp_buf buffer, int value) { longjmp(buffer, value); }

/*
** A connection over TLS is read by one thread of libnats while another writes to it.  What
** the two then do within OpenSSL, which is built without the sanitizer, looks to it like races
** in there; these two libraries are named, and nothing else is passed over.
*/
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) { return "race:libssl.so\nrace:libcrypto.so\n"; }
