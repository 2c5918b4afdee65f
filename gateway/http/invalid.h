/* The body of a 422: every fault of a request, in the shape that FastAPI gives them,
 *     {"detail": [{"loc": ["body", "comment"], "msg": "…", "type": "string_type"}]}. */
#ifndef GATEWAY_INVALID_H
#define GATEWAY_INVALID_H

#include "status.h"
#include "str.h"

/* The faults found so far. Zero-initialised: none. */
struct invalid {
    struct str items;
    size_t n;
};

void invalid_fini(struct invalid *invalid);
/* Adds a fault. place: "path", "query" or "body"; name: the member, or NULL for the place itself.
 */
void invalid_add(struct invalid *invalid, const char *place, const char *name, const char *type,
                 const char *message);
/* A body that is not JSON, with the offset of the error. Replaces all faults found so far. */
void invalid_set_json(struct invalid *invalid, size_t offset, const char *message);
/* A refusal by one of base's checks or by the server; its type follows from st->reason. */
void invalid_add_status(struct invalid *invalid, const char *place, const char *name,
                        const struct status *st);
/* The same for an item of a list: a member of the body, or a parameter that may be repeated. */
void invalid_add_item(struct invalid *invalid, const char *place, const char *list, size_t index,
                      const struct status *st);
/* Appends the faults of `others`, which is emptied. */
void invalid_append(struct invalid *invalid, struct invalid *others);
/* Appends the whole body. */
void invalid_render(const struct invalid *invalid, struct str *out);

#endif
