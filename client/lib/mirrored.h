/* Shared by providers, watchers and copies: selectors, configs and errors of the public interface
 * from and for those of the mirror. Any thread. */
#ifndef LIB_MIRRORED_H
#define LIB_MIRRORED_H

#include "confreg.h"
#include "mirror.h"
#include "status.h"

/* Returns an array of the selectors, owned by the caller, whose texts are borrowed from them.
 * INVALID_ARGUMENT: there are none, or a text cannot be a name. */
bool mirrored_selectors(const struct confreg_selector *selectors, size_t n,
                        struct mirror_selector **ret_selectors, struct confreg_error *error);
/* A copy: a reference. */
const struct confreg_config *mirrored_config(const struct mirror_config *config);
/* Fills an error: DEADLINE_EXCEEDED, with what the last failure (STATUS_OK: none) says. Returns
 * false. */
bool mirrored_not_ready(const struct status *failure, struct confreg_error *error);

#endif
