/* Feeds a mirror's copy by hand with what a watch may bring, and looks at what it holds and tells.
 */
#ifndef MIRROR_FEED_H
#define MIRROR_FEED_H

#include "mirror_copy.h"

#define EPOCH "0123456789abcdef"
#define OTHER_EPOCH "fedcba9876543210"
#define KIND(name) CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_##name

/* The changes that the copy has told. text: "5 a@1->2;" is one of revision 5, "|" in the place of
 * ";" ends a commit, "~" before it is a synthetic one. */
struct told {
    char text[4096];
    size_t n_calls;
    size_t n_freed;
};
extern struct told told;

/* All configs, unless a test selects others. */
extern struct mirror_selection wanted;

/* Makes a copy and begins its first stream. */
void start(struct mirror_copy *copy);
/* Makes a copy with a at version 1 and b at version 7, as of revision 10. */
void load(struct mirror_copy *copy);
/* Begins the next stream, which resumes after this revision; 0: with a snapshot. */
void begin_again(struct mirror_copy *copy, uint64_t revision);
void end_stream(struct mirror_copy *copy, enum status_code code);

/* A response of the watch. */
struct said {
    Confreg__V1__WatchResponseKind kind;
    const char *epoch;
    uint64_t revision;
    uint64_t previous;
    bool more, filtered;
    const char *configs; /* "a:VERSION:MOD_REVISION b:…" */
    const char *events; /* "REVISION:a:VERSION …"; version 0 deletes, "a:1!" erased since, "a:-" one
                           that leaves the head alone */
};

/* Hands it to the copy. */
bool take(struct mirror_copy *copy, const struct said *said, struct status *st);
#define TAKE(copy, ...)                                                                            \
    cr_assert(take(copy, &(const struct said){__VA_ARGS__}, &(struct status){0}))

/* Hands it to the copy, which gives the stream up because rights have changed. */
void refuse(struct mirror_copy *copy, const struct said *said);

void expect(const struct mirror_copy *copy, const char *service, uint64_t version,
            uint64_t mod_revision);
void expect_view(const struct mirror_copy *copy, enum mirror_state state, uint64_t revision,
                 size_t n_live);

#endif
