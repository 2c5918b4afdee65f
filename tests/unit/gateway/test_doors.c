#include <string.h>

#include "api.h"
#include "credential.h"
#include "door_request.h"
#include "flags.h"
#include "leak_check.h"
#include "properties.h"

TestSuite(flags, .fini = leak_check);
TestSuite(properties, .fini = leak_check);
TestSuite(credential, .fini = leak_check);

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

/* ---- Flags ---- */

/* NULL: that config is missing. */
static struct door_heads heads_of(const char *own, const char *shared)
{
    struct door_heads heads = {.epoch = "0123456789abcdef", .n = 2};
    heads.items[0].environment = "prod";
    heads.items[1].environment = "default";
    if (own != NULL) {
        heads.items[0].version = 7;
        heads.items[0].data = text_of(own);
    }
    if (shared != NULL) {
        heads.items[1].version = 3;
        heads.items[1].data = text_of(shared);
    }
    return heads;
}

#define OF_PROD ",\"metadata\":{\"environment\":\"prod\"}}"
#define OF_DEFAULT ",\"metadata\":{\"environment\":\"default\"}}"
#define LONG_TEXT "\"0123456789012345678901234567890123456789012345678901234567890123\""

Test(flags, one_flag)
{
    static const struct {
        const char *own, *shared;
        enum flag_outcome outcome;
        const char *found; /* behind the key */
    } cases[] = {
        {"{\"k\":true}", NULL, FLAG_EVALUATED,
         "\"value\":true,\"reason\":\"STATIC\",\"variant\":\"on\"" OF_PROD},
        {"{\"k\":false}", "{\"k\":true}", FLAG_EVALUATED,
         "\"value\":false,\"reason\":\"STATIC\",\"variant\":\"off\"" OF_PROD},
        {"{\"a\":1}", "{\"k\":2.50}", FLAG_EVALUATED,
         "\"value\":2.50,\"reason\":\"STATIC\",\"variant\":\"2.50\"" OF_DEFAULT},
        {NULL, "{\"k\":\"bl\\u0075e\"}", FLAG_EVALUATED,
         "\"value\":\"bl\\u0075e\",\"reason\":\"STATIC\",\"variant\":\"bl\\u0075e\"" OF_DEFAULT},
        {"{\"k\":" LONG_TEXT "}", NULL, FLAG_EVALUATED,
         "\"value\":" LONG_TEXT ",\"reason\":\"STATIC\",\"variant\":\"48d3e05bbc7b\"" OF_PROD},
        {"{\"k\":{}}", NULL, FLAG_EVALUATED,
         "\"value\":{},\"reason\":\"STATIC\",\"variant\":\"44136fa355b3\"" OF_PROD},
        {"{\"k\":{\"a\":null,\"b\":1}}", "{\"k\":{\"a\":2,\"c\":3}}", FLAG_EVALUATED,
         "\"value\":{\"c\":3,\"b\":1},\"reason\":\"STATIC\",\"variant\":\"b98fdf90fabc\"" OF_PROD},
        {"{\"k\":{\"a\":null,\"b\":1}}", "{}", FLAG_EVALUATED,
         "\"value\":{\"b\":1},\"reason\":\"STATIC\",\"variant\":\"eb8ed3ccb502\"" OF_PROD},
        {"{\"k\":null}", "{\"k\":true}", FLAG_EVALUATED,
         "\"reason\":\"DISABLED\",\"variant\":\"default\"" OF_PROD},
        {"{}", "{\"k\":null}", FLAG_EVALUATED,
         "\"reason\":\"DISABLED\",\"variant\":\"default\"" OF_DEFAULT},
        {"{\"k\":[]}", "{\"k\":true}", FLAG_NO_VALUE, NULL},
        {"{\"K\":1}", "{\"kk\":1}", FLAG_UNKNOWN, NULL},
        {NULL, NULL, FLAG_UNKNOWN, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR found = {0};
        AUTO_STR wanted = {0};
        struct door_heads heads = heads_of(cases[i].own, cases[i].shared);
        cr_expect_eq(flag_add(&heads, "k", &found), cases[i].outcome, "%zu", i);
        if (cases[i].found != NULL) {
            str_addf(&wanted, "{\"key\":\"k\",%s", cases[i].found);
        }
        cr_expect_str_eq(str_text(&found), str_text(&wanted), "%zu: %s", i, str_text(&found));
    }
}

/* In the array, each flag is what it is alone. */
Test(flags, all_flags)
{
    static const char *const keys[] = {"on", "o", "", "s\"", "t"};
    AUTO_STR found = {0};
    AUTO_STR wanted = {0};
    struct door_heads heads = heads_of("{\"on\":true,\"o\":{\"a\":1},\"\":null,\"x\":[1]}",
                                       "{\"s\\\"\":\"x\",\"on\":false,\"o\":{\"b\":2},\"t\":1}");
    flags_add_all(&heads, &found);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        str_add_text(&wanted, i == 0 ? "[" : ",");
        if (strcmp(keys[i], "s\"") == 0) {
            str_add_text(&wanted, "{\"key\":\"x\",\"errorCode\":\"PARSE_ERROR\",\"errorDetails\":"
                                  "\"" FLAG_IS_ARRAY "\"},");
        }
        cr_expect_eq(flag_add(&heads, keys[i], &wanted), FLAG_EVALUATED, "%s", keys[i]);
    }
    str_add_char(&wanted, ']');
    cr_expect_str_eq(found.data, wanted.data);
}

