#include "mongodb.h"

#include "mongodb_append.h"
#include "mongodb_changes.h"
#include "mongodb_erase.h"
#include "mongodb_heads.h"
#include "mongodb_history.h"
#include "mongodb_log.h"
#include "mongodb_marks.h"
#include "mongodb_open.h"

#define METHODS                                                                                    \
    .close = mongo_store_close, .interrupt = mongo_store_interrupt, .tail = mongo_tail,            \
    .append = mongo_append, .read_commits = mongo_read_commits,                                    \
    .find_versions = mongo_find_versions, .read_versions = mongo_read_versions,                    \
    .find_changes = mongo_find_changes, .search = mongo_search,                                    \
    .find_requests = mongo_find_requests, .load_heads = mongo_load_heads, .load = mongo_load,      \
    .save_heads = mongo_save_heads, .scrub = mongo_scrub, .drop = mongo_drop,                      \
    .get_mark = mongo_get_mark, .renew = mongo_renew, .set_mark = mongo_set_mark,                  \
    .move_mark = mongo_move_mark, .listen = mongo_listen, .unlisten = mongo_unlisten

const struct store_ops store_mongodb = {.scheme = "mongodb", .open = mongo_store_open, METHODS};
/* The same behind an address that names its servers by DNS. */
const struct store_ops store_mongodb_srv = {
    .scheme = "mongodb+srv", .open = mongo_store_open_srv, METHODS};
