#include <string.h>

#include "compiler.h"
#include "hash.h"
#include "percent.h"
#include "report.h"
#include "uri_reference.h"

static void discover(struct compiler *c, uint32_t document, uint32_t node, uint32_t resource);

/* ---- Places ---- */

static bool has_uri(const void *item, const void *key)
{
    const struct schema_place *place = item;
    const struct json_text *uri = key;
    return strlen(place->uri) == uri->len && memcmp(place->uri, uri->data, uri->len) == 0;
}

static struct schema_place *find_place(const struct compiler *c, struct json_text uri)
{
    return table_find(&c->places, hash_table_key(uri.data, uri.len), has_uri, &uri);
}

/* A URI can name one node only. */
static void add_place(struct compiler *c, struct json_text uri, uint32_t document, uint32_t node,
                      bool is_dynamic)
{
    struct schema_place *there = find_place(c, uri);
    if (there != NULL) {
        if (there->document != document || there->node != node) {
            compiler_fault(c, document, node, "has an identifier that is there already");
        }
        there->is_dynamic = there->is_dynamic || is_dynamic;
        return;
    }
    struct schema_place *place = mem_alloc(sizeof *place);
    *place = (struct schema_place){mem_text(uri.data, uri.len), document, node, is_dynamic};
    table_put(&c->places, hash_table_key(uri.data, uri.len), has_uri, &uri, place);
}

static void add_anchor(struct compiler *c, uint32_t document, uint32_t node, struct json_text name,
                       bool is_dynamic)
{
    AUTO_STR uri = {0};
    uint32_t resource = c->notes.items[document].resource_of[node];
    str_addf(&uri, "%s#", c->resources.items[resource].uri);
    str_add(&uri, name.data, name.len);
    add_place(c, (struct json_text){uri.data, uri.len}, document, node, is_dynamic);
}

/* ---- Dialects ---- */

static bool is_text(struct json_text text, const char *known)
{
    return text.len == strlen(known) && memcmp(text.data, known, text.len) == 0;
}

static bool standard_dialect(struct json_text uri, enum dialect *ret_dialect)
{
    *ret_dialect = is_text(uri, METASCHEMA_7) ? DIALECT_7 : DIALECT_2020;
    return *ret_dialect == DIALECT_7 || is_text(uri, METASCHEMA_2020);
}

/* The document that a URI names, loaded if it is not there; NULL: nobody knows it, or it has a
 * fault, which is reported. on_demand: only its parts that something refers to are compiled. */
static const struct schema_place *document_at(struct compiler *c, struct json_text uri,
                                              bool on_demand)
{
    const struct schema_place *place = find_place(c, uri);
    AUTO_STR ours = {0};
    uint32_t document;
    if (place != NULL || uri.len == 0) {
        return place;
    }
    bool is_ours = keywords_write_metaschema(uri, &ours);
    struct buf *text = is_ours                       ? str_to_buf(&ours)
                       : c->options->resolve != NULL ? c->options->resolve(c->options->user, uri)
                                                     : NULL;
    enum document_kind kind = is_ours     ? DOCUMENT_OURS
                              : on_demand ? DOCUMENT_METASCHEMA
                                          : DOCUMENT_SCHEMA;
    if (text == NULL || !references_add_document(c, text, uri, kind, &document)) {
        return NULL;
    }
    return find_place(c, uri);
}

/* The vocabularies that a metaschema lists. One that is demanded and not known is a fault. */
static void read_vocabularies(struct compiler *c, uint32_t document, uint32_t node,
                              const struct schema_place *meta, struct resource *resource)
{
    const struct flat_json *tree = compiler_tree(c, meta->document);
    uint32_t list = flat_json_member(tree, meta->node, "$vocabulary", 11);
    AUTO_STR room = {0};
    if (list == 0 || tree->nodes[list].type != JSON_OBJECT) {
        return;
    }
    resource->vocabularies = VOCABULARY_CORE;
    for (uint32_t at = list + 1; at < tree->nodes[list].end; at = tree->nodes[at + 1].end) {
        struct json_text uri = flat_json_string(tree, at, &room);
        enum vocabulary vocabulary = keywords_vocabulary(uri);
        resource->vocabularies |= vocabulary;
        if (is_text(uri, "https://json-schema.org/draft/2020-12/vocab/format-assertion")) {
            resource->assert_formats = true;
        }
        if (vocabulary == 0 && tree->nodes[at + 1].type == JSON_TRUE) {
            compiler_fault(c, document, node,
                           "names a metaschema that demands a vocabulary that "
                           "is not known");
        }
    }
}

