/* A request of a door: an interface in the words of another ecosystem, over the heads of one
 * service in several environments. */
#ifndef GATEWAY_DOOR_REQUEST_H
#define GATEWAY_DOOR_REQUEST_H

#include "config_request.h"
#include "json.h"

#define DOOR_SHARED "default" /* the environment under all others */
#define DOOR_ENVIRONMENTS 9   /* eight and DOOR_SHARED */

/* The errors that OpenFeature knows. */
enum flag_error {
    FLAG_ERROR_GENERAL, /* the reason of the error tells more */
    FLAG_ERROR_NOT_FOUND,
    FLAG_ERROR_PARSE,
    FLAG_ERROR_CONTEXT,
};

/* A config; of version 0: there is none. */
struct door_head {
    const char *environment; /* borrowed, as the data */
    uint64_t version;
    uint64_t mod_revision;
    struct json_text data;
};

/* In the order in which they were asked for, all as of one revision. */
struct door_heads {
    char epoch[EPOCH_DIGITS + 1];
    struct door_head items[DOOR_ENVIRONMENTS];
    size_t n;
};

/* Answers the request; heads are borrowed. */
typedef void door_show(struct request *r, const struct door_heads *heads);

struct door_request {
    struct config_request config;
    const char *environments[DOOR_ENVIRONMENTS]; /* to be read; borrowed */
    size_t n_environments;
    door_show *show;

    enum flag_error flag_error; /* of the answer of ofrep.c */

    /* For spring.c. */
    struct str profiles; /* names, each with a NUL behind it */
    struct number label;
    bool has_label;
    struct door_head labelled; /* the version that the label names; its data is the next one's */
    struct str labelled_data;
};

extern const struct request_kind door_ofrep, door_spring;

/* r must be of one of these kinds. */
static inline struct door_request *door_request_of(struct request *r)
{
    return CONTAINER_OF(r, struct door_request, config.upstream.base);
}

#endif
