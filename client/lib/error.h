/* Errors of the public interface, made of statuses. Any thread. */
#ifndef LIB_ERROR_H
#define LIB_ERROR_H

#include "confreg.h"
#include "status.h"

/* Fills an error, which may be NULL. Returns false. */
bool error_of(struct confreg_error *error, const struct status *st);
bool error_set(struct confreg_error *error, enum status_code code, const char *reason,
               const char *message);

#endif
