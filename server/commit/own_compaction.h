/* A compaction that this node starts by its policy. It is a write like any other. */
#ifndef COMMIT_OWN_COMPACTION_H
#define COMMIT_OWN_COMPACTION_H

#include "write.h"

/* Returns a write for committer_submit. It frees itself when it is done. */
struct write *own_compaction_new(uint64_t floor, uint64_t keep_versions);

#endif
