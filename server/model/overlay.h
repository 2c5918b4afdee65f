/* Resolved configs: a config (the overlay) merged over the config of the same service in
 * environment "default" (the base), by RFC 7396: a null in the overlay removes a member.
 *
 * Pure; any thread. */
#ifndef MODEL_OVERLAY_H
#define MODEL_OVERLAY_H

#include "buf.h"

#define DEFAULT_ENVIRONMENT "default"

/* Returns the resolved Config, encoded as by encode_config, owned by the caller. overlay and base
 * are results of encode_config; one of them may be NULL. environment is as given; all other fields
 * but the payload are those of the overlay, or of the base if there is no overlay. If the payload
 * of either has been removed, the result has no payload and the same payload_state. */
struct buf *encode_resolved(const char *environment, const struct buf *overlay,
                            const struct buf *base);

#endif
