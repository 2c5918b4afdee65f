/* The store that keeps nothing: in memory, for tests and for developers of clients. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store.h"

extern const struct store_ops store_memory;

#endif
