/* A registry beside the simplest model of it: every version that ever was, in arrays, and the log.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "registry.h"

#define WORLD_NAMES 6
#define WORLD_VERSIONS 4096

struct world_config {
    const char *environment;
    const char *service;
    char *payloads[WORLD_VERSIONS + 1]; /* by version; NULL: erased */
    bool live[WORLD_VERSIONS + 1];
    bool kept[WORLD_VERSIONS + 1];  /* given and not erased, in any life */
    bool ended[WORLD_VERSIONS + 1]; /* of a deleted config: live when it was deleted */
    uint64_t last;
    uint64_t mod_revision;
};

struct world {
    struct registry *registry;
    struct world_config configs[WORLD_NAMES];
    struct commit **log;
    size_t n_log;
    struct staged **batch; /* accepted, not applied */
    size_t n_batch;
    uint64_t random;
};

extern const uint8_t world_epoch[EPOCH_SIZE];

void world_init(struct world *world, uint64_t seed);
void world_fini(struct world *world);
uint64_t world_draw(struct world *world, uint64_t below);

/* Where the registry looks for old payloads: the log. */
struct version_source world_source(struct world *world);

uint64_t world_head(const struct world_config *config);
uint64_t world_live(const struct world_config *config);
/* The version that an undelete brings back; 0: all of the life that ended were erased. */
uint64_t world_ended_head(const struct world_config *config);

/* Does what an accepted change says to the model. */
void world_note(struct world *world, const struct staged *staged);
void world_apply(struct world *world);

/* Fails the test where registry (which may be another one than world's) differs from the model. */
void world_compare(const struct world *world, const struct registry *registry);

#endif
