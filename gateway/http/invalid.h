/* The body of a 422: every fault of a request, in the shape that FastAPI gives them, and what the
 * first one tells programs (problem.h):
 *     {"detail": [{"loc": ["body", "comment"], "msg": "…", "type": "string_type"}],
 *      "reason": "NOT_A_STRING", "field": "comment"} */
#ifndef GATEWAY_INVALID_H
#define GATEWAY_INVALID_H

#include "problem.h"
#include "status.h"
#include "str.h"

/* The faults that the gateway finds itself; base's checks have reasons of their own. */
enum fault {
    FAULT_MISSING,
    FAULT_UNKNOWN,  /* a name that is not known, or a body where none goes */
    FAULT_REPEATED, /* a parameter that may be given once */
    FAULT_TOO_FEW,  /* items of a list */
    FAULT_NOT_ONE,  /* none or several of members of which there must be one */
    FAULT_MEDIA_TYPE,
    FAULT_NOT_AN_OBJECT, /* the body */
    FAULT_NO_DICTIONARY, /* a member */
    FAULT_NO_STRING,
    FAULT_NO_LIST,
    FAULT_NO_BOOLEAN,
    FAULT_NO_INTEGER,
    FAULT_NUMBER_TEXT, /* a parameter that is no integer */
    FAULT_SWITCH_TEXT,
    FAULT_TAG,
    FAULT_REVISION,
    FAULT_EVENT_ID,
    FAULT_NUMBER_RANGE,
    FAULT_PAGE,
    FAULT_FIELDS,
    FAULT_WORD, /* a parameter that is none of some words */
    FAULT_TIME,
    FAULT_IDEMPOTENCY_KEY,
};

/* The faults found so far. Zero-initialised: none. */
struct invalid {
    /* Where faults are added: inside this member of the place, "changes[2].update". NULL: in the
     * place itself. Borrowed. */
    const char *within;
    struct str items;
    struct str members;                              /* of the first fault */
    char reason[sizeof((struct status *)0)->reason]; /* of the first fault */
    size_t n;
};

void invalid_fini(struct invalid *invalid);
/* Adds a fault. place: "path", "query" or "body"; name: the member, or NULL for the place itself.
 */
void invalid_add(struct invalid *invalid, const char *place, const char *name, enum fault fault,
                 const char *message);
/* A body that is not JSON, with the offset of the error. Replaces all faults found so far. */
void invalid_set_json(struct invalid *invalid, size_t offset, const struct status *st);
/* A refusal by one of base's checks or by the server; its type follows from st->reason. name may be
 * a path, "changes[2].update.version". */
void invalid_add_status(struct invalid *invalid, const char *place, const char *name,
                        const struct status *st);
/* One of several faults that the server found within a JSON value. */
void invalid_add_violation(struct invalid *invalid, const char *place, const struct status *st,
                           const struct status_violation *violation);
/* The same for an item of a list: a member of the body, or a parameter that may be repeated. */
void invalid_add_item(struct invalid *invalid, const char *place, const char *list, size_t index,
                      const struct status *st);
/* Appends the faults of `others`, which is emptied. */
void invalid_append(struct invalid *invalid, struct invalid *others);
/* Appends the whole body. status: of the answer. */
void invalid_render(const struct invalid *invalid, unsigned status, enum problem_form form,
                    struct str *out);

#endif
