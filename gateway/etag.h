/* Entity tags (RFC 9110), strong: "EPOCH-REVISION" of the log's epoch and a config's mod_revision;
 * of a resolved config "EPOCH-OVERLAY.DEFAULT", the mod_revisions of both; of a list, the epoch and
 * the registry's revision. */
#ifndef GATEWAY_ETAG_H
#define GATEWAY_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EPOCH_DIGITS 16
/* Room for a tag without its quotes, and a NUL. */
#define ETAG_SIZE (EPOCH_DIGITS + 1 + 20 + 1 + 20 + 1)

/* "EPOCH-REVISION", without quotes. */
void etag_format(const char *epoch, uint64_t revision, char text[ETAG_SIZE]);
void etag_format_pair(const char *epoch, uint64_t overlay, uint64_t base, char text[ETAG_SIZE]);

/* If-None-Match: whether one of the list is that tag, or the list is "*". */
bool etag_list_has(const char *list, const char *tag);

/* The newest revision of that epoch that one of the list's tags names; 0 where none does. */
uint64_t etag_list_newest(const char *list, const char *epoch);

#define IF_MATCH_TAGS 16

struct expectation {
    char epoch[EPOCH_DIGITS + 1];
    uint64_t revision;
};

/* A tag without its quotes; of a pair, the newer revision. False where it is none. */
bool etag_parse(const char *text, size_t n, struct expectation *ret);

/* If-Match: what a write may find. */
struct if_match {
    bool given;
    bool any;                 /* "*" */
    struct expectation *tags; /* owned: of configs; a weak one never matches */
    size_t n;
    size_t next; /* for the user: the next one to try */
};

/* list may be NULL. Tags beyond the first IF_MATCH_TAGS, and everything behind what is no tag, do
 * not match. */
void if_match_parse(const char *list, struct if_match *ret);
void if_match_fini(struct if_match *match);

/* The id of a server-sent event, "EPOCH:REVISION". False where it is none. */
bool event_id_parse(const char *text, struct expectation *ret);

#endif
