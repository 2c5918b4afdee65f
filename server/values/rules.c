#include "rules.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "defaults.h"
#include "hash.h"
#include "percent.h"
#include "schema.h"
#include "table.h"
#include "value_report.h"

#define SCHEME "confreg:/"

/* The cache is emptied when it exceeds one of these. */
#define CACHED_BYTES ((size_t)64 << 20)
#define CACHED_RULES 10000

static_assert(RULE_MAX_BYTES == SCHEMA_BYTES && RULE_MAX_DEPTH == SCHEMA_LEVELS,
              "what is stored can be compiled");

#define REASON "SCHEMA_VIOLATED"

/* A schema that another refers to, as it was. */
struct reference {
    char *environment, *service; /* of its key; owned */
    struct head *head;           /* owned reference; NULL: there was none */
};

struct rule {
    atomic_uint refs;
    struct head *head; /* owned reference */
    struct reference *references;
    size_t n_references;
    struct schema *schema;       /* owned; NULL: it is wrong, … */
    struct schema_report faults; /* … as these say */
    char *uri;
    bool resolved;
    size_t bytes;
};

struct rules {
    pthread_mutex_t lock;
    struct table by_key; /* of struct rule; owns a reference to each */
    size_t bytes;
};

/* ---- A rule ---- */

static struct rule *rule_ref(struct rule *rule)
{
    atomic_fetch_add_explicit(&rule->refs, 1, memory_order_relaxed);
    return rule;
}

