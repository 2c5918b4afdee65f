#include "document.h"

#include <string.h>

#include "mem.h"
#include "unknown.h"

static const struct known_names known = {
    .names = {"service_name", "environment", "version", "config_data", "created_at", "updated_at",
              "created_by", "comment"},
    .n = 8,
};

/* 0: no member has that name. */
static unsigned member_named(const char *name, size_t n)
{
    for (size_t i = 0; i < known.n; i++) {
        if (n == strlen(known.names[i]) && memcmp(name, known.names[i], n) == 0) {
            return 1U << i;
        }
    }
    return 0;
}

static void refuse(struct invalid *invalid, const char *why)
{
    invalid_add(invalid, "query", "fields", FAULT_FIELDS, why);
}

static void refuse_name(struct invalid *invalid, const char *text, size_t n)
{
    AUTO_STR name = {0};
    AUTO_STR message = {0};
    str_add(&name, text, n);
    const char *near = unknown_nearest(&name, &known);
    str_addf(&message, "A document has no member \"%s\"", str_text(&name));
    if (near != NULL) {
        str_addf(&message, "; did you mean %s?", near);
    }
    refuse(invalid, message.data);
}

unsigned document_members(const char *fields, struct invalid *invalid)
{
    unsigned named = 0;
    size_t n_names = 0, n_minus = 0, n;
    for (const char *at = fields == NULL ? "" : fields; *at != '\0'; at += n + (at[n] == ',')) {
        n = strcspn(at, ",");
        bool minus = *at == '-';
        unsigned member = member_named(at + minus, n - minus);
        if (member == 0) {
            refuse_name(invalid, at + minus, n - minus);
        }
        named |= member;
        n_names++;
        n_minus += minus;
    }
    if (fields == NULL) {
        return DOCUMENT_ALL;
    }
    if (n_names == 0) {
        refuse(invalid, "Input should name at least one member");
    } else if (n_minus != 0 && n_minus != n_names) {
        refuse(invalid, "Input should name members to send, or with a minus before each, members "
                        "to leave out");
    }
    return n_minus == 0 ? named : DOCUMENT_ALL & ~named;
}
