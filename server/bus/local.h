/* The bus of a single node without a broker (--bus local:): events and wake-ups go nowhere. */
#ifndef BUS_LOCAL_H
#define BUS_LOCAL_H

#include "bus.h"

extern const struct bus_ops bus_local;

#endif
