/* Entity tags (RFC 9110): "EPOCH-REVISION", strong, of the log's epoch and a config's
 * mod_revision. */
#ifndef GATEWAY_ETAG_H
#define GATEWAY_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EPOCH_DIGITS 16
/* Room for a tag without its quotes, and a NUL. */
#define ETAG_SIZE (EPOCH_DIGITS + 1 + 20 + 1)

/* "EPOCH-REVISION", without quotes. */
void etag_format(const char *epoch, uint64_t revision, char text[ETAG_SIZE]);

/* If-None-Match: whether one of the list is that tag, or the list is "*". */
bool etag_list_has(const char *list, const char *tag);

#define IF_MATCH_TAGS 16

/* If-Match: what a write may find. */
struct if_match {
    bool given;
    bool any; /* "*" */
    struct expectation {
        char epoch[EPOCH_DIGITS + 1];
        uint64_t revision;
    } tags[IF_MATCH_TAGS]; /* those of our form; a weak one never matches */
    size_t n;
    size_t next; /* for the user: the next one to try */
};

/* list may be NULL. Tags beyond the first IF_MATCH_TAGS, and everything behind what is no tag, do
 * not match. */
void if_match_parse(const char *list, struct if_match *ret);

#endif
