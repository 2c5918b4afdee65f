/* The bus inside the process, for one node without a broker: nobody hears, so that a message is as
 * safe as it can be when it is handed over. */
#ifndef BUS_LOCAL_H
#define BUS_LOCAL_H

#include "bus.h"

extern const struct bus_ops bus_local;

#endif
