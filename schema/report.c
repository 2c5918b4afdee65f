#include "report.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

void schema_report_fini(struct schema_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        free(report->violations[i].value);
        free(report->violations[i].schema);
        free(report->violations[i].message);
    }
    free(report->violations);
    *report = (struct schema_report){0};
}

/* The text, which moves to the caller. */
static char *text_of(struct str *text)
{
    str_add_text(text, "");
    char *data = text->data;
    *text = (struct str){0};
    return data == NULL ? mem_string("") : data;
}

bool report_add(struct schema_report *report, struct str *value, struct str *schema,
                const char *keyword, const char *format, va_list arguments)
{
    if (report->n == SCHEMA_VIOLATIONS) {
        report->more = true;
        str_fini(value);
        str_fini(schema);
        return false;
    }
    char message[512];
    vsnprintf(message, sizeof message, format, arguments);
    report->violations = mem_grow(report->violations, report->n + 1, sizeof report->violations[0]);
    struct schema_violation *violation = &report->violations[report->n++];
    *violation = (struct schema_violation){.value = text_of(value),
                                           .schema = text_of(schema),
                                           .keyword = keyword,
                                           .message = mem_string(message)};
    return false;
}

void report_quote(struct str *out, struct json_text text)
{
    str_add_char(out, '"');
    for (size_t at = 0; at < text.len;) {
        size_t size = utf8_char_size(text.data + at, text.len - at);
        if (at + size > REPORT_QUOTE_MAX) {
            str_add_text(out, "\xE2\x80\xA6");
            break;
        }
        bool control = size == 0 || (unsigned char)text.data[at] < 0x20 || text.data[at] == 0x7F;
        str_add(out, control ? "?" : text.data + at, control ? 1 : size);
        at += size == 0 ? 1 : size;
    }
    str_add_char(out, '"');
}
