/* The newest position that this gateway has handed out: no later answer may be older. */
#ifndef GATEWAY_HANDED_OUT_H
#define GATEWAY_HANDED_OUT_H

#include "etag.h"

struct handed_out {
    char epoch[EPOCH_DIGITS + 1];
    uint64_t revision;
};

/* Within an epoch the position only rises; another epoch replaces it. */
void handed_out_raise(struct handed_out *handed, const char *epoch, uint64_t revision);

#endif
