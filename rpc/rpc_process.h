/* Settings of the gRPC core for the whole process: for programs, not for a library in somebody
 * else's program. */
#ifndef RPC_PROCESS_H
#define RPC_PROCESS_H

/* Sends the core's messages to the program's log, and switches off checks of Debian's Abseil that
 * cost time. Before the first server and client, at the beginning of main. */
void rpc_own_process(void);

#endif
