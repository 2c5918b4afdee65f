/* A server in the process of a stress program: an embedded store and no broker. */
#ifndef TESTS_STRESS_NODE_H
#define TESTS_STRESS_NODE_H

#include <stdint.h>

#include "node.h"

/* Starts a server at this address on this store, which is created where there is none. The caller
 * stops it by node_stop(). A failed start ends the program. */
struct node *stress_node_start(const char *listen, const char *store, uint64_t threads,
                               uint64_t ring_bytes);

#endif
