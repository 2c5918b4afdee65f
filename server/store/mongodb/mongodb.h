/* "mongodb://…" and "mongodb+srv://…": a database on a server of MongoDB's protocol, which many
 * processes share. */
#ifndef STORE_MONGODB_H
#define STORE_MONGODB_H

#include "store.h"

extern const struct store_ops store_mongodb;
extern const struct store_ops store_mongodb_srv;

#endif
