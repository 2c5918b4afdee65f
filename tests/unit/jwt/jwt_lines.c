/* Checks the tokens that come on standard input: one JSON object a line,
 * {"keys": "TEXT OF A JWKS", "issuer": I, "audience": A, "leeway": N, "now": N, "tokens": [T, …]},
 * answered by one line each: {"keys": "why the set was refused"} or {"verdicts": [[V, END, CLAIMS],
 * …]}, V as jwt_verdict_text has it, END and CLAIMS where it is good. */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "jwt.h"
#include "jwt_claims.h"

static void stop(const char *why)
{
    fprintf(stderr, "jwt_lines: %s\n", why);
    exit(2);
}

static struct json_text member(struct json_text line, const char *name)
{
    struct json_text value = {NULL, 0};
    if (!json_find(line, name, &value)) {
        stop(name);
    }
    return value;
}

static int64_t number(struct json_text line, const char *name)
{
    struct json_text value = member(line, name);
    AUTO(free) char *text = mem_text(value.data, value.len);
    return strtoll(text, NULL, 10);
}

/* NULs stay, so that tokens may have some. */
static struct str text(struct json_text value)
{
    struct str decoded = {0};
    json_decode_string(value, &decoded);
    return decoded;
}

static void add_verdict(const struct jwt_trust *trust, struct json_text token, int64_t now_s,
                        struct str *out)
{
    struct jwt jwt = {.claims = NULL};
    struct str given = text(token);
    enum jwt_verdict verdict = jwt_verify(trust, 1, str_text(&given), given.len, now_s, &jwt);
    if ((verdict == JWT_GOOD) != (jwt.claims != NULL)) {
        stop("claims and verdict differ");
    }
    json_add_text(out, "[", jwt_verdict_text(verdict));
    if (verdict == JWT_GOOD) {
        str_addf(out, ",%lld,", (long long)jwt.end_s);
        str_add(out, jwt.claims->data, jwt.claims->len);
    }
    str_add_char(out, ']');
    jwt_fini(&jwt);
    str_fini(&given);
}

static void answer(struct json_text line)
{
    AUTO_STR out = {0};
    AUTO_STR issuer = text(member(line, "issuer"));
    AUTO_STR audience = text(member(line, "audience"));
    AUTO_STR set = text(member(line, "keys"));
    AUTO(jwt_keys_free) struct jwt_keys *keys = NULL;
    struct status st;
    if (!jwt_keys_parse(str_text(&set), set.len, &keys, &st)) {
        json_add_text(&out, "{\"keys\":", st.message);
        str_add_char(&out, '}');
        puts(out.data);
        return;
    }
    const struct jwt_trust trust = {.issuer = str_text(&issuer),
                                    .audience = str_text(&audience),
                                    .keys = keys,
                                    .leeway_s = number(line, "leeway")};
    struct json_text token;
    str_add_text(&out, "{\"verdicts\":[");
    for (size_t position = 0; json_item(member(line, "tokens"), &position, &token);) {
        str_add_text(&out, out.data[out.len - 1] == '[' ? "" : ",");
        add_verdict(&trust, token, number(line, "now"), &out);
    }
    str_add_text(&out, "]}");
    puts(out.data);
}

int main(void)
{
    static const struct json_limits limits = {.max_bytes = 64u << 20, .max_depth = JSON_DEPTH_MAX};
    char *line = NULL;
    size_t room = 0;
    for (ssize_t n; (n = getline(&line, &room, stdin)) > 0;) {
        AUTO(buf_unref) struct buf *checked = NULL;
        struct status st;
        if (!json_check(line, (size_t)n, &limits, "line", &checked, &st)) {
            stop(st.message);
        }
        answer(json_of_buf(checked));
        fflush(stdout);
    }
    free(line);
    return 0;
}
