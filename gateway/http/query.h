/* The query parameters that routes take. Of a repeated parameter the last one counts, and unknown
 * ones are ignored, which the answer says; with PARAMETERS_STRICT both are faults. */
#ifndef GATEWAY_QUERY_H
#define GATEWAY_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "invalid.h"

/* An integer of any size, as documented: an optional sign, digits, blanks around them. */
struct number {
    bool given;
    bool negative;      /* and not 0 */
    uint64_t magnitude; /* UINT64_MAX: or larger */
    char *text;         /* owned: "-12", without needless zeros */
};

/* False: the text is not a number. */
bool number_parse(const char *text, size_t n, struct number *ret_number);
void number_fini(struct number *number);
/* Converts to a version of the gRPC interface. Not given: 0. Not a valid version (0, negative, or
 * above `never`): `never`, a number that no version has. */
uint64_t number_version(const struct number *number, uint64_t never);

/* In the order in which faults are reported. */
enum parameter {
    PARAMETER_SERVICE_FILTER = 1 << 0,     /* service_name=, may be empty */
    PARAMETER_ENVIRONMENT_FILTER = 1 << 1, /* environment=, may be empty */
    PARAMETER_ENVIRONMENT = 1 << 2,        /* environment=, "default" where it is not given */
    PARAMETER_VERSION = 1 << 3,
    PARAMETER_LIMIT = 1 << 4,
    PARAMETER_OLD_VERSION = 1 << 5,
    PARAMETER_NEW_VERSION = 1 << 6,
    PARAMETER_RESOLVE = 1 << 7,          /* resolve=true */
    PARAMETER_PREFIX_FILTER = 1 << 8,    /* prefix=, of service names; may be empty */
    PARAMETER_SNAPSHOT = 1 << 9,         /* snapshot=true */
    PARAMETER_COMMENT = 1 << 10,         /* comment=, free text */
    PARAMETER_CREATED_BY = 1 << 11,      /* created_by=, free text */
    PARAMETER_NAME = 1 << 12,            /* name=, repeated; the handler reads it (batch_gets.c) */
    PARAMETER_PAGE = 1 << 13,            /* page=, as the Link of the page before has it */
    PARAMETER_FIELDS = 1 << 14,          /* fields=, a list of members */
    PARAMETER_UPSERT = 1 << 15,          /* upsert=true */
    PARAMETER_VALIDATE_ONLY = 1 << 16,   /* validate_only=true */
    PARAMETER_INCLUDE_DELETED = 1 << 18, /* include_deleted=true */
    PARAMETER_DELETED = 1 << 19,         /* deleted=true */
    PARAMETER_ALLOW_SECRETS = 1 << 29,   /* allow_secrets=true */
    /* actor=, credential=, kind=, since=, until=, from_revision=, to_revision=, pointer=, order=,
     * view= */
    PARAMETER_LOG_FILTERS = 1 << 17,
    PARAMETER_SIDES = 1 << 20,          /* new_environment=, old_revision=, new_revision= */
    PARAMETER_VERSIONS = 1 << 21,       /* versions=, which of them: a word */
    PARAMETER_APPLY_DEFAULTS = 1 << 22, /* apply_defaults=true */
    PARAMETER_SOURCE = 1 << 23,         /* source_environment=, "default" where it is not given */
    PARAMETER_IN_FORCE = 1 << 24,       /* in_force=true */
    PARAMETER_FORCE = 1 << 25,          /* force=true */
    PARAMETER_DEFAULTS = 1 << 26,       /* include_defaults=true */
    /* Unknown and repeated parameters are faults, and so are unknown members of the body. */
    PARAMETERS_STRICT = 1 << 30,
};

/* The values of the parameters that a route takes. Those that were not given are NULL or zero. */
struct parameters {
    char *service_filter; /* owned */
    char *environment;    /* owned; the filter, where the route takes that */
    struct number version, limit, old_version, new_version;
    bool resolve, snapshot, upsert, validate_only, allow_secrets, include_deleted, deleted;
    bool in_force, force, apply_defaults, include_defaults;
    char *prefix_filter;        /* owned */
    char *comment, *created_by; /* owned */
    char *page, *fields;        /* owned */
    char *versions;             /* owned */
    char *actor, *credential, *kind, *since, *until, *pointer, *order,
        *view; /* owned; of PARAMETER_LOG_FILTERS */
    struct number from_revision, to_revision;
    char *source_environment; /* owned */
    char *new_environment;    /* owned; of PARAMETER_SIDES */
    struct number old_revision, new_revision;
    struct str ignored; /* unknown ones, as X-Config-Ignored shows them */
};

/* Adds each fault to invalid. ret is complete where there was none, and to be given to
 * parameters_fini in any case. */
void parameters_parse(const char *query, size_t n, unsigned wanted, struct parameters *ret,
                      struct invalid *invalid);
void parameters_fini(struct parameters *parameters);
/* Whether `wanted` includes the parameter of that name. */
bool parameters_take(unsigned wanted, const char *name);

#endif
