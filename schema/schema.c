#include "keywords.h"
#include "program.h"
#include "report.h"

void schema_free(struct schema *schema)
{
    if (schema == NULL) {
        return;
    }
    for (uint32_t i = 0; i < schema->documents.n; i++) {
        flat_json_fini(&schema->documents.items[i].tree);
        buf_unref(schema->documents.items[i].text);
        free(schema->documents.items[i].uri);
    }
    for (uint32_t i = 0; i < schema->regexes.n; i++) {
        regex_free(schema->regexes.items[i]);
    }
    free(schema->documents.items);
    free(schema->subschemas.items);
    free(schema->instructions.items);
    free(schema->lists.items);
    free(schema->slots.items);
    free(schema->bounds.items);
    free(schema->sets.items);
    free(schema->set_items.items);
    free(schema->shapes.items);
    free(schema->entries.items);
    free(schema->dependents.items);
    free(schema->patterns.items);
    free(schema->regexes.items);
    free(schema->formats.items);
    free(schema->dynamic_anchors.items);
    str_fini(&schema->names);
    free(schema);
}

#define VECTOR_BYTES(vector) ((vector).room * sizeof *(vector).items)

size_t schema_bytes(const struct schema *schema)
{
    size_t bytes =
        sizeof *schema + VECTOR_BYTES(schema->documents) + VECTOR_BYTES(schema->subschemas) +
        VECTOR_BYTES(schema->instructions) + VECTOR_BYTES(schema->lists) +
        VECTOR_BYTES(schema->slots) + VECTOR_BYTES(schema->bounds) + VECTOR_BYTES(schema->sets) +
        VECTOR_BYTES(schema->set_items) + VECTOR_BYTES(schema->shapes) +
        VECTOR_BYTES(schema->entries) + VECTOR_BYTES(schema->dependents) +
        VECTOR_BYTES(schema->patterns) + VECTOR_BYTES(schema->regexes) +
        VECTOR_BYTES(schema->formats) + VECTOR_BYTES(schema->dynamic_anchors) + schema->names.room;
    for (uint32_t i = 0; i < schema->documents.n; i++) {
        const struct document *document = &schema->documents.items[i];
        bytes += document->text->len + document->tree.n * sizeof document->tree.nodes[0];
    }
    for (uint32_t i = 0; i < schema->regexes.n; i++) {
        bytes += regex_bytes(schema->regexes.items[i]);
    }
    return bytes;
}

void program_add_place(const struct schema *schema, uint32_t document, uint32_t node,
                       struct str *out)
{
    const struct document *d = &schema->documents.items[document];
    if (*d->uri != '\0') {
        str_addf(out, "%.*s#", REPORT_POINTER_MAX, d->uri);
    }
    flat_json_add_pointer(&d->tree, node, REPORT_POINTER_MAX, out);
}

const char *program_keyword(const struct schema *schema, uint32_t document, uint32_t node)
{
    AUTO_STR room = {0};
    const struct flat_json *tree = &schema->documents.items[document].tree;
    if (node == 0 || tree->text[tree->nodes[node].start - 1] != ':') {
        return "";
    }
    const struct keyword_row *row =
        keyword_find(flat_json_string(tree, node - 1, &room), DIALECT_BOTH);
    return row == NULL ? "" : row->name;
}

bool program_short_integer(struct json_text number, int64_t *ret_value)
{
    size_t minus = number.data[0] == '-' ? 1 : 0;
    int64_t value = 0;
    if (number.len - minus > 18) {
        return false;
    }
    for (size_t i = minus; i < number.len; i++) {
        if (number.data[i] < '0' || number.data[i] > '9') {
            return false;
        }
        value = value * 10 + (number.data[i] - '0');
    }
    *ret_value = minus == 1 ? -value : value;
    return true;
}
