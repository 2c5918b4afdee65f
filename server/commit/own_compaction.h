/* A compaction that this node makes by itself, as a write like any. */
#ifndef COMMIT_OWN_COMPACTION_H
#define COMMIT_OWN_COMPACTION_H

#include "write.h"

/* To be submitted; it frees itself when it is done. */
struct write *own_compaction_new(uint64_t floor, uint64_t keep_versions);

#endif
