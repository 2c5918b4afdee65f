#include <string.h>

#include "compiler.h"
#include "report.h"

bool compiler_fault(struct compiler *c, uint32_t document, uint32_t node, const char *format, ...)
{
    struct str place = {0};
    struct str none = {0};
    program_add_place(c->schema, document, node, &place);
    va_list arguments;
    va_start(arguments, format);
    report_add(c->report, &none, &place, program_keyword(c->schema, document, node), format,
               arguments);
    va_end(arguments);
    return false;
}

uint32_t compiler_want(struct compiler *c, uint32_t document, uint32_t node)
{
    struct notes *notes = &c->notes.items[document];
    if (notes->subschema_of[node] == 0) {
        struct subschema subschema = {
            .document = document, .node = node, .resource = notes->resource_of[node]};
        VECTOR_PUSH(&c->schema->subschemas, subschema);
        notes->subschema_of[node] = c->schema->subschemas.n;
    }
    return notes->subschema_of[node] - 1;
}

static bool is_dynamic_name(const struct compiler *c, const char *name, uint32_t *ret_index)
{
    for (*ret_index = 0; *ret_index < c->dynamic_names.n; ++*ret_index) {
        if (strcmp(c->dynamic_names.items[*ret_index], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Lists all dynamic anchors that a $dynamicRef looks for, anew. */
static void list_dynamic_anchors(struct compiler *c)
{
    const struct schema_place *place;
    c->schema->dynamic_anchors.n = 0;
    for (size_t at = 0; (place = table_next(&c->places, &at)) != NULL;) {
        const char *mark = strchr(place->uri, '#');
        uint32_t name;
        if (place->is_dynamic && mark != NULL && is_dynamic_name(c, mark + 1, &name)) {
            struct dynamic_anchor anchor = {
                .name = name,
                .resource = c->notes.items[place->document].resource_of[place->node],
                .subschema = compiler_want(c, place->document, place->node)};
            VECTOR_PUSH(&c->schema->dynamic_anchors, anchor);
        }
    }
}

/* Gives every subschema its instructions; more may be wanted meanwhile. */
static void emit_all(struct compiler *c)
{
    uint32_t done = 0;
    do {
        for (; done < c->schema->subschemas.n; done++) {
            emit_subschema(c, done);
        }
        list_dynamic_anchors(c);
    } while (done < c->schema->subschemas.n);
}

/* ---- Loops: a subschema that leads to itself with the same value ---- */

enum visit { VISIT_NEW, VISIT_OPEN, VISIT_DONE };

struct loops {
    struct compiler *c;
    uint8_t *visits; /* enum visit of each subschema */
    uint32_t depth;
};

static bool leads_to_loop(struct loops *l, uint32_t subschema);

static bool list_leads_to_loop(struct loops *l, uint32_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (leads_to_loop(l, l->c->schema->lists.items[first + i])) {
            return true;
        }
    }
    return false;
}

static bool dependents_lead_to_loop(struct loops *l, const struct shape *shape)
{
    for (uint32_t i = 0; i < shape->n_dependents; i++) {
        if (leads_to_loop(l,
                          l->c->schema->dependents.items[shape->first_dependent + i].subschema)) {
            return true;
        }
    }
    return false;
}

static bool instruction_leads_to_loop(struct loops *l, const struct instruction *i)
{
    switch (i->operation) {
    case OPERATION_REF:
    case OPERATION_NOT:
        return leads_to_loop(l, i->a);
    case OPERATION_ALL_OF:
    case OPERATION_ANY_OF:
    case OPERATION_ONE_OF:
        return list_leads_to_loop(l, i->a, i->b);
    case OPERATION_IF:
        return leads_to_loop(l, i->a) || leads_to_loop(l, i->b) || leads_to_loop(l, i->c);
    case OPERATION_MEMBERS:
        return dependents_lead_to_loop(l, &l->c->schema->shapes.items[i->a]);
    default:
        return false;
    }
}

static bool loop_found(struct loops *l, const struct subschema *s)
{
    compiler_fault(l->c, s->document, s->node,
                   l->depth > SCHEMA_CALLS ? "leads to more than %d schemas one after the other"
                                           : "leads back to itself (after %u schemas)",
                   l->depth > SCHEMA_CALLS ? SCHEMA_CALLS : l->depth);
    return true;
}

static bool leads_to_loop(struct loops *l, uint32_t subschema)
{
    if (subschema == NONE || l->visits[subschema] == VISIT_DONE) {
        return false;
    }
    const struct subschema *s = &l->c->schema->subschemas.items[subschema];
    if (l->visits[subschema] == VISIT_OPEN || l->depth > SCHEMA_CALLS) {
        return loop_found(l, s);
    }
    l->visits[subschema] = VISIT_OPEN;
    l->depth++;
    bool found = false;
    for (uint32_t i = 0; i < s->n && !found; i++) {
        found = instruction_leads_to_loop(l, &l->c->schema->instructions.items[s->first + i]);
    }
    l->depth--;
    l->visits[subschema] = VISIT_DONE;
    return found;
}

static void find_loops(struct compiler *c)
{
    struct loops l = {.c = c, .visits = mem_array(c->schema->subschemas.n, 1)};
    for (uint32_t i = 0; i < c->schema->subschemas.n && !leads_to_loop(&l, i); i++) {
    }
    free(l.visits);
}

static void compile(struct compiler *c, struct buf *text)
{
    uint32_t document;
    const char *uri = c->options->uri == NULL ? "" : c->options->uri;
    if (!references_add_document(c, buf_ref(text), (struct json_text){uri, strlen(uri)},
                                 DOCUMENT_SCHEMA, &document)) {
        return;
    }
    compiler_want(c, document, 0);
    emit_all(c);
    if (c->report->n == 0) {
        find_loops(c);
    }
}

bool schema_compile(struct buf *text, const struct schema_options *options,
                    struct schema **ret_schema, struct schema_report *report)
{
    AUTO(schema_free) struct schema *schema = mem_zalloc(sizeof *schema);
    struct compiler c = {.schema = schema, .options = options, .report = report};
    compile(&c, text);
    references_fini(&c);
    for (uint32_t i = 0; i < c.dynamic_names.n; i++) {
        free(c.dynamic_names.items[i]);
    }
    free(c.dynamic_names.items);
    if (report->n > 0) {
        return false;
    }
    *ret_schema = MOVE(schema);
    return true;
}
