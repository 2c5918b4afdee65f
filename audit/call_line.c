#include "call_line.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "json.h"

#define NAME_BYTES 255 /* of environment or service: longer ones are invalid */
#define TEXT_BYTES 512 /* of any other text */

static void add_cut(struct str *out, const char *text, size_t max)
{
    json_encode_string(out, text, strnlen(text, max));
}

void call_names_add(struct call_names *names, const char *environment, const char *service)
{
    if (names->n_more > 0 || names->list.len > CALL_NAMES_BYTES) {
        names->n_more++;
        return;
    }
    AUTO_STR name = {0};
    str_add(&name, environment, strnlen(environment, NAME_BYTES));
    str_add_char(&name, '/');
    str_add(&name, service, strnlen(service, NAME_BYTES));
    if (names->list.len > 0) {
        str_add_char(&names->list, ',');
    }
    json_encode_string(&names->list, name.data, name.len);
}

void call_names_fini(struct call_names *names)
{
    str_fini(&names->list);
}

static void add_text(struct str *out, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        str_addf(out, ",\"%s\":", name);
        add_cut(out, text, TEXT_BYTES);
    }
}

static void add_outcome(struct str *out, const struct call_line *line)
{
    if (line->path != NULL) {
        str_addf(out, ",\"status\":%u", line->status);
    } else {
        str_addf(out, ",\"code\":\"%s\"", status_code_name(line->code));
    }
    add_text(out, "reason", line->reason);
}

static void add_names(struct str *out, const struct call_names *names)
{
    if (names == NULL || names->list.len == 0) {
        return;
    }
    str_addf(out, ",\"configs\":[%s]", names->list.data);
    if (names->n_more > 0) {
        str_addf(out, ",\"more_configs\":%zu", names->n_more);
    }
}

static void add_time(struct str *out)
{
    char time[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_us(), time);
    str_addf(out, "\"time\":\"%s\"", time);
}

static void add_facts(struct str *out, const struct call_line *line)
{
    add_text(out, "principal", line->principal);
    add_text(out, "credential", line->credential);
    add_text(out, "peer", line->peer);
    add_text(out, "service", line->service);
    add_text(out, "method", line->method);
    add_text(out, "path", line->path);
    add_names(out, line->names);
    add_outcome(out, line);
    add_text(out, "request_id", line->request_id);
    add_text(out, "traceparent", line->trace);
}

void call_line_add(struct str *out, const char *what, const struct call_line *line)
{
    add_time(out);
    add_text(out, "what", what);
    add_facts(out, line);
}

void call_line_add_access(struct str *out, const struct call_line *line)
{
    add_time(out);
    add_facts(out, line);
    str_addf(out,
             ",\"duration_us\":%" PRId64 ",\"request_bytes\":%" PRIu64
             ",\"response_bytes\":%" PRIu64,
             line->duration_ns / 1000, line->request_bytes, line->response_bytes);
}
