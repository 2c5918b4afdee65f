#include "schema_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "schema.h"

#define FILE_MAX_BYTES (64u << 20)

static const struct json_limits schema_limits = {.max_bytes = SCHEMA_BYTES,
                                                 .max_depth = SCHEMA_LEVELS};

bool read_file(const char *path, struct str *out)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    size_t n = 1;
    while (n > 0 && out->len <= FILE_MAX_BYTES) {
        char bytes[16384];
        n = fread(bytes, 1, sizeof bytes, file);
        str_add(out, bytes, n);
    }
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || out->len > FILE_MAX_BYTES) {
        fprintf(stderr, "%s: %s\n", path, failed ? "cannot be read" : "is larger than 64 MiB");
        return false;
    }
    return true;
}

struct buf *read_schema(const char *path)
{
    AUTO_STR text = {0};
    AUTO(buf_unref) struct buf *schema = NULL;
    struct status st;
    if (!read_file(path, &text)) {
        return NULL;
    }
    if (!json_check_value(str_text(&text), text.len, &schema_limits, "the schema", NULL, &schema,
                          &st)) {
        fprintf(stderr, "%s: %s\n", path, st.message);
        return NULL;
    }
    return MOVE(schema);
}
