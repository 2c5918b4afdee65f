/* Entity tags (RFC 9110), strong: "EPOCH-REVISION" of the log's epoch and a config's mod_revision;
 * of a resolved config "EPOCH-OVERLAY.DEFAULT", the mod_revisions of both; of a list, the epoch and
 * the registry's revision. The tag of a compressed form ends with "-gzip"; a client may send it
 * wherever the plain one goes. */
#ifndef GATEWAY_ETAG_H
#define GATEWAY_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding.h"

#define EPOCH_DIGITS 16
/* Room for a tag without its quotes, and a NUL. */
#define ETAG_SIZE (EPOCH_DIGITS + 1 + 20 + 1 + 20 + 1)

/* "EPOCH-REVISION", without quotes. */
void etag_format(const char *epoch, uint64_t revision, char text[ETAG_SIZE]);
void etag_format_pair(const char *epoch, uint64_t overlay, uint64_t base, char text[ETAG_SIZE]);

/* The tag of a form, in quotes. */
#define ETAG_QUOTED_SIZE (ETAG_SIZE + 2 + 5)
void etag_quote(const char *tag, enum coding coding, char text[ETAG_QUOTED_SIZE]);

/* If-None-Match: whether one of the list is the tag of either form, or the list is "*". *ret_coding
 * is set to the form whose tag was found first, and left as it is at "*". */
bool etag_list_find(const char *list, const char *tag, enum coding *ret_coding);

/* The newest revision of that epoch that one of the list's tags names; 0 where none does. */
uint64_t etag_list_newest(const char *list, const char *epoch);

struct expectation {
    char epoch[EPOCH_DIGITS + 1];
    uint64_t revision;
};

/* A tag without its quotes; of a pair, the newer revision. False where it is none. */
bool etag_parse(const char *text, size_t n, struct expectation *ret);

/* The heads that If-Match or If-None-Match of a write names. Tags of other forms, such as those of
 * lists, match no head and are left out. Their number is bounded by the size of a request's head.
 */
struct etag_set {
    bool given;
    bool any;                 /* "*" */
    bool malformed;           /* a part of the list is not an entity tag */
    struct expectation *tags; /* owned */
    size_t n;
};

enum etag_comparison {
    ETAG_STRONG, /* of If-Match: a weak tag (W/"…") never matches */
    ETAG_WEAK,   /* of If-None-Match: a weak tag matches like a strong one */
};

/* list is NULL if the header was not given. ret must be given to etag_set_fini. */
void etag_set_parse(const char *list, enum etag_comparison comparison, struct etag_set *ret);
/* Whether the set names that head, or is "*". */
bool etag_set_has(const struct etag_set *set, const struct expectation *head);
void etag_set_fini(struct etag_set *set);

/* The id of a server-sent event: "EPOCH:REVISION", and where rights are in force ":RIGHTS", the
 * digest (view.h) of what the caller could read, in 16 hexadecimal digits. */
struct event_id {
    struct expectation last;
    uint64_t rights; /* 0: it has none */
};
#define EVENT_ID_SIZE (EPOCH_DIGITS + sizeof ":18446744073709551615:0123456789abcdef")
void event_id_format(const struct event_id *id, char text[EVENT_ID_SIZE]);
/* False where it is none. */
bool event_id_parse(const char *text, struct event_id *ret);

#endif
