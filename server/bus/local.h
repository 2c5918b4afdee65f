/* The bus inside the process, for one node without a broker: nobody hears. */
#ifndef BUS_LOCAL_H
#define BUS_LOCAL_H

#include "bus.h"

extern const struct bus_ops bus_local;

#endif
