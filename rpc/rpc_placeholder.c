extern int rpc_placeholder; int rpc_placeholder;
