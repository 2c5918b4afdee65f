/* The variables of the service that confreg replaces, turned into addresses, so that its deployment
 * can go on as it is:
 *
 *     MESSAGE_BUS_TYPE (rabbitmq), MESSAGE_BUS_HOST, MESSAGE_BUS_PORT
 *     DOCUMENT_STORE_TYPE (mongodb), DOCUMENT_DATABASE_HOST, …_PORT, …_NAME
 *     message_bus_user, message_bus_password,
 *     document_database_user, document_database_password: secrets (secret.h)
 *
 * They count where no address is given. A variable that is empty, or that Kubernetes sets for a
 * Service (variable.h), counts as not set. */
#ifndef ENDPOINTS_ENDPOINTS_H
#define ENDPOINTS_ENDPOINTS_H

#include "status.h"

struct endpoints {
    char *store;                   /* owned, as all are; holds the credentials where it has some */
    char *bus;                     /* without credentials, unless they were given in it */
    char *bus_user, *bus_password; /* NULL: none */
};

/* store, bus: what was given; NULL: nothing. INVALID_ARGUMENT, reason ENVIRONMENT, with the
 * variable that is wrong or missing; what secret_read says. */
bool endpoints_read(const char *store, const char *bus, const char *secrets_folder,
                    struct endpoints *ret_endpoints, struct status *st);
/* The address of a store alone, in the same way; `otherwise` where nothing names one. */
bool endpoints_store(const char *given, const char *otherwise, const char *secrets_folder,
                     char **ret_address, struct status *st);
void endpoints_fini(struct endpoints *endpoints);

#endif