Test(flags, of_one_environment_alone)
{
    AUTO_STR found = {0};
    struct door_heads heads = heads_of("{\"k\":1}", NULL);
    heads.n = 1;
    flags_add_all(&heads, &found);
    cr_expect_str_eq(found.data, "[{\"key\":\"k\",\"value\":1,\"reason\":\"STATIC\","
                                 "\"variant\":\"1\"" OF_PROD "]");
}

/* ---- Properties ---- */

Test(properties, flat_names)
{
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {"{\"a\":1,\"b\":\"x\",\"c\":true,\"d\":1e3}",
         "{\"a\":1,\"b\":\"x\",\"c\":true,\"d\":1e3}"},
        {"{\"db\":{\"hosts\":[\"a\",{\"b\":2}],\"pool\":{\"max\":3}}}",
         "{\"db.hosts[0]\":\"a\",\"db.hosts[1].b\":2,\"db.pool.max\":3}"},
        {"{\"a\":null,\"b\":[],\"c\":{},\"d\":[[],[null]]}",
         "{\"a\":\"\",\"b\":\"\",\"d[0]\":\"\",\"d[1][0]\":\"\"}"},
        {"{\"server.port\":1,\"x\":{\"y.z\":2}}", "{\"server.port\":1,\"x.y.z\":2}"},
        {"{\"a\":{\"[b]\":1},\"[c]\":2}", "{\"a[b]\":1,\"[c]\":2}"},
        {"{\"\":{\"a\":1},\"b\":{\"\":2}}", "{\"a\":1,\"b.\":2}"},
        {"{\"q\\\"\\u00e9\":{\"\\n\":1}}", "{\"q\\\"é.\\n\":1}"},
        /* Two values with one name. */
        {"{\"a\":{\"b\":1},\"a.b\":2}", "{\"a.b\":1}"},
        {"{\"a\\u002eb\":2,\"a\":{\"b\":1,\"c\":3}}", "{\"a.b\":2,\"a.c\":3}"},
        {"{\"a\":[1],\"a[0]\":2}", "{\"a[0]\":1}"},
        {"{\"\":{\"a\":1},\"a\":2}", "{\"a\":1}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR found = {0};
        cr_expect(properties_add(text_of(cases[i][0]), &found));
        cr_expect_str_eq(found.data, cases[i][1], "%s: %s", cases[i][0], found.data);
    }
}

/* Long names above large arrays; one property fits. */
Test(properties, are_bounded)
{
    for (int n = 1; n < 20; n += 18) {
        AUTO_STR object = {0};
        AUTO_STR found = {0};
        str_add_text(&object, "{\"");
        memset(str_extend(&object, 1 << 20), 'x', 1 << 20);
        str_add_text(&object, "\":[1");
        for (int i = 1; i < n; i++) {
            str_add_text(&object, ",1");
        }
        str_add_text(&object, "]}");
        str_add_text(&found, "before");
        bool fits = properties_add((struct json_text){object.data, object.len}, &found);
        cr_expect_eq(fits, n == 1);
        cr_expect_eq(found.len, fits ? 6 + object.len + 1 : 6);
    }
}