/* $schema of a metaschema that is none of ours; only one step. */
static bool custom_dialect(struct compiler *c, uint32_t document, uint32_t node,
                           struct json_text uri, struct resource *resource)
{
    AUTO_STR room = {0};
    const struct schema_place *meta = document_at(c, uri, true);
    if (meta == NULL) {
        return false;
    }
    const struct flat_json *tree = compiler_tree(c, meta->document);
    if (tree->nodes[meta->node].type != JSON_OBJECT) {
        return false;
    }
    uint32_t base = flat_json_member(tree, meta->node, "$schema", 7);
    if (base == 0 || tree->nodes[base].type != JSON_STRING) {
        return false;
    }
    struct json_text base_uri;
    struct json_text fragment;
    uri_split(flat_json_string(tree, base, &room), &base_uri, &fragment);
    if (!standard_dialect(base_uri, &resource->dialect)) {
        return false;
    }
    read_vocabularies(c, document, node, meta, resource);
    return true;
}

static void read_dialect(struct compiler *c, uint32_t document, uint32_t object,
                         struct resource *resource)
{
    AUTO_STR room = {0};
    const struct flat_json *tree = compiler_tree(c, document);
    uint32_t node = flat_json_member(tree, object, "$schema", 7);
    if (node == 0 || tree->nodes[node].type != JSON_STRING) {
        return;
    }
    struct json_text uri;
    struct json_text fragment;
    uri_split(flat_json_string(tree, node, &room), &uri, &fragment);
    resource->vocabularies = VOCABULARY_ALL;
    if (fragment.len > 0 || (!standard_dialect(uri, &resource->dialect) &&
                             !custom_dialect(c, document, node, uri, resource))) {
        compiler_fault(c, document, node,
                       "must name draft 2020-12 or draft 7, or a metaschema for one of them");
    }
}

/* ---- Resources ---- */

/* $id of a schema object that counts; 0: none. In draft 7 $ref makes all beside it void. */
static uint32_t id_of(const struct flat_json *tree, uint32_t object, enum dialect dialect)
{
    uint32_t id = flat_json_member(tree, object, "$id", 3);
    bool is_void = dialect == DIALECT_7 && flat_json_member(tree, object, "$ref", 4) != 0;
    return id != 0 && tree->nodes[id].type == JSON_STRING && !is_void ? id : 0;
}

static void start_resource(struct compiler *c, uint32_t document, uint32_t node,
                           struct resource resource)
{
    struct notes *notes = &c->notes.items[document];
    uint32_t index = c->resources.n;
    for (uint32_t i = node; i < compiler_tree(c, document)->nodes[node].end; i++) {
        notes->resource_of[i] = index;
    }
    VECTOR_PUSH(&c->resources, resource);
}

/* The URI of `$id` against that of the resource around it. False: a fault is reported. */
static bool resolve_id(struct compiler *c, uint32_t document, uint32_t id, const char *base,
                       struct str *out, struct json_text *ret_uri, struct json_text *ret_fragment)
{
    AUTO_STR room = {0};
    struct json_text text = flat_json_string(compiler_tree(c, document), id, &room);
    if (text.len + strlen(base) > URI_MAX) {
        return compiler_fault(c, document, id, "makes a URI of more than %d bytes", URI_MAX);
    }
    uri_resolve((struct json_text){base, strlen(base)}, text, out);
    uri_split((struct json_text){str_text(out), out->len}, ret_uri, ret_fragment);
    return true;
}

/* The effect of $id: a new resource, or in draft 7 with a fragment alone an anchor. */
static void apply_id(struct compiler *c, uint32_t document, uint32_t object, uint32_t id)
{
    AUTO_STR room = {0};
    struct json_text uri;
    struct json_text fragment;
    struct resource around = c->resources.items[c->notes.items[document].resource_of[object]];
    if (!resolve_id(c, document, id, around.uri, &room, &uri, &fragment)) {
        return;
    }
    if (fragment.len == 0 || !is_text(uri, around.uri)) {
        struct resource resource = around;
        resource.document = document;
        resource.node = object;
        resource.uri = mem_text(uri.data, uri.len);
        read_dialect(c, document, object, &resource);
        start_resource(c, document, object, resource);
        add_place(c, uri, document, object, false);
    }
    if (fragment.len > 0) {
        add_anchor(c, document, object, fragment, false);
    }
}

static void apply_anchor(struct compiler *c, uint32_t document, uint32_t object, const char *key,
                         bool is_dynamic)
{
    AUTO_STR room = {0};
    const struct flat_json *tree = compiler_tree(c, document);
    uint32_t node = flat_json_member(tree, object, key, strlen(key));
    if (node != 0 && tree->nodes[node].type == JSON_STRING) {
        add_anchor(c, document, object, flat_json_string(tree, node, &room), is_dynamic);
    }
}

