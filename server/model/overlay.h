/* Resolved configs: what an environment has of a service, with the config of environment "default"
 * merged under it (RFC 7396: an overlay's null removes a member). */
#ifndef MODEL_OVERLAY_H
#define MODEL_OVERLAY_H

#include "buf.h"

#define DEFAULT_ENVIRONMENT "default"

/* The resolved Config, owned, in the form of encode_config: environment as given, and all but the
 * payload of the overlay, or of the base where there is no overlay. Both as encode_config gives
 * them; one may be NULL. Where the payload of either is gone, payload_state tells it and the
 * resolved one has none. */
struct buf *encode_resolved(const char *environment, const struct buf *overlay,
                            const struct buf *base);

#endif
