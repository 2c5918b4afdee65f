/* Parses the address of a RabbitMQ broker:
 *
 *     amqp://USER:PASSWORD@HOST:PORT,HOST:PORT/VHOST?heartbeat=10
 *
 * User, password and virtual host may be percent-encoded; an IPv6 host is written in brackets. The
 * default virtual host is "/". Parameters: heartbeat (seconds; 0: none), connection_timeout
 * (milliseconds), and for amqps: cacertfile, certfile, keyfile (paths), verify (verify_peer or
 * verify_none). Pure; any thread. */
#ifndef BUS_AMQP_ADDRESS_H
#define BUS_AMQP_ADDRESS_H

#include "status.h"

#define AMQP_HOSTS 16

struct amqp_host {
    char *name; /* owned */
    int port;
};

struct amqp_address {
    bool tls;
    char *user, *password; /* owned; NULL: not given */
    struct amqp_host hosts[AMQP_HOSTS];
    size_t n_hosts;
    char *vhost;     /* owned */
    int heartbeat_s; /* 0: none */
    int connection_timeout_ms;
    char *ca_file, *certificate_file, *key_file; /* owned; NULL: not given */
    bool trust_anyone;                           /* verify_none */
};

/* INVALID_ARGUMENT BUS_ADDRESS: not a valid address. The message contains no credentials. */
bool amqp_address_parse(const char *text, struct amqp_address *ret_address, struct status *st);
void amqp_address_fini(struct amqp_address *address);

#endif
