#include "own_compaction.h"

struct own_compaction {
    struct write write;
    struct mutation mutation;
};

static void done(struct write *write)
{
    struct own_compaction *own = CONTAINER_OF(write, struct own_compaction, write);
    staged_free(write->staged);
    free(own);
}

struct write *own_compaction_new(uint64_t floor, uint64_t keep_versions)
{
    struct own_compaction *own = mem_zalloc(sizeof *own);
    own->mutation = (struct mutation){
        .kind = MUTATE_COMPACT,
        .environment = "",
        .service = "",
        .version = floor,
        .keep_versions = keep_versions,
        .expected_epoch = "",
    };
    own->write.command = (struct command){.actor = "",
                                          .credential = "",
                                          .method = "",
                                          .peer = "",
                                          .comment = "by policy",
                                          .request_id = "",
                                          .mutations = &own->mutation,
                                          .n_mutations = 1};
    own->write.deadline_ns = INT64_MAX;
    own->write.done = done;
    return &own->write;
}
