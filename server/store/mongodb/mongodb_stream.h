/* Connections to a MongoDB server that can be interrupted. An operation ends at the driver's
 * time-out, at the deadline of the calling thread (store_deadline), or when the store is
 * interrupted; the driver's own streams have only the first of these.
 *
 * They carry the calls. The driver's monitoring connections use its own streams. */
#ifndef STORE_MONGODB_STREAM_H
#define STORE_MONGODB_STREAM_H

#include <mongoc/mongoc.h>

#include "wake.h"

/* A mongoc_stream_initiator_t that connects like the driver's own one, with TLS if the URI asks for
 * it. user: a struct wake, borrowed; once it is stopping, every operation fails. */
mongoc_stream_t *mongo_stream_open(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                   void *user, bson_error_t *error);

/* Whether it supports the URI's options: two of TLS have no public interface in the driver. */
bool mongo_stream_fits(const mongoc_uri_t *uri);

#endif