/* ---- Finding all schemas of a document ---- */

static void discover_each(struct compiler *c, uint32_t document, uint32_t node, uint32_t resource)
{
    const struct flat_node *nodes = compiler_tree(c, document)->nodes;
    uint32_t key = nodes[node].type == JSON_OBJECT ? 1 : 0;
    for (uint32_t at = node + 1; at < nodes[node].end; at = nodes[at + key].end) {
        discover(c, document, at + key, resource);
    }
}

/* Schemas by name, beside lists of strings. */
static void discover_dependencies(struct compiler *c, uint32_t document, uint32_t node,
                                  uint32_t resource)
{
    const struct flat_node *nodes = compiler_tree(c, document)->nodes;
    for (uint32_t at = node + 1; at < nodes[node].end; at = nodes[at + 1].end) {
        if (nodes[at + 1].type != JSON_ARRAY) {
            discover(c, document, at + 1, resource);
        }
    }
}

static void discover_in_operand(struct compiler *c, uint32_t document, uint32_t node,
                                enum operand operand, uint32_t resource)
{
    enum json_type type = compiler_tree(c, document)->nodes[node].type;
    bool is_list = type == JSON_ARRAY;
    bool is_map = type == JSON_OBJECT;
    if ((operand == OPERAND_SCHEMAS && is_list) ||
        (operand == OPERAND_SCHEMA_OR_SCHEMAS && is_list) ||
        (operand == OPERAND_SCHEMAS_BY_NAME && is_map) ||
        (operand == OPERAND_SCHEMAS_BY_REGEX && is_map)) {
        discover_each(c, document, node, resource);
    } else if (operand == OPERAND_SCHEMA || (operand == OPERAND_SCHEMA_OR_SCHEMAS && !is_list)) {
        discover(c, document, node, resource);
    } else if (operand == OPERAND_DEPENDENCIES && is_map) {
        discover_dependencies(c, document, node, resource);
    }
}

/* Documents may come meanwhile, and their array grow; the nodes of this one stay where they are. */
static void discover_in_keywords(struct compiler *c, uint32_t document, uint32_t object,
                                 enum dialect dialect, uint32_t resource)
{
    AUTO_STR room = {0};
    struct flat_json tree = *compiler_tree(c, document);
    for (uint32_t at = object + 1; at < tree.nodes[object].end; at = tree.nodes[at + 1].end) {
        const struct keyword_row *row = keyword_find(flat_json_string(&tree, at, &room), dialect);
        if (row != NULL) {
            discover_in_operand(c, document, at + 1, row->operand, resource);
        }
    }
}

/* A schema that is not an object or boolean is reported when it gets its instructions. */
static void discover(struct compiler *c, uint32_t document, uint32_t node, uint32_t resource)
{
    const struct flat_json *tree = compiler_tree(c, document);
    bool is_object = tree->nodes[node].type == JSON_OBJECT;
    uint32_t id = is_object ? id_of(tree, node, c->resources.items[resource].dialect) : 0;
    if (id != 0) {
        apply_id(c, document, node, id);
        resource = c->notes.items[document].resource_of[node];
    }
    if (!c->notes.items[document].on_demand) {
        compiler_want(c, document, node);
    }
    if (!is_object) {
        return;
    }
    enum dialect dialect = c->resources.items[resource].dialect;
    if (dialect == DIALECT_2020) {
        apply_anchor(c, document, node, "$anchor", false);
        apply_anchor(c, document, node, "$dynamicAnchor", true);
    }
    discover_in_keywords(c, document, node, dialect, resource);
}

/* ---- Documents ---- */

static size_t count_values(const struct flat_json *tree)
{
    size_t n = tree->n;
    for (uint32_t i = 0; i < tree->n; i++) {
        n -= tree->nodes[i].type == JSON_OBJECT ? tree->nodes[i].n : 0;
    }
    return n;
}

static bool within_limits(struct compiler *c, uint32_t document)
{
    const struct document *d = &c->schema->documents.items[document];
    if (document > DOCUMENTS_MAX) {
        return compiler_fault(c, document, 0, "is one schema too many: one can refer to %d",
                              DOCUMENTS_MAX);
    }
    c->bytes += d->text->len;
    c->values += count_values(&d->tree);
    if (c->bytes > SCHEMA_BYTES || c->values > SCHEMA_NODES) {
        return compiler_fault(c, document, 0,
                              "has %zu bytes and %zu values with all that it refers to, the limits "
                              "are %u and %d",
                              c->bytes, c->values, SCHEMA_BYTES, SCHEMA_NODES);
    }
    return true;
}