/* ---- Credentials ---- */

#define FLAGS_TARGET "/api/ofrep/prod/a/ofrep/v1/evaluate/flags"
#define SPRING_TARGET "/api/spring/a/prod"

Test(credential, forms_of_doors)
{
    static const struct {
        const char *method, *target;
        const char *authorization, *config_token, *api_key;
        const char *found;
    } cases[] = {
        {"GET", SPRING_TARGET, NULL, NULL, NULL, ""},
        {"GET", SPRING_TARGET, "Bearer x", NULL, NULL, "Bearer x"},
        {"GET", SPRING_TARGET, "Basic dTpw", NULL, NULL, "Bearer p"},
        {"GET", SPRING_TARGET, "basic  dTpwOnE=", NULL, NULL, "Bearer p:q"},
        {"GET", SPRING_TARGET, "Basic OnB3ZA==", "other", NULL, "Bearer pwd"},
        {"GET", SPRING_TARGET, NULL, "tok", "other", "Bearer tok"},
        /* A password that is no token: the header stays as it is. */
        {"GET", SPRING_TARGET, "Basic dTo=", NULL, NULL, "Basic dTo="},
        {"GET", SPRING_TARGET, "Basic dXA=", NULL, NULL, "Basic dXA="},
        {"GET", SPRING_TARGET, "Basic dTpwIHE=", NULL, NULL, "Basic dTpwIHE="},
        {"GET", SPRING_TARGET, "Basic dTpwCg==", NULL, NULL, "Basic dTpwCg=="},
        {"GET", SPRING_TARGET, "Basic dTpw=", NULL, NULL, "Basic dTpw="},
        {"GET", SPRING_TARGET, "Basic ====", NULL, NULL, "Basic ===="},
        {"GET", SPRING_TARGET, "Basic d:pw", NULL, NULL, "Basic d:pw"},
        {"GET", SPRING_TARGET, "Basic ", NULL, NULL, "Basic "},
        {"GET", SPRING_TARGET, "Basic dTpw, Basic dTpw", NULL, NULL, "Basic dTpw, Basic dTpw"},
        {"GET", SPRING_TARGET, NULL, "a, b", NULL, "a, b"},
        /* Each door has its own. */
        {"POST", FLAGS_TARGET, NULL, NULL, "key", "Bearer key"},
        {"POST", FLAGS_TARGET, "Basic dTpw", NULL, "key", "Basic dTpw"},
        {"POST", FLAGS_TARGET, NULL, "tok", NULL, ""},
        {"GET", "/api/configs/a", "Basic dTpw", NULL, NULL, "Basic dTpw"},
        {"GET", "/api/configs/a", NULL, "tok", "key", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        static struct gateway gateway;
        struct door_request d = {0};
        struct request *r = &d.config.upstream.base;
        AUTO_SECRET found = {0};
        request_init(r, &gateway, cases[i].target);
        r->method = cases[i].method;
        r->headers.authorization = cases[i].authorization;
        r->headers.config_token = cases[i].config_token;
        r->headers.api_key = cases[i].api_key;
        cr_assert(routes_find(&api_routes, r));
        credential_add(r, &found);
        cr_expect_str_eq(str_text(&found), cases[i].found, "%zu: %s", i, str_text(&found));
        request_fini(r);
    }
}

/* ---- Routes ---- */

Test(routes, of_doors_that_are_closed)
{
    static struct gateway gateway;
    const struct routes closed = {api_routes.rows, api_routes.n, DOOR_SPRING};
    static const struct {
        const char *method, *target;
        bool found;
    } cases[] = {{"POST", FLAGS_TARGET, false}, {"GET", SPRING_TARGET, true}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct door_request d = {0};
        struct request *r = &d.config.upstream.base;
        AUTO_STR methods = {0};
        request_init(r, &gateway, cases[i].target);
        r->method = cases[i].method;
        cr_expect_eq(routes_find(&closed, r), cases[i].found);
        cr_expect_eq(r->response.status, cases[i].found ? 0 : 404);
        routes_methods(&closed, &r->target, &methods);
        cr_expect_eq(methods.len > 0, cases[i].found);
        request_fini(r);
    }
}
