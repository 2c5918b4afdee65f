/* The addresses of store and bus, from options or from the environment variables of the service
 * that confreg replaces, so that a deployment of that service needs no changes:
 *
 *     MESSAGE_BUS_TYPE (rabbitmq), MESSAGE_BUS_HOST, MESSAGE_BUS_PORT
 *     DOCUMENT_STORE_TYPE (mongodb), DOCUMENT_DATABASE_HOST, …_PORT, …_NAME
 *     message_bus_user, message_bus_password,
 *     document_database_user, document_database_password: secrets (secret.h)
 *
 * The variables are used if no address is given. A variable that is empty, or that Kubernetes sets
 * for a Service (variable.h), counts as not set. At start, one thread. */
#ifndef ENDPOINTS_ENDPOINTS_H
#define ENDPOINTS_ENDPOINTS_H

#include "status.h"

struct endpoints {
    char *store;                   /* all members are owned; credentials are part of this address */
    char *bus;                     /* contains credentials only if they were given in it */
    char *bus_user, *bus_password; /* NULL: none */
};

/* store, bus: the given addresses; NULL: not given. INVALID_ARGUMENT ENVIRONMENT: a variable is
 * missing or invalid; the message names it. Errors of secret_read are passed on. */
bool endpoints_read(const char *store, const char *bus, const char *secrets_folder,
                    struct endpoints *ret_endpoints, struct status *st);
/* The address of the store alone. otherwise: the default. Owned by the caller. */
bool endpoints_store(const char *given, const char *otherwise, const char *secrets_folder,
                     char **ret_address, struct status *st);
void endpoints_fini(struct endpoints *endpoints);

#endif