bool references_add_document(struct compiler *c, struct buf *text, struct json_text base,
                             enum document_kind kind, uint32_t *ret_document)
{
    uint32_t document = c->schema->documents.n;
    struct document added = {.text = text,
                             .uri = document == 0 ? mem_string("") : mem_text(base.data, base.len)};
    flat_json_init(&added.tree, json_of_buf(text));
    VECTOR_PUSH(&c->schema->documents, added);
    struct notes notes = {.resource_of = mem_array(added.tree.n, sizeof(uint32_t)),
                          .subschema_of = mem_array(added.tree.n, sizeof(uint32_t)),
                          .on_demand = kind != DOCUMENT_SCHEMA};
    VECTOR_PUSH(&c->notes, notes);
    if (kind != DOCUMENT_OURS && !within_limits(c, document)) {
        return false;
    }
    struct resource resource = {.document = document,
                                .uri = mem_text(base.data, base.len),
                                .dialect = DIALECT_2020,
                                .vocabularies = VOCABULARY_ALL,
                                .assert_formats = c->options->assert_formats};
    add_place(c, base, document, 0, false);
    if (added.tree.nodes[0].type == JSON_OBJECT) {
        read_dialect(c, document, 0, &resource);
    }
    uint32_t index = c->resources.n;
    start_resource(c, document, 0, resource);
    discover(c, document, 0, index);
    *ret_document = document;
    return true;
}

/* ---- References ---- */

static bool unknown(struct compiler *c, uint32_t document, uint32_t node, struct json_text uri,
                    const char *why)
{
    AUTO_STR quoted = {0};
    report_quote(&quoted, uri);
    return compiler_fault(c, document, node, "refers to %s, %s", quoted.data, why);
}

/* The node that a fragment names within the resource at `root`. */
static bool find_fragment(struct compiler *c, const struct schema_place *root, struct json_text uri,
                          const struct str *fragment, struct schema_place *ret_place)
{
    AUTO_STR anchor = {0};
    *ret_place = *root;
    if (fragment->len == 0) {
        return true;
    }
    if (fragment->data[0] == '/') {
        return flat_json_find(compiler_tree(c, root->document), root->node, fragment->data,
                              fragment->len, &ret_place->node);
    }
    str_addf(&anchor, "%.*s#", (int)uri.len, uri.data);
    str_add(&anchor, fragment->data, fragment->len);
    const struct schema_place *found = find_place(c, (struct json_text){anchor.data, anchor.len});
    if (found != NULL) {
        *ret_place = *found;
    }
    return found != NULL;
}

bool references_find(struct compiler *c, uint32_t document, uint32_t node,
                     struct schema_place *ret_place, struct str *ret_anchor)
{
    AUTO_STR room = {0};
    AUTO_STR target = {0};
    AUTO_STR fragment = {0};
    struct json_text uri;
    struct json_text raw_fragment;
    const char *base = c->resources.items[c->notes.items[document].resource_of[node]].uri;
    struct json_text reference = flat_json_string(compiler_tree(c, document), node, &room);
    uri_resolve((struct json_text){base, strlen(base)}, reference, &target);
    struct json_text whole = {str_text(&target), target.len};
    uri_split(whole, &uri, &raw_fragment);
    if (uri.len > URI_MAX) {
        return unknown(c, document, node, whole, "which is too long");
    }
    const struct schema_place *root = document_at(c, uri, false);
    if (root == NULL) {
        return unknown(c, document, node, whole, "which is not known");
    }
    percent_decode(raw_fragment.data, raw_fragment.len, false, &fragment);
    if (!find_fragment(c, root, uri, &fragment, ret_place)) {
        return unknown(c, document, node, whole, "where there is nothing");
    }
    enum json_type type = compiler_tree(c, ret_place->document)->nodes[ret_place->node].type;
    if (type != JSON_OBJECT && type != JSON_TRUE && type != JSON_FALSE) {
        return unknown(c, document, node, whole, "which is no schema");
    }
    str_clear(ret_anchor);
    bool by_name = fragment.len > 0 && fragment.data[0] != '/';
    if (by_name && ret_place->is_dynamic) {
        str_add(ret_anchor, fragment.data, fragment.len);
    }
    return true;
}

void references_fini(struct compiler *c)
{
    struct schema_place *place;
    for (size_t at = 0; (place = table_next(&c->places, &at)) != NULL;) {
        free(place->uri);
        free(place);
    }
    table_fini(&c->places);
    for (uint32_t i = 0; i < c->resources.n; i++) {
        free(c->resources.items[i].uri);
    }
    free(c->resources.items);
    for (uint32_t i = 0; i < c->notes.n; i++) {
        free(c->notes.items[i].resource_of);
        free(c->notes.items[i].subschema_of);
    }
    free(c->notes.items);
}
