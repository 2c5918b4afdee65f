/* One connection to a broker with one channel, on librabbitmq, which is not seen outside of
 * amqp_*.c. One thread uses it; any may interrupt. What a broker or the network refuses is
 * UNAVAILABLE, reason BUS_UNAVAILABLE; the message names the host and what the broker said. */
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
    const char *name;                   /* by which the broker lists it; borrowed */
    size_t host;                        /* which was tried last */
    amqp_connection_state_t connection; /* NULL: not open */
    bool channel_open;

    pthread_mutex_t lock;
    int fd; /* of the open connection; -1: none */
    bool interrupted;
};

void amqp_link_init(struct amqp_link *link, const struct amqp_address *address, const char *name);
void amqp_link_fini(struct amqp_link *link);

/* Connects to the first host that answers, beginning with the one that did last time, and opens the
 * channel; on an open link only what is not open. */
bool amqp_link_open(struct amqp_link *link, struct status *st);
/* Says good-bye and does not wait for an answer. Whatever state it is in. */
void amqp_link_close(struct amqp_link *link);
/* Makes what runs and all that follows fail. Any thread. */
void amqp_link_interrupt(struct amqp_link *link);

/* How the broker refused a call. */
enum amqp_refusal {
    AMQP_NOT_REFUSED,     /* the call succeeded, or failed without a refusal */
    AMQP_LOCKED,          /* another connection holds the exclusive queue */
    AMQP_OTHER_ALTERNATE, /* the exchange exists and differs only in its alternate exchange */
    AMQP_REFUSED,         /* any other refusal */
};

/* Whether the last synchronous call of librabbitmq (amqp_queue_declare, …) went well. Where the
 * broker refused it, the channel is closed. */
bool amqp_link_check(struct amqp_link *link, const char *doing, enum amqp_refusal *ret_refusal,
                     struct status *st);
/* Declares an exchange. An existing one must have the same type and durability; its alternate
 * exchange (where unroutable messages go) is for the operator to choose, so any is accepted. */
bool amqp_link_declare_exchange(struct amqp_link *link, const char *name, const char *type,
                                bool durable, struct status *st);
/* The same for the functions that return a number. */
bool amqp_link_sent(const struct amqp_link *link, int result, const char *doing, struct status *st);

/* Whether a message may be sent, within so many milliseconds: the socket takes it, and the broker
 * was not silent for long. Ask before each: librabbitmq waits without end for a socket that is
 * full, and for a broker that is silent. Where the answer is no, reading tells whether the broker
 * is gone. */
bool amqp_link_can_send(const struct amqp_link *link, int timeout_ms);

/* Waits until a frame can be read, the wake is set or the time has passed. */
void amqp_link_wait(struct amqp_link *link, const struct wake *wake, int64_t timeout_ms);
/* The next frame that has arrived, if there is one, which is valid until the next call. The end of
 * the channel or the connection is a failure. Keeps the heartbeat going: call it every second. */
bool amqp_link_read(struct amqp_link *link, amqp_frame_t *ret_frame, bool *ret_there,
                    struct status *st);

#endif
