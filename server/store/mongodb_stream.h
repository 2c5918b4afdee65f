/* Connections to a database of MongoDB's protocol that end when they have to: no operation on one
 * takes longer than the driver says, than the deadline of the thread that calls (store_deadline),
 * or than until the store is interrupted. The driver's own streams know only the first of them.
 *
 * For the connections that carry calls. Those by which the driver watches its servers are its own.
 */
#ifndef STORE_MONGODB_STREAM_H
#define STORE_MONGODB_STREAM_H

#include <mongoc/mongoc.h>

#include "wake.h"

/* A mongoc_stream_initiator_t. user: a struct wake, borrowed; once it is stopping every operation
 * fails. Connects, over TLS where the URI says so, as the driver's own initiator does. */
mongoc_stream_t *mongo_stream_open(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                   void *user, bson_error_t *error);

/* Whether it can do what the URI asks for: two options of TLS are the driver's secret. */
bool mongo_stream_fits(const mongoc_uri_t *uri);

#endif
