/* SPDX-License-Identifier: MIT */
/*
** net: tasks on other machines, as far as C is needed for them; module "conrun.core.net".
**
** The engine that carries messages from machine to machine is NATS, whose client library,
** libnats, is looked for when the first connection is made.  This floor owns these words:
**
**   connection  to a server of the engine, with an inbox
**   letter      a message that has come; libnats' threads put letters into the inbox of a
**               connection and wake the strand that made it
**   value       encoded bytes on their way between an arena and the wire
**
** What the messages mean, who sends which and when, is written in Lua (lua/conrun/cluster).
**
** Where the bytes come from.  Elsewhere what is decoded was encoded by this program; here it
** comes from whoever the server has let in.  It may be code, so who has the server's token
** may run code: that is what the token is for.  Sandboxes have no part in this module.
**
** Threads.  libnats has threads of its own, which are no strands: they have no record, take
** no latch and touch nothing of the arena but a strand's notices (cr_post_to).
*/
#ifndef CR_NET_H
#define CR_NET_H

#include "state/state.h"

int luaopen_conrun_core_net(lua_State *L);

#endif
