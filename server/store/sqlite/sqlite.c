#include "sqlite.h"

#include "sqlite_append.h"
#include "sqlite_erase.h"
#include "sqlite_heads.h"
#include "sqlite_identity.h"
#include "sqlite_open.h"
#include "sqlite_read.h"
#include "sqlite_search.h"

const struct store_ops store_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_store_open,
    .close = sqlite_store_close,
    .interrupt = sqlite_store_interrupt,
    .tail = sqlite_tail,
    .append = sqlite_append,
    .read_commits = sqlite_read_commits,
    .find_versions = sqlite_find_versions,
    .read_versions = sqlite_read_versions,
    .find_changes = sqlite_find_changes,
    .search = sqlite_search,
    .find_requests = sqlite_find_requests,
    .load_heads = sqlite_load_heads,
    .save_heads = sqlite_save_heads,
    .forget_heads = sqlite_forget_heads,
    .scrub = sqlite_scrub,
    .get_mark = sqlite_get_mark,
    .drop = sqlite_drop,
    .renew = sqlite_store_renew,
    .set_mark = sqlite_set_mark,
    .move_mark = sqlite_move_mark,
};
