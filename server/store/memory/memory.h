/* The store in memory, for tests and for developers of clients. Nothing lasts: it is gone when the
 * last who has it open closes it. Calls do not block and do not fail, but for an append that does
 * not follow the log's end. Heads are not kept; the log is all there is to load. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store.h"

extern const struct store_ops store_memory;

#endif
