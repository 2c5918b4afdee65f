/* Checks that many handlers make on a request, and the refusals that many give. All of them return
 * whether the request may go on; where not, st says why. */
#ifndef SERVICE_CHECKS_H
#define SERVICE_CHECKS_H

#include "service.h"

/* "default" for "". */
const char *environment_or_default(const char *environment);

/* Checks both names; environment may be "". prefix: "" or what stands before the field's name, with
 * its dot. */
bool check_names(const char *environment, const char *service, const char *prefix,
                 struct status *st);

/* FAILED_PRECONDITION, reason EPOCH_MISMATCH, where epoch is not "" and not the log's. */
bool check_epoch(const struct service *service, const char *epoch, const char *field,
                 struct status *st);

bool no_such_config(const char *environment, const char *service, struct status *st);
bool no_such_version(const char *environment, const char *service, uint64_t version,
                     struct status *st);
/* Of a live version whose payload is not there: FAILED_PRECONDITION, reason PAYLOAD_COMPACTED; or
 * it was erased since it was looked for, and there is no such version. */
bool no_such_payload(const struct version_ref *version, struct status *st);

#endif
