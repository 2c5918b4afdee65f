#include "api.h"

#include <string.h>

#include "config_handlers.h"
#include "config_request.h"
#include "door_request.h"
#include "doors.h"
#include "json.h"
#include "leak_check.h"
#include "probes.h"
#include "sse_watch.h"

TestSuite(routes, .fini = leak_check);
TestSuite(target, .fini = leak_check);

/* ---- Targets ---- */

Test(target, path_and_query)
{
    static const struct {
        const char *raw;
        const char *segments; /* each followed by '|' */
        const char *query;
        bool sound, slash_at_end;
    } cases[] = {
        {"/", "|", "", true, false},
        {"/health", "health|", "", true, false},
        {"/health?", "health|", "", true, false},
        {"/api/configs?a=1&b=2", "api|configs|", "a=1&b=2", true, false},
        {"/api/configs?a=1?b", "api|configs|", "a=1?b", true, false},
        {"/api/configs?a=1#b", "api|configs|", "a=1", true, false},
        {"/api/configs#a?b", "api|configs|", "", true, false},
        {"/api/configs/a%20b", "api|configs|a b|", "", true, false},
        {"/api/configs/a+b", "api|configs|a+b|", "", true, false},
        {"/api/configs/..", "api|configs|..|", "", true, false},
        {"/api/configs/a%2Fb", "api|configs|a/b|", "", true, false},
        {"/api/configs/%zz", "api|configs|%zz|", "", true, false},
        {"/api//configs", "api||configs|", "", true, false},
        {"/api/configs/", "api|configs|", "", true, true},
        {"/api/configs///?x", "api|configs|", "x", true, true},
        {"//", "|", "", true, true},
        {"/1/2/3/4/5/6/7/8/9/10", "1|2|3|4|5|6|7|8|9|10|", "", true, false},
        {"/1/2/3/4/5/6/7/8/9/10/11", "1|2|3|4|5|6|7|8|9|10|", "", false, false},
        {"http://host:80/health?x=1", "health|", "x=1", true, false},
        {"http://host", "|", "", true, false},
        {"http://host?x=1", "", "x=1", false, false},
        {"/a://b/c", "a:||b|c|", "", true, false},
        {"*", "", "", false, false},
        {"health", "", "", false, false},
        {"", "", "", false, false},
        {"?x=1", "", "x=1", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR found = {0};
        struct target target;
        target_parse(cases[i].raw, &target);
        for (size_t k = 0; k < target.n_segments; k++) {
            str_addf(&found, "%s|", str_text(&target.segments[k]));
        }
        cr_expect_str_eq(str_text(&found), cases[i].segments, "%s: %s", cases[i].raw,
                         str_text(&found));
        cr_expect(target.n_query == strlen(cases[i].query) &&
                      memcmp(target.query, cases[i].query, target.n_query) == 0,
                  "%s", cases[i].raw);
        cr_expect_eq(target.sound, cases[i].sound, "%s", cases[i].raw);
        cr_expect_eq(target.slash_at_end, cases[i].slash_at_end, "%s", cases[i].raw);
        target_fini(&target);
    }
}

Test(target, a_nul_in_a_segment_stays)
{
    struct target target;
    target_parse("/a%00b", &target);
    cr_assert_eq(target.n_segments, 1);
    cr_expect(target.segments[0].len == 3 && memcmp(target.segments[0].data, "a\0b", 3) == 0);
    target_fini(&target);
}

Test(target, without_slash)
{
    static const char *const cases[][2] = {
        {"/health/", "/health"},
        {"/api/configs//?environment=a+b", "/api/configs?environment=a+b"},
        {"/a%20b/", "/a%20b"},
        {"/a\r\nX: y/", "/a%0D%0AX:%20y"},
        {"/\xc3\xa9/?q=\"<>\"", "/%C3%A9?q=%22%3C%3E%22"},
        {"http://host/a/", "/a"},
        {"//", "/"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR found = {0};
        struct target target;
        target_parse(cases[i][0], &target);
        target_without_slash(&target, &found);
        cr_expect_str_eq(found.data, cases[i][1]);
        target_fini(&target);
    }
}

Test(target, of_a_page)
{
    static const char *const cases[][2] = {
        {"/api/configs", "/api/configs?page=a.b%20"},
        {"/api/configs?page=x", "/api/configs?page=a.b%20"},
        {"/api/configs?limit=3&p%61ge=x&environment=a+b%26",
         "/api/configs?limit=3&environment=a+b%26&page=a.b%20"},
        {"/api/configs?x&&\xc3\xa9=<>", "/api/configs?x=&%C3%A9=%3C%3E&page=a.b%20"},
        {"http://host/a?b=1#c", "/a?b=1&page=a.b%20"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR found = {0};
        struct target target;
        target_parse(cases[i][0], &target);
        target_of_page(&target, "a.b ", &found);
        cr_expect_str_eq(found.data, cases[i][1]);
        target_fini(&target);
    }
}

/* ---- Routes ---- */

static struct gateway gateway;

/* A request of any kind that the routes name. */
static struct request *find(const char *method, const char *target)
{
    static struct door_request large;
    struct request *r = &large.config.upstream.base;
    cr_assert_leq(routes_request_size(&api_routes), sizeof large);
    large = (struct door_request){0};
    request_init(r, &gateway, target);
    r->method = method;
    cr_expect_eq(routes_find(&api_routes, r), r->response.status == 0, "%s %s", method, target);
    return r;
}

Test(routes, what_answers_what)
{
    static const struct {
        const char *method, *target;
        void (*handler)(struct request *r);
        const char *service; /* NULL: the route names none */
    } cases[] = {
        {"GET", "/api/configs", handle_list, NULL},
        {"HEAD", "/api/configs?environment=prod", handle_list, NULL},
        {"GET", "/api/configs/billing", handle_get, "billing"},
        {"HEAD", "/api/configs/billing", handle_get, "billing"},
        {"POST", "/api/configs/billing", handle_create, "billing"},
        {"PUT", "/api/configs/billing?environment=prod", handle_update, "billing"},
        {"DELETE", "/api/configs/billing", handle_delete, "billing"},
        {"GET", "/api/configs/billing/history", handle_history, "billing"},
        {"GET", "/api/configs/billing/diff", handle_diff, "billing"},
        {"PATCH", "/api/configs/billing", handle_patch, "billing"},
        {"POST", "/api/configs/billing/rollback", handle_rollback, "billing"},
        {"POST", "/api/configs/billing/undelete", handle_undelete, "billing"},
        {"GET", "/api/configs:batchGet?name=a", handle_batch, NULL},
        {"GET", "/api/configs/a:batchGet", handle_get, "a:batchGet"},
        {"GET", "/api/watch", handle_watch, NULL},
        {"GET", "/openapi.json", handle_openapi, NULL},
        {"GET", "/api/configs/history", handle_get, "history"},
        {"GET", "/api/configs/history/history", handle_history, "history"},
        {"GET", "/api/configs/%E6%97%A5", handle_get, "日"},
        {"GET", "/api/configs/a+b", handle_get, "a+b"},
        {"GET", "/%61pi/configs/x", handle_get, "x"},
        {"GET", "/health", handle_health, NULL},
        {"GET", "/stats", handle_stats, NULL},
        {"GET", "/livez", handle_livez, NULL},
        {"GET", "/readyz", handle_readyz, NULL},
        {"POST", "/api/ofrep/prod/billing/ofrep/v1/evaluate/flags", handle_flags, "billing"},
        {"POST", "/api/ofrep/prod/billing/ofrep/v1/evaluate/flags/a", handle_flag, "billing"},
        {"GET", "/api/spring/billing/prod,eu", handle_spring, "billing"},
        {"HEAD", "/api/spring/billing/prod/7", handle_spring, "billing"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request *r = find(cases[i].method, cases[i].target);
        cr_assert_not_null(r->route, "%s %s", cases[i].method, cases[i].target);
        cr_expect_eq(r->route->handler, cases[i].handler, "%s %s", cases[i].method,
                     cases[i].target);
        if (cases[i].service == NULL) {
            cr_expect_null(r->service);
        } else {
            cr_expect_str_eq(str_text(r->service), cases[i].service);
        }
        request_fini(r);
    }
}

/* Calls of the old service ignore what they do not know, except DELETE; probes take any query,
 * and clients of doors have their own. Every other call is ours, and refuses it. */
Test(routes, calls_of_our_own_are_strict)
{
    static void (*const lenient[])(struct request *) = {
        handle_list, handle_get, handle_create, handle_update, handle_history, handle_diff};
    for (size_t i = 0; i < api_routes.n; i++) {
        const struct route *route = &api_routes.rows[i];
        bool may_ignore = strncmp(route->path, "/api/", 5) != 0 || route->kind->door != 0;
        for (size_t k = 0; k < COUNT_OF(lenient); k++) {
            may_ignore = may_ignore || route->handler == lenient[k];
        }
        cr_expect_eq((route->parameters & PARAMETERS_STRICT) != 0, !may_ignore, "%s %s",
                     route->method, route->path);
    }
}

static const char *header_of(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->response.n_headers; i++) {
        if (strcmp(r->response.headers[i].name, name) == 0) {
            return r->response.headers[i].value;
        }
    }
    return NULL;
}

static void answer_nothing(struct request *r)
{
    request_answer(r, 200);
}

Test(routes, what_answers_nothing)
{
    static const struct {
        const char *method, *target;
        unsigned status;
        const char *header, *value; /* NULL: not looked at */
    } cases[] = {
        {"GET", "/", 404, NULL, NULL},
        {"GET", "/nothing", 404, NULL, NULL},
        {"GET", "/api", 404, NULL, NULL},
        {"GET", "/api/configs/a/nothing", 404, NULL, NULL},
        {"GET", "/api/configs/a/history/b", 404, NULL, NULL},
        {"GET", "/api//configs", 404, NULL, NULL},
        {"GET", "/api/configs//history", 404, NULL, NULL},
        {"GET", "/api/configs/a%2Fb", 404, NULL, NULL},
        {"GET", "/HEALTH", 404, NULL, NULL},
        {"OPTIONS", "*", 404, NULL, NULL},
        {"DELETE", "/api/configs", 405, "Allow", "GET, HEAD"},
        {"POST", "/health", 405, "Allow", "GET, HEAD"},
        {"POST", "/api/configs/a/history", 405, "Allow", "GET, HEAD"},
        {"get", "/health", 405, "Allow", "GET, HEAD"},
        {"GET", "/health/", 307, "Location", "/health"},
        {"POST", "/api/configs/a/?environment=b", 307, "Location", "/api/configs/a?environment=b"},
        {"GET", "/api/configs/", 307, "Location", "/api/configs"},
        {"GET", "/nothing/", 404, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request *r = find(cases[i].method, cases[i].target);
        cr_expect_eq(r->response.status, cases[i].status, "%s %s: %u", cases[i].method,
                     cases[i].target, r->response.status);
        cr_expect_null(r->route);
        if (cases[i].header != NULL) {
            cr_expect_str_eq(header_of(r, cases[i].header), cases[i].value);
        }
        request_fini(r);
    }
}

Test(routes, a_wrong_method_is_told_all_right_ones)
{
    struct request *r = find("BREW", "/api/configs/a");
    cr_expect_eq(r->response.status, 405);
    cr_expect_str_eq(str_text(&r->response.body),
                     "{\"detail\":\"Method Not Allowed\",\"reason\":\"METHOD_UNKNOWN\"}");
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        cr_expect_not_null(strstr(header_of(r, "Allow"), methods[i]));
    }
    request_fini(r);
}

Test(routes, methods_of_a_path)
{
    static const char *const cases[][2] = {
        {"/health", "GET, HEAD"},
        {"/api/configs/a", "GET, HEAD, POST, PUT, PATCH, DELETE"},
        {"/api/configs/a/", "GET, HEAD, POST, PUT, PATCH, DELETE"},
        {"/api/configs:batchGet", "GET, HEAD, POST"},
        {"/nothing", ""},
        {"/api/configs/a%2Fb", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR methods = {0};
        struct target target;
        target_parse(cases[i][0], &target);
        routes_methods(&api_routes, &target, &methods);
        cr_expect_str_eq(str_text(&methods), cases[i][1], "%s", cases[i][0]);
        target_fini(&target);
    }
}

/* A patch of another kind would be carried out as if it were a merge patch. */
Test(routes, a_patch_of_another_kind_is_told_which_one_goes)
{
    static const struct {
        const char *content_type;
        unsigned status;
    } cases[] = {
        {"application/vnd.x+json", 415},
        {"text/plain", 415},
        {"", 415},
        {"application/merge-patch+json", 422},
        {" application/Merge-Patch+JSON;charset=utf-8", 422},
        {"application/json", 422},
        {NULL, 422},
        {"application/json-patch+json", 422},
        {"Application/JSON-Patch+json; charset=utf-8", 422},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request *r = find("PATCH", "/api/configs/a");
        r->headers.content_type = cases[i].content_type;
        str_add_text(&r->body_text, "1"); /* is no patch, so no handler is reached */
        routes_run(r);
        cr_expect_eq(r->response.status, cases[i].status, "%s", cases[i].content_type);
        if (cases[i].status == 415) {
            cr_expect_str_eq(header_of(r, "Accept-Patch"),
                             "application/merge-patch+json, application/json-patch+json, "
                             "application/json");
        }
        request_fini(r);
    }
}

/* Faults are told together, before any handler runs: there is no client behind this gateway. */
Test(routes, malformed_requests_do_not_reach_a_handler)
{
    static const struct {
        const char *method, *target, *body;
        const char *found; /* "loc type|" of each fault */
    } cases[] = {
        {"GET", "/api/configs/a%FF", "", "\"path\",\"service_name\" string_unicode|"},
        {"GET", "/api/configs/a%00", "", "\"path\",\"service_name\" string_pattern_mismatch|"},
        {"GET", "/api/configs/a?environment=", "", "\"query\",\"environment\" string_too_short|"},
        {"GET", "/api/configs/a?version=x", "", "\"query\",\"version\" int_parsing|"},
        {"GET", "/api/configs/a/diff?new_version=y&old_version=", "",
         "\"query\",\"old_version\" int_parsing|\"query\",\"new_version\" int_parsing|"},
        {"GET", "/api/configs/a/history?limit=1.5", "", "\"query\",\"limit\" int_parsing|"},
        {"POST", "/api/configs/a", "", "\"body\" missing|"},
        {"PUT", "/api/configs/a?environment=b%2Fc", "[]",
         "\"query\",\"environment\" string_pattern_mismatch|\"body\" model_attributes_type|"},
        {"PUT", "/api/configs/a?environment=b%2Fc", "{", "\"body\",1 json_invalid|"},
        {"DELETE", "/api/configs/a?verison=1", "", "\"query\",\"verison\" extra_forbidden|"},
        {"DELETE", "/api/configs/a?Version=1&environment=b", "",
         "\"query\",\"Version\" extra_forbidden|"},
        {"DELETE", "/api/configs/a?version%00=1&%FF&=1", "",
         "\"query\",\"version%00\" extra_forbidden|\"query\",\"%FF\" extra_forbidden|"
         "\"query\",\"\" extra_forbidden|"},
        {"DELETE", "/api/configs/a?version=1&version=1", "", "\"query\",\"version\" value_error|"},
        {"DELETE", "/api/configs/a?version=1", "{\"version\":1}", "\"body\" extra_forbidden|"},
        {"DELETE", "/api/configs/a", " ", "\"body\" extra_forbidden|"},
        {"DELETE", "/api/configs/a?v&version=x", "{",
         "\"query\",\"version\" int_parsing|"
         "\"query\",\"v\" extra_forbidden|\"body\" extra_forbidden|"},
        {"PATCH", "/api/configs/a?coment=why", "{}", "\"query\",\"coment\" extra_forbidden|"},
        {"GET", "/api/configs:batchGet?name=a&name=b%2F&name=", "",
         "\"query\",\"name\",1 string_too_short|\"query\",\"name\",2 string_too_short|"},
        {"GET", "/api/configs:batchGet?nam=a", "", "\"query\",\"nam\" extra_forbidden|"},
        {"GET", "/api/watch?enviroment=prod", "", "\"query\",\"enviroment\" extra_forbidden|"},
        {"POST", "/api/configs:batchGet", "{\"names\":[],\"limit\":1}",
         "\"body\",\"limit\" extra_forbidden|"},
        {"GET", "/api/configs:batchGet", "", "\"query\",\"name\" missing|"},
        {"POST", "/api/configs:batchGet", "{\"names\":[\"a\",7]}",
         "\"body\",\"names\",1 string_type|"},
        {"POST", "/api/configs/a/rollback?version=1", "{\"version\":2}",
         "\"query\",\"version\" extra_forbidden|"},
        {"POST", "/api/configs/a/rollback", "{\"version\":1,\"coment\":\"x\"}",
         "\"body\",\"coment\" extra_forbidden|"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR found = {0};
        struct request *r = find(cases[i].method, cases[i].target);
        str_add_text(&r->body_text, cases[i].body);
        routes_run(r);
        cr_expect_eq(r->response.status, 422, "%s", cases[i].target);
        const char *at = str_text(&r->response.body);
        while ((at = strstr(at, "\"loc\":[")) != NULL) {
            const char *type = strstr(at, "\"type\":\"") + 8;
            str_addf(&found, "%.*s %.*s|", (int)strcspn(at + 7, "]"), at + 7,
                     (int)strcspn(type, "\""), type);
            at = type;
        }
        cr_expect_str_eq(str_text(&found), cases[i].found, "%s: %s", cases[i].target,
                         str_text(&found));
        request_fini(r);
    }
}

/* ---- Unknown names ---- */

/* The routes of documented calls with what they do not know; a handler is not reached. */
Test(routes, unknown_names_are_told_or_refused)
{
    static const struct {
        const char *target, *body, *prefer;
        const char *ignored; /* NULL: 422 */
        const char *message; /* in the answer */
    } cases[] = {
        {"/api/configs/a?env=prod&x%20y=1&environment=b", "{\"config_data\":{},\"coment\":\"x\"}",
         NULL, "env, x%20y, coment", NULL},
        {"/api/configs/a?environment=b", "{\"config_data\":{},\"comment\":\"x\"}", NULL, "", NULL},
        {"/api/configs/a?env=prod", "{\"config_data\":{}}", "handling=lenient", "env", NULL},
        {"/api/configs/a?env=prod", "{\"config_data\":{}}", "wait=5, Handling=Strict", NULL,
         "did you mean environment?"},
        {"/api/configs/a", "{\"config_data\":{},\"coment\":\"x\"}", "handling=strict", NULL,
         "did you mean comment?"},
        {"/api/configs/a", "{\"config_data\":{},\"Comment\":\"x\"}", "handling=strict", NULL,
         "did you mean comment?"},
        {"/api/configs/a", "{\"config_data\":{},\"x\":1}", "handling=strict", NULL,
         "\"Extra inputs are not permitted\""},
        {"/api/configs/a?environment=a&environment=b", "{\"config_data\":{}}", "handling=strict",
         NULL, "Input should be given once"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request *r = find("PUT", cases[i].target);
        struct route route = *r->route;
        route.handler = answer_nothing;
        r->route = &route;
        r->headers.prefer = cases[i].prefer;
        str_add_text(&r->body_text, cases[i].body);
        routes_run(r);
        if (cases[i].ignored == NULL) {
            cr_expect_eq(r->response.status, 422);
            cr_expect_not_null(strstr(str_text(&r->response.body), cases[i].message), "%zu: %s", i,
                               str_text(&r->response.body));
            cr_expect_str_eq(header_of(r, "Preference-Applied"), "handling=strict");
        } else {
            const char *ignored = header_of(r, "X-Config-Ignored");
            cr_expect_eq(r->response.status, 200);
            cr_expect_str_eq(ignored == NULL ? "" : ignored, cases[i].ignored);
        }
        request_fini(r);
    }
}

/* ---- The document ---- */

static struct json_text find_in(struct json_text object, const char *key)
{
    struct json_text found = {0};
    cr_expect(json_find(object, key, &found), "%s is missing", key);
    return found;
}

/* The path of a route as OpenAPI spells it. */
static void add_template(struct str *out, const char *path)
{
    for (; *path != '\0'; path++) {
        if (*path == '*') {
            str_add_text(out, "{service_name}");
        } else {
            str_add_char(out, *path);
        }
    }
}

static size_t count_operations(struct json_text paths)
{
    struct json_text path, item, method, operation;
    size_t n = 0;
    for (size_t at = 0; json_member(paths, &at, &path, &item);) {
        for (size_t in = 0; json_member(item, &in, &method, &operation);) {
            n += json_type_of(operation) == JSON_OBJECT;
        }
    }
    return n;
}

Test(routes, the_document_knows_them_all_and_no_other)
{
    struct status st;
    const struct json_limits limits = {1 << 20, 64};
    AUTO(buf_unref) struct buf *document = NULL;
    struct request *r = find("GET", "/openapi.json");
    r->route->handler(r);
    cr_assert(json_check(r->response.body.data, r->response.body.len, &limits, "", &document, &st),
              "%s", st.message);
    struct json_text paths = find_in(json_of_buf(document), "paths");
    size_t n = 0;
    for (; n < api_routes.n; n++) {
        AUTO_STR template = {0};
        char method[8] = "";
        for (size_t i = 0; api_routes.rows[n].method[i] != '\0'; i++) {
            method[i] = (char)(api_routes.rows[n].method[i] | 0x20);
        }
        add_template(&template, api_routes.rows[n].path);
        find_in(find_in(paths, template.data), method);
    }
    cr_expect_eq(count_operations(paths), n);
    request_fini(r);
}

/* ---- The forms of errors ---- */

TestSuite(problem, .fini = leak_check);

Test(problem, accept_chooses_the_form)
{
    static const struct {
        const char *accept;
        bool is_standard;
    } cases[] = {
        {NULL, false},
        {"", false},
        {"*/*", false},
        {"application/*", false},
        {"application/json", false},
        {"application/problem+json", true},
        {"application/json, Application/Problem+JSON;q=0.5", true},
        {"application/problem+json;q=0", false},
        {"application/problem+json; q=0.000, */*", false},
        {"application/problem+json;v=1;q=0.1", true},
        {"application/problem+jsonx", false},
        {"text/html;q=0, application/problem+json", true},
        {",;,", false},
        {"application/problem+json;", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(problem_form_of(cases[i].accept) == PROBLEM_RFC9457, cases[i].is_standard,
                     "%zu", i);
    }
}
