/* The bus on RabbitMQ, over librabbitmq.
 *
 * Events go to the durable topic exchange config.changes as persistent messages with publisher
 * confirms. The lease is an exclusive queue named for the registry on the same connection. That a
 * publish succeeds means nothing: on a connection that has died it still fills the kernel's
 * buffer; only a confirm counts. */
#ifndef BUS_AMQP_BUS_H
#define BUS_AMQP_BUS_H

#include "bus.h"

extern const struct bus_ops bus_amqp;
extern const struct bus_ops bus_amqps;

#endif
