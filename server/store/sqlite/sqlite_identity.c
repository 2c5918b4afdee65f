#include "sqlite_identity.h"

#include <inttypes.h>
#include <string.h>

#include "seal.h"
#include "sqlite_heads.h"
#include "sqlite_rows.h"

bool sqlite_read_format(struct sqlite_store *s, int64_t *ret_format, struct status *st)
{
    return connection_number(&s->appender, "SELECT value FROM meta WHERE name = 'format'",
                             ret_format, st);
}

void sqlite_add_identity_seal(const struct store_identity *identity, struct str *sql)
{
    struct hash seal = seal_of_identity(identity, STORE_FORMAT);
    char text[2 * HASH_SIZE + 1];
    hex_encode(seal.bytes, HASH_SIZE, text);
    str_addf(sql, "INSERT OR REPLACE INTO meta VALUES('seal', x'%s');", text);
}

static bool bad_seal(struct status *st)
{
    return sqlite_damaged(st, "its identity does not match its seal");
}

/* A value of the table as bytes; false where there is none, or none of this size. */
static bool read_bytes(struct sqlite_store *s, const char *name, uint8_t *out, size_t least,
                       size_t most, size_t *ret_n)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->appender.db, "SELECT value FROM meta WHERE name = ?1", -1, &q,
                           NULL) != SQLITE_OK) {
        return false;
    }
    sqlite_bind_text(q, 1, name);
    bool there = sqlite3_step(q) == SQLITE_ROW;
    size_t n = there ? (size_t)sqlite3_column_bytes(q, 0) : 0;
    bool ok = n >= least && n <= most;
    if (ok && n > 0) {
        memcpy(out, sqlite3_column_blob(q, 0), n);
    }
    *ret_n = n;
    sqlite3_finalize(q);
    return ok;
}

/* A missing value means no earlier epochs. */
static bool read_parts(struct sqlite_store *s, struct store_identity *identity)
{
    uint8_t epochs[STORE_EPOCHS_BYTES];
    size_t n = 0;
    return read_bytes(s, "epoch", identity->epoch, EPOCH_SIZE, EPOCH_SIZE, &n) &&
           read_bytes(s, "secret", identity->secret, STORE_SECRET_SIZE, STORE_SECRET_SIZE, &n) &&
           read_bytes(s, "epochs", epochs, 0, sizeof epochs, &n) &&
           store_epochs_decode(epochs, n, identity);
}

bool sqlite_read_identity(struct sqlite_store *s, struct status *st)
{
    int64_t format = 0;
    struct hash stored;
    size_t n = 0;
    if (!sqlite_read_format(s, &format, st)) {
        return false;
    }
    if (!read_parts(s, &s->store.identity)) {
        return bad_seal(st);
    }
    struct hash seal = seal_of_identity(&s->store.identity, (uint64_t)format);
    return format == 1 ||
           (read_bytes(s, "seal", stored.bytes, HASH_SIZE, HASH_SIZE, &n) &&
            hash_equal(&seal, &stored)) ||
           bad_seal(st);
}

bool sqlite_store_renew(struct store *store, const struct store_identity *identity,
                        struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    uint8_t epochs[STORE_EPOCHS_BYTES];
    size_t n = store_epochs_encode(identity, epochs);
    char epoch_text[2 * EPOCH_SIZE + 1];
    char epochs_text[2 * STORE_EPOCHS_BYTES + 1];
    hex_encode(identity->epoch, EPOCH_SIZE, epoch_text);
    hex_encode(epochs, n, epochs_text);
    AUTO_STR sql = {0};
    str_addf(&sql,
             "BEGIN IMMEDIATE; INSERT OR REPLACE INTO meta VALUES('epoch', x'%s'), "
             "('epochs', x'%s');",
             epoch_text, epochs_text);
    sqlite_add_identity_seal(identity, &sql);
    str_add_text(&sql, "COMMIT");
    return connection_run(&s->appender, sql.data, st);
}

/* How far events were published is the one mark that the log does not tell. */
static bool read_relayed(struct sqlite_store *s, uint64_t *ret_relayed, struct status *st)
{
    int64_t relayed = 0;
    int64_t end = 0;
    AUTO_STR sql = {0};
    str_addf(&sql, "SELECT value FROM marks WHERE mark = %d", STORE_MARK_RELAYED);
    if (!connection_number(&s->appender, sql.data, &relayed, st) ||
        !connection_number(&s->appender, "SELECT max(revision) FROM commits", &end, st)) {
        return false;
    }
    *ret_relayed = (uint64_t)relayed;
    return (relayed >= 0 && relayed <= end + 1) ||
           sqlite_damaged(st, "events were published that the log does not have");
}

bool sqlite_upgrade(struct sqlite_store *s, struct status *st)
{
    int64_t format = 0;
    uint64_t relayed = 0;
    if (!sqlite_read_format(s, &format, st)) {
        return false;
    }
    if (format == STORE_FORMAT) {
        return true;
    }
    if (!read_relayed(s, &relayed, st)) {
        return false;
    }
    AUTO_STR sql = {0};
    str_add_text(&sql,
                 "BEGIN IMMEDIATE; DROP TABLE heads; DROP TABLE marks;" SQLITE_DERIVED_TABLES);
    sqlite_add_marks(&s->store.identity, relayed, &sql);
    sqlite_add_identity_seal(&s->store.identity, &sql);
    str_addf(&sql, "UPDATE meta SET value = %d WHERE name = 'format'; COMMIT", STORE_FORMAT);
    return connection_run(&s->appender, sql.data, st);
}
