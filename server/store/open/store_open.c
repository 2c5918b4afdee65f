#include "store_open.h"

#include <string.h>

#include "memory.h"
#include "mongodb.h"
#include "sqlite.h"
#include "uri.h"

static const struct store_ops *const backends[] = {&store_sqlite, &store_mongodb,
                                                   &store_mongodb_srv, &store_memory, NULL};

static bool open_address(const char *address, bool may_create, struct store **ret_store,
                         struct status *st)
{
    for (size_t i = 0; backends[i] != NULL; i++) {
        size_t n = strlen(backends[i]->scheme);
        if (strncmp(address, backends[i]->scheme, n) == 0 && address[n] == ':') {
            return backends[i]->open(address + n + 1, may_create, ret_store, st);
        }
    }
    AUTO_STR shown = {0};
    uri_add_public(&shown, address);
    return status_set(
        st, STATUS_INVALID_ARGUMENT, "STORE_ADDRESS",
        "\"%.200s\" is no store; use sqlite:FILE, mongodb://… or memory:", str_text(&shown));
}

bool store_open(const char *address, struct store **ret_store, struct status *st)
{
    return open_address(address, true, ret_store, st);
}

bool store_open_existing(const char *address, struct store **ret_store, struct status *st)
{
    return open_address(address, false, ret_store, st);
}
