/* Wake-ups between nodes over RabbitMQ: a transient fanout exchange, a queue for each node that
 * ends with its connection, and a thread that sends and hears. */
#ifndef BUS_AMQP_WAKEUPS_H
#define BUS_AMQP_WAKEUPS_H

#include "amqp_address.h"
#include "bus.h"

struct amqp_wakeups;

/* Starts the thread, which connects by itself and again. address and epoch are borrowed. */
struct amqp_wakeups *amqp_wakeups_new(const struct amqp_address *address, const char *epoch,
                                      bus_listener *listener, void *user);
/* Ends the thread. NULL is ignored. */
void amqp_wakeups_free(struct amqp_wakeups *wakeups);
/* Tells the others. Any thread; never blocks. */
void amqp_wakeups_send(struct amqp_wakeups *wakeups, uint64_t revision);

#endif
