/* One connection to a broker, with one channel. Only amqp_*.c use librabbitmq.
 *
 * Threads: one thread uses a link; any thread may call amqp_link_interrupt.
 *
 * Errors: every failure is UNAVAILABLE BUS_UNAVAILABLE; the message names the host, the step and
 * the broker's text. */
#ifndef BUS_AMQP_LINK_H
#define BUS_AMQP_LINK_H

#include <amqp.h>
#include <amqp_framing.h>
#include <pthread.h>

#include "amqp_address.h"
#include "wake.h"

#define AMQP_CHANNEL 1

struct amqp_link {
    const struct amqp_address *address; /* borrowed */
    const char *name;                   /* shown in the broker's list of connections; borrowed */
    size_t host;                        /* index of the host that was tried last */
    amqp_connection_state_t connection; /* NULL: not open */
    bool channel_open;

    pthread_mutex_t lock;
    int fd; /* of the open connection; -1: none */
    bool interrupted;
};

void amqp_link_init(struct amqp_link *link, const struct amqp_address *address, const char *name);
void amqp_link_fini(struct amqp_link *link);

/* Connects to the first host that answers, starting with the last one that did, and opens the
 * channel. On an open link, opens only the channel if it was closed. */
bool amqp_link_open(struct amqp_link *link, struct status *st);
/* Closes the connection without waiting for the broker's answer. In any state. */
void amqp_link_close(struct amqp_link *link);
/* Makes the running call and all later ones fail. Any thread. */
void amqp_link_interrupt(struct amqp_link *link);

/* How the broker refused a call. */
enum amqp_refusal {
    AMQP_NOT_REFUSED,     /* the call succeeded, or failed without a refusal */
    AMQP_LOCKED,          /* another connection holds the exclusive queue */
    AMQP_OTHER_ALTERNATE, /* the exchange exists and differs only in its alternate exchange */
    AMQP_REFUSED,         /* any other refusal */
};

/* Whether the last synchronous call of librabbitmq (amqp_queue_declare, …) succeeded. doing: the
 * step, for the message. A refusal by the broker closes the channel. */
bool amqp_link_check(struct amqp_link *link, const char *doing, enum amqp_refusal *ret_refusal,
                     struct status *st);
/* Declares an exchange. An existing one must have the same type and durability; its alternate
 * exchange (where unroutable messages go) is for the operator to choose, so any is accepted. */
bool amqp_link_declare_exchange(struct amqp_link *link, const char *name, const char *type,
                                bool durable, struct status *st);
/* The same for functions of librabbitmq that return a status number. */
bool amqp_link_sent(const struct amqp_link *link, int result, const char *doing, struct status *st);

/* Waits at most timeout_ms until a message can be sent: the socket is writable and the broker was
 * not silent for long. Call it before every send, because librabbitmq blocks without limit on a
 * full socket or a silent broker. After false, amqp_link_read finds out whether the broker is gone.
 */
bool amqp_link_can_send(const struct amqp_link *link, int timeout_ms);

/* Waits until a frame can be read, the wake is set or the time has passed. */
void amqp_link_wait(struct amqp_link *link, const struct wake *wake, int64_t timeout_ms);
/* Reads the next frame that has arrived; *ret_there false: there is none. The frame is valid until
 * the next call. Fails if the channel or the connection was closed. Also sends heartbeats: call it
 * at least every second. */
bool amqp_link_read(struct amqp_link *link, amqp_frame_t *ret_frame, bool *ret_there,
                    struct status *st);

#endif
