#include "upstream_request.h"

const struct request_kind upstream_read = {.size = sizeof(struct upstream_request)};
const struct request_kind upstream_open = {.size = sizeof(struct upstream_request),
                                           .is_open = true};
