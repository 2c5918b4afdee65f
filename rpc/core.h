/* Private to rpc: initialises the gRPC C core and shuts it down. */
#ifndef RPC_CORE_H
#define RPC_CORE_H

/* Reference-counted: each server and each client holds one. Any thread. */
void core_init(void);
void core_shutdown(void);

#endif
