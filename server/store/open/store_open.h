/* Opens a store by its address. */
#ifndef STORE_OPEN_H
#define STORE_OPEN_H

#include "store.h"

/* Opens "sqlite:FILE", "mongodb://…" (or "mongodb+srv://…", as MongoDB's drivers take it; the
 * database is "confreg" unless the address says another) or "memory:", and makes it where there is
 * none (is_new). One process at a time has a SQLite file open, by whatever name; any number share a
 * database of MongoDB's. "memory:NAME" is one store for all that open it under
 * this name in this process, gone with the last of them. INVALID_ARGUMENT: not a store's address;
 * FAILED_PRECONDITION: reason STORE_LOCKED where another process has it, STORE_FORMAT_NEWER where a
 * newer release wrote it (the message names both formats), STORE_FORMAT_OLDER where it has to be
 * prepared (the message says how), STORE_FOREIGN where the file or database
 * is no store of ours, STORE_NOT_WHOLE where the file was cut off, STORE_LINKED where it has two
 * names, STORE_STRAY_LOG where the write-ahead log beside it is not its own, STORE_TOO_OLD where
 * the database server is; UNAVAILABLE, reason STORE_UNAVAILABLE, or STORE_DENIED where the database
 * server does not let us; DATA_LOSS. */
bool store_open(const char *address, struct store **ret_store, struct status *st);
/* The same, but does not create a store: FAILED_PRECONDITION, reason STORE_MISSING. */
bool store_open_existing(const char *address, struct store **ret_store, struct status *st);
#endif
