/* The bytes of a connection, cut into pieces whose size is the first byte of the input. The
 * requests that are read must not depend on the cuts, and an accepted head must not be ambiguous.
 */
#include <strings.h>

#include "fuzz.h"
#include "http_reader.h"

static struct http_field fields[HTTP_FIELDS];

/* Checks that an accepted head has no text that another parser could read differently. */
static void check_head(const struct http_head *head)
{
    size_t n_hosts = 0, n_framing = 0;
    MUST(head->n_fields <= HTTP_FIELDS);
    MUST(strlen(head->target) <= HTTP_TARGET_BYTES && strpbrk(head->target, "\r\n\t ") == NULL);
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_field *field = &head->fields[i];
        MUST(field->name[0] != '\0' && strpbrk(field->name, "\r\n\t :") == NULL);
        MUST(strpbrk(field->value, "\r\n") == NULL);
        n_hosts += strcasecmp(field->name, "Host") == 0;
        n_framing += strcasecmp(field->name, "Content-Length") == 0 ||
                     strcasecmp(field->name, "Transfer-Encoding") == 0;
    }
    MUST(n_hosts == 1 || (n_hosts == 0 && head->is_http_1_0));
    MUST(n_framing == (size_t)(head->has_length || head->is_chunked));
    MUST(!head->is_chunked || !head->has_length);
}

/* Parses a head; false if it is refused. */
static bool take_head(struct http_reader *reader, const struct http_input *part, struct str *out)
{
    struct http_head head;
    struct http_refusal refusal;
    MUST(part->n <= HTTP_HEAD_BYTES);
    AUTO(free) char *text = mem_text(part->bytes, part->n);
    if (!http_head_parse(text, part->n, fields, &head, &refusal)) {
        str_addf(out, "!%u", refusal.status);
        return false;
    }
    check_head(&head);
    str_addf(out, "%s %s %zu[", head.method, head.target, head.n_fields);
    http_reader_begin_body(reader, &head);
    return true;
}

/* Returns whether something was refused. */
static bool read_piece(struct http_reader *reader, struct http_input in, struct str *out)
{
    struct http_input part;
    struct http_refusal refusal;
    for (;;) {
        switch (http_reader_next(reader, &in, &part, &refusal)) {
        case HTTP_PART_NONE:
            MUST(in.n == 0);
            return false;
        case HTTP_PART_HEAD:
            if (!take_head(reader, &part, out)) {
                return true;
            }
            break;
        case HTTP_PART_BODY:
            str_add(out, part.bytes, part.n);
            break;
        case HTTP_PART_END:
            str_add_char(out, ']');
            break;
        case HTTP_PART_REFUSED:
            str_addf(out, "!%u", refusal.status);
            return true;
        }
    }
}

static void read_all(const uint8_t *data, size_t size, size_t n_piece, struct str *out)
{
    struct http_reader reader = {0};
    for (size_t at = 0; at < size; at += n_piece) {
        size_t n = size - at < n_piece ? size - at : n_piece;
        AUTO(free)
        char *piece = mem_text((const char *)data + at,
                               n); /* a separate allocation, so that reads beyond it are found */
        if (read_piece(&reader, (struct http_input){piece, n}, out)) {
            break;
        }
    }
    http_reader_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t n_piece = (size_t)take_byte(&in) + 1;
    AUTO_STR whole = {0};
    AUTO_STR cut = {0};
    read_all(in.data, in.size, in.size + 1, &whole);
    read_all(in.data, in.size, n_piece, &cut);
    MUST(whole.len == cut.len);
    MUST(memcmp(str_text(&whole), str_text(&cut), whole.len) == 0);
    return 0;
}
