/* What only a program may do with the gRPC core, because it is for the whole process; a library in
 * somebody else's program may not. */
#ifndef RPC_PROCESS_H
#define RPC_PROCESS_H

/* Sends the core's messages to the program's log, and switches off checks of Debian's Abseil that
 * cost time. Before the first server and client, at the beginning of main. */
void rpc_own_process(void);

#endif
