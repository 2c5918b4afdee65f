/* The bus on RabbitMQ, by librabbitmq; see bus.h for the contract.
 *
 * Events are persistent messages on the durable topic exchange config.changes, with publisher
 * confirms. The lease is an exclusive queue, named for the registry's epoch, that is declared on
 * the connection that publishes: the broker deletes it when that connection ends. A successful send
 * proves nothing, as it may only fill the kernel's buffer of a dead connection; only a confirm
 * counts. */
#ifndef BUS_AMQP_BUS_H
#define BUS_AMQP_BUS_H

#include "bus.h"

extern const struct bus_ops bus_amqp;
extern const struct bus_ops bus_amqps;

#endif
