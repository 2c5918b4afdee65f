/* The gRPC C core's life in this process. */
#ifndef RPC_CORE_H
#define RPC_CORE_H

/* Counted; each server and each client has one. What the core says goes to the program's log. */
void core_init(void);
void core_shutdown(void);

#endif
