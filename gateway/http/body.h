/* The bodies of writes. Members that are not named here are ignored, which the answer says, or are
 * faults (strict). */
#ifndef GATEWAY_BODY_H
#define GATEWAY_BODY_H

#include <stdbool.h>

#include "invalid.h"
#include "json.h"
#include "query.h"

enum body_kind {
    BODY_NONE,    /* any body is ignored */
    BODY_EMPTY,   /* a body is a fault */
    BODY_CONFIG,  /* {"config_data": {…}, "comment": "…", "created_by": "…"} */
    BODY_SCHEMA,  /* {"schema": {…}, "comment": "…", "created_by": "…"} */
    BODY_VERSION, /* {"version": 3, "comment": "…", "created_by": "…"}, or no body at all */
    BODY_NAMES,   /* {"names": [ … ]}; batch_gets.c defines the items */
    BODY_CHANGES, /* {"changes": [ … ], "comment": "…", "created_by": "…"}; changes.c does */
    BODY_OWN,     /* whatever the handler reads of request.body_text */
    BODY_PATCH,   /* a patch of the config's data, of the kind that the Content-Type says */
};

enum patch_kind {
    PATCH_MERGE,   /* RFC 7396: an object */
    PATCH_JSON,    /* RFC 6902: an array */
    PATCH_UNKNOWN, /* another kind, which must not be read as one of these */
};

struct body {
    struct buf *json; /* owned: the whole body without white space */
    enum patch_kind patch_kind;
    struct json_text config_data; /* in json: an object, also `schema`; of a patch, all of it */
    struct number version;        /* of a rollback or an undelete; may be left out */
    struct json_text list;        /* names or changes: an array, in json */
    struct str comment;           /* decoded; empty where it was not given */
    struct str created_by;        /* decoded */
    bool has_created_by;
    struct str ignored; /* unknown members, as X-Config-Ignored shows them */
};

/* Adds the faults of a body: its own ones together, in the order config_data, version or
 * changes, comment, created_by.
 * One that is no JSON replaces all that was found before. content_type may be NULL: such a body
 * counts as JSON, and the fault of one that is none says that the header is missing. ret is
 * complete where there was no fault, and to be given to body_fini in any case. Lengths and depth
 * are the server's to judge. */
void body_parse(enum body_kind kind, bool strict, const struct str *text, const char *content_type,
                struct body *ret, struct invalid *invalid);
void body_fini(struct body *body);

/* Whether a body with this Content-Encoding (NULL: none) is not compressed: "identity" only. */
bool content_encoding_is_plain(const char *content_encoding);

/* "application/json" and "application/…+json", in either case, with any parameters. */
bool content_type_is_json(const char *content_type);

/* The kind of patch that a Content-Type names. One that says nothing of the kind,
 * "application/json" or none (NULL), stands for a merge patch. */
enum patch_kind content_type_patch_kind(const char *content_type);

#endif
