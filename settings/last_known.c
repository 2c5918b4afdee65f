#include "last_known.h"

#include <string.h>
#include <unistd.h>

#include "file.h"
#include "hash.h"
#include "json.h"
#include "settings.h"

#define FIRST_WORDS "confreg-last-known 1 "
#define FIRST_LINE (sizeof FIRST_WORDS - 1 + 2 * (size_t)HASH_SIZE + 1)
#define HEAD_BYTES 4096 /* room for the two lines before the config */

static void add_head(struct str *out, const struct last_known_of *of,
                     const struct last_known *known)
{
    json_add_text(out, "{\"service_name\":", of->service_name);
    json_add_text(out, ",\"environment\":", of->environment);
    str_addf(out, ",\"resolve\":%s", of->resolve ? "true" : "false");
    json_add_text(out, ",\"epoch\":", known->epoch);
    str_addf(out, ",\"revision\":%lu,\"version\":%lu}\n", known->revision, known->version);
}

bool last_known_write(const char *path, const struct last_known_of *of,
                      const struct last_known *known, struct status *st)
{
    AUTO_STR body = {0};
    AUTO_STR file = {0};
    char digits[2 * HASH_SIZE + 1];
    add_head(&body, of, known);
    str_add(&body, known->data->data, known->data->len);
    struct hash hash = hash_bytes(body.data, body.len);
    hex_encode(hash.bytes, HASH_SIZE, digits);
    str_addf(&file, FIRST_WORDS "%s\n", digits);
    str_add(&file, body.data, body.len);
    return file_replace(path, file.data, file.len, NULL, st);
}

static bool is_number(const struct settings *head, const char *name, uint64_t *ret_number)
{
    const struct setting *found = settings_find(head, name);
    *ret_number = found == NULL ? 0 : (uint64_t)found->integer;
    return found != NULL && found->type == JSON_NUMBER && found->fits_integer;
}

static bool is_text(const struct settings *head, const char *name, const char *expected)
{
    const struct setting *found = settings_find(head, name);
    return found != NULL && found->string != NULL && strcmp(found->string, expected) == 0;
}

static bool take_head(const struct settings *head, const struct last_known_of *of,
                      struct last_known *known)
{
    const struct setting *epoch = settings_find(head, "epoch");
    const struct setting *resolve = settings_find(head, "resolve");
    if (epoch == NULL || epoch->string == NULL || epoch->n_string >= sizeof known->epoch ||
        resolve == NULL) {
        return false;
    }
    memcpy(known->epoch, epoch->string, epoch->n_string + 1);
    return is_text(head, "service_name", of->service_name) &&
           is_text(head, "environment", of->environment) &&
           resolve->type == (of->resolve ? JSON_TRUE : JSON_FALSE) &&
           is_number(head, "revision", &known->revision) &&
           is_number(head, "version", &known->version);
}

/* Whether the first line is what it should be, with the hash of the rest. */
static bool is_whole(const struct buf *file)
{
    struct hash expected;
    if (file->len <= FIRST_LINE || memcmp(file->data, FIRST_WORDS, sizeof FIRST_WORDS - 1) != 0 ||
        file->data[FIRST_LINE - 1] != '\n' ||
        !hex_decode((const char *)file->data + sizeof FIRST_WORDS - 1, 2 * HASH_SIZE,
                    expected.bytes, HASH_SIZE)) {
        return false;
    }
    struct hash found = hash_bytes(file->data + FIRST_LINE, file->len - FIRST_LINE);
    return hash_equal(&found, &expected);
}

static bool parse(const struct buf *file, const struct last_known_of *of, struct last_known *known)
{
    const char *head = (const char *)file->data + FIRST_LINE;
    const char *end = (const char *)file->data + file->len;
    const char *line_end = memchr(head, '\n', (size_t)(end - head));
    AUTO(settings_unref) struct settings *parsed = NULL;
    struct status ignored;
    if (line_end == NULL || !settings_parse(head, (size_t)(line_end - head), &parsed, &ignored) ||
        !take_head(parsed, of, known)) {
        return false;
    }
    known->data = buf_copy(line_end + 1, (size_t)(end - line_end - 1));
    return true;
}

bool last_known_read(const char *path, const struct last_known_of *of, struct last_known *ret_known,
                     struct status *st)
{
    AUTO(buf_unref) struct buf *file = NULL;
    struct last_known known = {.data = NULL};
    if (access(path, F_OK) != 0) {
        return status_set(st, STATUS_NOT_FOUND, "", "%s: there is no such file", path);
    }
    if (!file_read(path, SETTINGS_MAX_BYTES + HEAD_BYTES, &file, NULL, st)) {
        return status_context(st, "%s", path);
    }
    if (!is_whole(file) || !parse(file, of, &known)) {
        return status_set(st, STATUS_DATA_LOSS, "LAST_KNOWN_DAMAGED",
                          "%s: it is damaged, or not of this config", path);
    }
    *ret_known = known;
    return true;
}
