/* The parts that the typed calls share. Any thread. */
#ifndef LIB_CLIENT_REQUEST_H
#define LIB_CLIENT_REQUEST_H

#include "confreg.h"
#include "confreg/v1/registry_service.pb-c.h"
#include "status.h"

/* An option and its field in a request: what is set is not zero. */
struct request_option {
    const char *name; /* of the field */
    const char *text; /* or, where it is NULL: */
    uint64_t number;
    bool is_bool;
};

/* Sets the options that are set. INVALID_ARGUMENT, reason OPTION_UNUSED: the request has no such
 * field. */
bool request_set(ProtobufCMessage *request, const struct request_option *options, size_t n,
                 struct status *st);

/* How to read. */
Confreg__V1__ReadOptions *request_read(bool linearizable, uint64_t min_revision, const char *epoch);

#endif
