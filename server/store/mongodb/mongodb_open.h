/* Opening and closing a MongoDB store: the address, the server, identity, indexes. */
#ifndef STORE_MONGODB_OPEN_H
#define STORE_MONGODB_OPEN_H

#include "mongodb_db.h"

bool mongo_store_open(const char *location, bool may_create, struct store **ret_store,
                      struct status *st);
bool mongo_store_open_srv(const char *location, bool may_create, struct store **ret_store,
                          struct status *st);
void mongo_store_close(struct store *store);
void mongo_store_interrupt(struct store *store);
bool mongo_renew(struct store *store, const struct store_identity *identity, struct status *st);

#endif
