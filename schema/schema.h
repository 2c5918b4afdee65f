/* JSON Schema: drafts 2020-12 (the default) and 7, chosen by `$schema`.
 *
 * schema_compile makes a program of a schema and of all schemas that it refers to;
 * schema_validate runs it on a value. References lead within the schema, to the metaschemas of both
 * drafts, and to what the caller's function resolves; never to a network or a file.
 *
 * Bounds: a schema has at most SCHEMA_BYTES bytes, SCHEMA_NODES JSON values, and
 * SCHEMA_COMPILED_BYTES of compiled regular expressions, together with the schemas that it refers
 * to; SCHEMA_LEVELS levels of nesting each. A validation takes at most SCHEMA_STEPS steps and
 * SCHEMA_STEPS_PER_BYTE more for each byte of the value (a step is about 20 ns), and nests at most
 * SCHEMA_CALLS subschemas. A value for which these, or the limits of regular expressions (regex.h),
 * do not suffice is not valid, and a violation says which limit it was.
 *
 * Numbers are exact decimals. A compiled schema is immutable: any number of
 * threads can validate by it at a time. Nothing is kept between validations. */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include <stdint.h>

#include "json.h"

#define SCHEMA_BYTES (256u << 10)
#define SCHEMA_LEVELS 64
#define SCHEMA_NODES 10000
#define SCHEMA_COMPILED_BYTES (8u << 20)
#define SCHEMA_STEPS 200000
#define SCHEMA_STEPS_PER_BYTE 4
#define SCHEMA_CALLS 512
#define SCHEMA_VIOLATIONS 64

/* One way in which a value breaks a schema, or in which a schema is wrong. No text holds anything
 * of the value but the keys in the pointer, and each is bounded. */
struct schema_violation {
    char *value;  /* JSON Pointer into the value; "" for the whole, and for a wrong schema */
    char *schema; /* JSON Pointer into the schema; behind "URI#" into one that it refers to */
    const char *keyword; /* a literal; "" where it is no keyword's */
    char *message;       /* a sentence without subject: "must be at least 1" */
};

/* Zeroed: empty. Owned by the caller. */
struct schema_report {
    struct schema_violation *violations; /* in the order in which they were found */
    size_t n;
    bool more; /* there may be more than SCHEMA_VIOLATIONS */
    uint64_t steps;
};
void schema_report_fini(struct schema_report *report);

/* Finds the schema that a URI without fragment names. Returns a reference, which moves to the
 * caller, to a text of json_check_value within SCHEMA_LEVELS; NULL: there is none. */
typedef struct buf *schema_resolve(void *user, struct json_text uri);

struct schema_options {
    const char *uri;         /* of the schema, for relative references; NULL: none */
    bool assert_formats;     /* else `format` asserts nothing, as the drafts have it by default */
    schema_resolve *resolve; /* NULL: there are no other schemas */
    void *user;
};

struct schema;

/* Compiles a schema. text: of json_check_value within SCHEMA_LEVELS; the schema keeps a reference.
 * False: the schema is wrong, and the report, which is empty before, says all that is (up to
 * SCHEMA_VIOLATIONS). */
bool schema_compile(struct buf *text, const struct schema_options *options,
                    struct schema **ret_schema, struct schema_report *report);
void schema_free(struct schema *schema);

MEM_CLEANUP(struct schema, schema_free)
/* The approximate memory that it uses, in bytes. */
size_t schema_bytes(const struct schema *schema);

/* True: the value is valid. Else the report, which is empty before, has all violations. value: of
 * json_check or json_check_value. */
bool schema_validate(const struct schema *schema, struct json_text value,
                     struct schema_report *report);

#endif
