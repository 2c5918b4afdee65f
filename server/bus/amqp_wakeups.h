/* Wake-ups between nodes over RabbitMQ (bus.h): a transient fanout exchange, an exclusive queue for
 * each node, which ends with its connection, and a thread that sends and receives. */
#ifndef BUS_AMQP_WAKEUPS_H
#define BUS_AMQP_WAKEUPS_H

#include "amqp_address.h"
#include "bus.h"

struct amqp_wakeups;

/* Starts the thread, which connects, and reconnects after failures. address and epoch are borrowed;
 * listener is called on the thread. */
struct amqp_wakeups *amqp_wakeups_new(const struct amqp_address *address, const char *epoch,
                                      bus_listener *listener, void *user);
/* Ends the thread. NULL is ignored. */
void amqp_wakeups_free(struct amqp_wakeups *wakeups);
/* Tells the other nodes that the log has reached the revision. Any thread; never blocks. */
void amqp_wakeups_send(struct amqp_wakeups *wakeups, uint64_t revision);

#endif