void rule_unref(struct rule *rule)
{
    if (rule == NULL || atomic_fetch_sub_explicit(&rule->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < rule->n_references; i++) {
        free(rule->references[i].environment);
        free(rule->references[i].service);
        head_unref(rule->references[i].head);
    }
    free(rule->references);
    schema_report_fini(&rule->faults);
    schema_free(rule->schema);
    head_unref(rule->head);
    free(rule->uri);
    free(rule);
}

bool rule_is_resolved(const struct rule *rule)
{
    return rule->resolved;
}

bool rule_text_is_resolved(const struct buf *text)
{
    struct json_text resolved;
    return json_find(json_of_buf(text), "x-confreg-resolved", &resolved) &&
           json_type_of(resolved) == JSON_TRUE;
}

const struct head *rule_head(const struct rule *rule)
{
    return rule->head;
}

uint64_t rule_revision(const struct rule *rule)
{
    uint64_t newest = rule->head->mod_revision;
    for (size_t i = 0; i < rule->n_references; i++) {
        const struct head *head = rule->references[i].head;
        newest = head != NULL && head->mod_revision > newest ? head->mod_revision : newest;
    }
    return newest;
}

bool rule_reference(const struct rule *rule, size_t i, const char **ret_environment,
                    const char **ret_service)
{
    if (i >= rule->n_references) {
        return false;
    }
    *ret_environment = rule->references[i].environment;
    *ret_service = rule->references[i].service;
    return true;
}

bool rule_depends_on(const struct rule *rule, const char *environment, const char *service)
{
    bool depends = head_is_named(rule->head, environment, service);
    for (size_t i = 0; i < rule->n_references && !depends; i++) {
        depends = strcmp(rule->references[i].environment, environment) == 0 &&
                  strcmp(rule->references[i].service, service) == 0;
    }
    return depends;
}

/* Whether all that the rule was made of is still the same. */
static bool holds(const struct rule *rule, const struct head_source *source)
{
    bool same = true;
    for (size_t i = 0; i < rule->n_references && same; i++) {
        const struct reference *r = &rule->references[i];
        AUTO(head_unref) struct head *now = source->find(source->user, r->environment, r->service);
        same = now == r->head;
    }
    return same;
}

/* ---- Violations ---- */

/* A place in a schema: "confreg:/billing#/properties/port"; in a schema that it refers to, the
 * place has its URI. */
static char *describe_place(const struct rule *rule, const char *place)
{
    AUTO_STR text = {0};
    if (place[0] == '\0' || place[0] == '/') {
        str_addf(&text, "%s#", rule->uri);
    }
    str_add_text(&text, place);
    return mem_string(text.data);
}

static void add_all(const struct rule *rule, struct schema_report *found, const char *config,
                    bool of_schema, struct value_report *report)
{
    for (size_t i = 0; i < found->n; i++) {
        const struct schema_violation *v = &found->violations[i];
        value_report_add(report, &(struct value_violation){
                                     .config = config == NULL ? NULL : mem_string(config),
                                     .pointer = mem_string(of_schema ? v->schema : v->value),
                                     .rule = describe_place(rule, v->schema),
                                     .message = mem_string(v->message),
                                     .reason = of_schema ? "SCHEMA_INVALID" : REASON,
                                 });
    }
    report->more = report->more || found->more;
}

bool rule_is_sound(const struct rule *rule, struct value_report *report)
{
    if (rule->schema == NULL) {
        add_all(rule, (struct schema_report *)(uintptr_t)&rule->faults, NULL, true, report);
    }
    return rule->schema != NULL;
}

bool rule_check(const struct rule *rule, struct json_text value, const char *config,
                struct value_report *report)
{
    struct schema_report found = {0};
    if (rule->schema == NULL) {
        return value_report_add(
            report,
            &(struct value_violation){
                .config = config == NULL ? NULL : mem_string(config),
                .pointer = mem_string(""),
                .rule = mem_string(rule->uri),
                .message = mem_string("cannot be checked: its schema, or one that it refers "
                                      "to, is wrong"),
                .reason = REASON,
            });
    }
    bool valid = schema_validate(rule->schema, value, &found);
    add_all(rule, &found, config, false, report);
    schema_report_fini(&found);
    return valid;
}

/* ---- Names of schemas ---- */

static void add_uri(struct str *out, const char *environment, const char *service)
{
    str_add_text(out, SCHEME);
    if (environment[0] != '\0') {
        percent_encode(environment, strlen(environment), out);
        str_add_char(out, '/');
    }
    percent_encode(service, strlen(service), out);
}

/* A name out of a URI; false: it is none. */
static bool take_name(const char *text, size_t n, struct str *out)
{
    struct status ignored;
    percent_decode(text, n, false, out);
    return out->len > 0 && name_check(out->data, out->len, "", &ignored);
}

/* The names in "confreg:/[ENVIRONMENT/]SERVICE". */
static bool parse_uri(struct json_text uri, struct str *environment, struct str *service)
{
    size_t n = sizeof SCHEME - 1;
    if (uri.len <= n || memcmp(uri.data, SCHEME, n) != 0) {
        return false;
    }
    const char *path = uri.data + n;
    size_t n_path = uri.len - n;
    const char *slash = memchr(path, '/', n_path);
    if (slash != NULL && !take_name(path, (size_t)(slash - path), environment)) {
        return false;
    }
    const char *name = slash == NULL ? path : slash + 1;
    return take_name(name, (size_t)(path + n_path - name), service);
}

/* ---- Defaults ---- */

static bool is_live(const struct head *head);

/* A schema that the rule refers to. */
static bool find_reference(void *user, struct json_text uri, struct json_text *ret_schema)
{
    const struct rule *rule = user;
    AUTO_STR environment = {0};
    AUTO_STR service = {0};
    if (!parse_uri(uri, &environment, &service)) {
        return false;
    }
    struct key_text key = key_of_schema(str_text(&environment));
    for (size_t i = 0; i < rule->n_references; i++) {
        const struct reference *r = &rule->references[i];
        if (is_live(r->head) && strcmp(r->environment, key.text) == 0 &&
            strcmp(r->service, service.data) == 0) {
            *ret_schema = head_payload(r->head);
            return true;
        }
    }
    return false;
}

bool rule_fill_defaults(const struct rule *rule, struct json_text value, bool make_objects,
                        size_t max_bytes, struct str *out, struct defaults_report *report)
{
    const struct defaults_options options = {.resolve = find_reference,
                                             .user = (void *)(uintptr_t)rule,
                                             .make_objects = make_objects,
                                             .max_bytes = max_bytes};
    if (rule->schema == NULL) {
        str_add(out, value.data, value.len);
        return true;
    }
    return schema_fill_defaults(head_payload(rule->head), value, &options, out, report);
}

/* ---- Making one ---- */

struct rule_making {
    struct rule *rule;
    const struct head_source *source;
};

static struct buf *text_of(const struct head *head)
{
    struct json_text text = head_payload(head);
    return buf_copy(text.data, text.len);
}

static bool is_live(const struct head *head)
{
    return head != NULL && head->version != 0 && head->payload_size > 0;
}

static struct buf *resolve(void *user, struct json_text uri)
{
    struct rule_making *making = user;
    struct rule *rule = making->rule;
    AUTO_STR environment = {0};
    AUTO_STR service = {0};
    if (!parse_uri(uri, &environment, &service)) {
        return NULL;
    }
    struct key_text key = key_of_schema(str_text(&environment));
    struct head *head = making->source->find(making->source->user, key.text, service.data);
    rule->references =
        mem_grow(rule->references, rule->n_references + 1, sizeof rule->references[0]);
    rule->references[rule->n_references++] =
        (struct reference){mem_string(key.text), mem_string(service.data), head};
    if (!is_live(head)) {
        return NULL;
    }
    rule->bytes += head->payload_size;
    return text_of(head);
}

struct rule *rule_new(const struct head_source *source, struct head *head)
{
    struct rule *rule = mem_zalloc(sizeof *rule);
    struct rule_making making = {.rule = rule, .source = source};
    AUTO_STR uri = {0};
    AUTO(buf_unref) struct buf *text = text_of(head);
    add_uri(&uri, key_environment(head_environment(head)), head_service(head));
    atomic_init(&rule->refs, 1);
    rule->head = head_ref(head);
    rule->uri = mem_string(uri.data);
    rule->resolved = rule_text_is_resolved(text);
    const struct schema_options options = {
        .uri = rule->uri, .assert_formats = true, .resolve = resolve, .user = &making};
    schema_compile(text, &options, &rule->schema, &rule->faults);
    rule->bytes +=
        sizeof *rule + head->payload_size + (rule->schema == NULL ? 0 : schema_bytes(rule->schema));
    return rule;
}

/* ---- The cache ---- */

struct rules *rules_new(void)
{
    struct rules *rules = mem_zalloc(sizeof *rules);
    pthread_mutex_init(&rules->lock, NULL);
    return rules;
}

static void clear(struct rules *rules)
{
    size_t place = 0;
    for (struct rule *rule; (rule = table_next(&rules->by_key, &place)) != NULL;) {
        rule_unref(rule);
    }
    table_clear(&rules->by_key);
    rules->bytes = 0;
}

void rules_free(struct rules *rules)
{
    if (rules == NULL) {
        return;
    }
    clear(rules);
    table_fini(&rules->by_key);
    pthread_mutex_destroy(&rules->lock);
    free(rules);
}

static uint64_t hash_of(const struct head *head)
{
    return hash_table_key(head->key, head_key_size(head));
}

static bool is_of(const void *item, const void *key)
{
    const struct rule *rule = item;
    const struct head *head = key;
    return head_is_named(rule->head, head_environment(head), head_service(head));
}

/* Returns an owned reference; NULL: the cache has none of this head. */
static struct rule *find_cached(struct rules *rules, const struct head *head)
{
    pthread_mutex_lock(&rules->lock);
    struct rule *rule = table_find(&rules->by_key, hash_of(head), is_of, head);
    rule = rule != NULL && rule->head == head ? rule_ref(rule) : NULL;
    pthread_mutex_unlock(&rules->lock);
    return rule;
}

static void put_cached(struct rules *rules, struct rule *rule)
{
    pthread_mutex_lock(&rules->lock);
    if (rules->bytes + rule->bytes > CACHED_BYTES || rules->by_key.n >= CACHED_RULES) {
        clear(rules);
    }
    struct rule *replaced =
        table_put(&rules->by_key, hash_of(rule->head), is_of, rule->head, rule_ref(rule));
    rules->bytes += rule->bytes;
    rules->bytes -= replaced == NULL ? 0 : replaced->bytes;
    pthread_mutex_unlock(&rules->lock);
    rule_unref(replaced);
}

struct rule *rules_of(struct rules *rules, const struct head_source *source, struct head *head)
{
    assert(is_live(head) && "only a live schema is in force");
    struct rule *rule = find_cached(rules, head);
    if (rule != NULL && holds(rule, source)) {
        return rule;
    }
    rule_unref(rule);
    rule = rule_new(source, head);
    put_cached(rules, rule);
    return rule;
}

struct rule *rules_find(struct rules *rules, const struct head_source *source,
                        const char *environment, const char *service)
{
    struct key_text key = key_of_schema(environment);
    AUTO(head_unref) struct head *head = source->find(source->user, key.text, service);
    if (!is_live(head)) {
        head_unref(head);
        key = key_of_schema("");
        head = source->find(source->user, key.text, service);
    }
    return is_live(head) ? rules_of(rules, source, head) : NULL;
}
