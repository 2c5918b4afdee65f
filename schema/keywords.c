#include "keywords.h"

#include <string.h>

#define CORE VOCABULARY_CORE
#define APPLICATOR VOCABULARY_APPLICATOR
#define VALIDATION VOCABULARY_VALIDATION
#define ANNOTATION VOCABULARY_ANNOTATION

static const struct keyword_row rows[] = {
    {"$schema", KEYWORD_SCHEMA, OPERAND_URI, DIALECT_BOTH, CORE},
    {"$id", KEYWORD_ID, OPERAND_URI, DIALECT_7, CORE},
    {"$id", KEYWORD_ID, OPERAND_ID, DIALECT_2020, CORE},
    {"$anchor", KEYWORD_ANCHOR, OPERAND_ANCHOR, DIALECT_2020, CORE},
    {"$dynamicAnchor", KEYWORD_DYNAMIC_ANCHOR, OPERAND_ANCHOR, DIALECT_2020, CORE},
    {"$vocabulary", KEYWORD_VOCABULARY, OPERAND_BOOLEANS_BY_URI, DIALECT_2020, CORE},
    {"$comment", KEYWORD_NOTE, OPERAND_STRING, DIALECT_BOTH, CORE},
    {"$defs", KEYWORD_DEFINITIONS, OPERAND_SCHEMAS_BY_NAME, DIALECT_2020, CORE},
    {"definitions", KEYWORD_DEFINITIONS, OPERAND_SCHEMAS_BY_NAME, DIALECT_BOTH, CORE},
    {"$ref", KEYWORD_REF, OPERAND_URI, DIALECT_BOTH, CORE},
    {"$dynamicRef", KEYWORD_DYNAMIC_REF, OPERAND_URI, DIALECT_2020, CORE},
    {"type", KEYWORD_TYPE, OPERAND_TYPES, DIALECT_BOTH, VALIDATION},
    {"enum", KEYWORD_ENUM, OPERAND_LIST, DIALECT_BOTH, VALIDATION},
    {"const", KEYWORD_CONST, OPERAND_ANY, DIALECT_BOTH, VALIDATION},
    {"multipleOf", KEYWORD_MULTIPLE_OF, OPERAND_POSITIVE, DIALECT_BOTH, VALIDATION},
    {"maximum", KEYWORD_MAXIMUM, OPERAND_NUMBER, DIALECT_BOTH, VALIDATION},
    {"exclusiveMaximum", KEYWORD_EXCLUSIVE_MAXIMUM, OPERAND_NUMBER, DIALECT_BOTH, VALIDATION},
    {"minimum", KEYWORD_MINIMUM, OPERAND_NUMBER, DIALECT_BOTH, VALIDATION},
    {"exclusiveMinimum", KEYWORD_EXCLUSIVE_MINIMUM, OPERAND_NUMBER, DIALECT_BOTH, VALIDATION},
    {"maxLength", KEYWORD_MAX_LENGTH, OPERAND_COUNT, DIALECT_BOTH, VALIDATION},
    {"minLength", KEYWORD_MIN_LENGTH, OPERAND_COUNT, DIALECT_BOTH, VALIDATION},
    {"pattern", KEYWORD_PATTERN, OPERAND_REGEX, DIALECT_BOTH, VALIDATION},
    {"format", KEYWORD_FORMAT, OPERAND_STRING, DIALECT_BOTH, ANNOTATION},
    {"maxItems", KEYWORD_MAX_ITEMS, OPERAND_COUNT, DIALECT_BOTH, VALIDATION},
    {"minItems", KEYWORD_MIN_ITEMS, OPERAND_COUNT, DIALECT_BOTH, VALIDATION},
    {"uniqueItems", KEYWORD_UNIQUE_ITEMS, OPERAND_BOOLEAN, DIALECT_BOTH, VALIDATION},
    {"prefixItems", KEYWORD_PREFIX_ITEMS, OPERAND_SCHEMAS, DIALECT_2020, APPLICATOR},
    {"items", KEYWORD_ITEMS, OPERAND_SCHEMA, DIALECT_2020, APPLICATOR},
    {"items", KEYWORD_ITEMS, OPERAND_SCHEMA_OR_SCHEMAS, DIALECT_7, APPLICATOR},
    {"additionalItems", KEYWORD_ADDITIONAL_ITEMS, OPERAND_SCHEMA, DIALECT_7, APPLICATOR},
    {"contains", KEYWORD_CONTAINS, OPERAND_SCHEMA, DIALECT_BOTH, APPLICATOR},
    {"maxContains", KEYWORD_MAX_CONTAINS, OPERAND_COUNT, DIALECT_2020, VALIDATION},
    {"minContains", KEYWORD_MIN_CONTAINS, OPERAND_COUNT, DIALECT_2020, VALIDATION},
    {"maxProperties", KEYWORD_MAX_PROPERTIES, OPERAND_COUNT, DIALECT_BOTH, VALIDATION},
    {"minProperties", KEYWORD_MIN_PROPERTIES, OPERAND_COUNT, DIALECT_BOTH, VALIDATION},
    {"required", KEYWORD_REQUIRED, OPERAND_STRINGS, DIALECT_BOTH, VALIDATION},
    {"dependentRequired", KEYWORD_DEPENDENT_REQUIRED, OPERAND_STRINGS_BY_NAME, DIALECT_2020,
     VALIDATION},
    {"dependentSchemas", KEYWORD_DEPENDENT_SCHEMAS, OPERAND_SCHEMAS_BY_NAME, DIALECT_2020,
     APPLICATOR},
    {"dependencies", KEYWORD_DEPENDENCIES, OPERAND_DEPENDENCIES, DIALECT_7, APPLICATOR},
    {"properties", KEYWORD_PROPERTIES, OPERAND_SCHEMAS_BY_NAME, DIALECT_BOTH, APPLICATOR},
    {"patternProperties", KEYWORD_PATTERN_PROPERTIES, OPERAND_SCHEMAS_BY_REGEX, DIALECT_BOTH,
     APPLICATOR},
    {"additionalProperties", KEYWORD_ADDITIONAL_PROPERTIES, OPERAND_SCHEMA, DIALECT_BOTH,
     APPLICATOR},
    {"propertyNames", KEYWORD_PROPERTY_NAMES, OPERAND_SCHEMA, DIALECT_BOTH, APPLICATOR},
    {"allOf", KEYWORD_ALL_OF, OPERAND_SCHEMAS, DIALECT_BOTH, APPLICATOR},
    {"anyOf", KEYWORD_ANY_OF, OPERAND_SCHEMAS, DIALECT_BOTH, APPLICATOR},
    {"oneOf", KEYWORD_ONE_OF, OPERAND_SCHEMAS, DIALECT_BOTH, APPLICATOR},
    {"not", KEYWORD_NOT, OPERAND_SCHEMA, DIALECT_BOTH, APPLICATOR},
    {"if", KEYWORD_IF, OPERAND_SCHEMA, DIALECT_BOTH, APPLICATOR},
    {"then", KEYWORD_THEN, OPERAND_SCHEMA, DIALECT_BOTH, APPLICATOR},
    {"else", KEYWORD_ELSE, OPERAND_SCHEMA, DIALECT_BOTH, APPLICATOR},
    {"unevaluatedItems", KEYWORD_UNEVALUATED_ITEMS, OPERAND_SCHEMA, DIALECT_2020,
     VOCABULARY_UNEVALUATED},
    {"unevaluatedProperties", KEYWORD_UNEVALUATED_PROPERTIES, OPERAND_SCHEMA, DIALECT_2020,
     VOCABULARY_UNEVALUATED},
    {"title", KEYWORD_NOTE, OPERAND_STRING, DIALECT_BOTH, ANNOTATION},
    {"description", KEYWORD_NOTE, OPERAND_STRING, DIALECT_BOTH, ANNOTATION},
    {"default", KEYWORD_NOTE, OPERAND_ANY, DIALECT_BOTH, ANNOTATION},
    {"examples", KEYWORD_NOTE, OPERAND_LIST, DIALECT_BOTH, ANNOTATION},
    {"deprecated", KEYWORD_NOTE, OPERAND_BOOLEAN, DIALECT_2020, ANNOTATION},
    {"readOnly", KEYWORD_NOTE, OPERAND_BOOLEAN, DIALECT_BOTH, ANNOTATION},
    {"writeOnly", KEYWORD_NOTE, OPERAND_BOOLEAN, DIALECT_BOTH, ANNOTATION},
    {"contentEncoding", KEYWORD_NOTE, OPERAND_STRING, DIALECT_BOTH, ANNOTATION},
    {"contentMediaType", KEYWORD_NOTE, OPERAND_STRING, DIALECT_BOTH, ANNOTATION},
    {"contentSchema", KEYWORD_NOTE, OPERAND_SCHEMA, DIALECT_2020, ANNOTATION},
};

const struct keyword_row *keyword_find(struct json_text name, enum dialect dialect)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *known = rows[i].name;
        if ((rows[i].dialects & dialect) != 0 && strlen(known) == name.len &&
            memcmp(known, name.data, name.len) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

/* The schema of an operand; '@' stands for a reference to the metaschema. */
static const char *const operand_schemas[] = {
    [OPERAND_ANY] = "true",
    [OPERAND_STRING] = "{\"type\":\"string\"}",
    [OPERAND_URI] = "{\"type\":\"string\",\"format\":\"uri-reference\"}",
    [OPERAND_ID] = "{\"type\":\"string\",\"format\":\"uri-reference\",\"pattern\":\"^[^#]*#?$\"}",
    [OPERAND_ANCHOR] = "{\"type\":\"string\",\"pattern\":\"^[A-Za-z_][-A-Za-z0-9._]*$\"}",
    [OPERAND_BOOLEAN] = "{\"type\":\"boolean\"}",
    [OPERAND_COUNT] = "{\"type\":\"integer\",\"minimum\":0}",
    [OPERAND_NUMBER] = "{\"type\":\"number\"}",
    [OPERAND_POSITIVE] = "{\"type\":\"number\",\"exclusiveMinimum\":0}",
    [OPERAND_REGEX] = "{\"type\":\"string\",\"format\":\"regex\"}",
    [OPERAND_TYPES] =
        "{\"anyOf\":[{\"enum\":[\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\","
        "\"string\"]},{\"type\":\"array\",\"minItems\":1,\"uniqueItems\":true,\"items\":{\"enum\":"
        "[\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\",\"string\"]}}]}",
    [OPERAND_LIST] = "{\"type\":\"array\"}",
    [OPERAND_STRINGS] = "{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"type\":\"string\"}}",
    [OPERAND_BOOLEANS_BY_URI] = "{\"type\":\"object\",\"propertyNames\":{\"format\":\"uri\"},"
                                "\"additionalProperties\":{\"type\":\"boolean\"}}",
    [OPERAND_SCHEMA] = "@",
    [OPERAND_SCHEMAS] = "{\"type\":\"array\",\"minItems\":1,\"items\":@}",
    [OPERAND_SCHEMA_OR_SCHEMAS] = "{\"anyOf\":[@,{\"type\":\"array\",\"minItems\":1,\"items\":@}]}",
    [OPERAND_SCHEMAS_BY_NAME] = "{\"type\":\"object\",\"additionalProperties\":@}",
    [OPERAND_SCHEMAS_BY_REGEX] = "{\"type\":\"object\",\"propertyNames\":{\"format\":\"regex\"},"
                                 "\"additionalProperties\":@}",
    [OPERAND_STRINGS_BY_NAME] =
        "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\",\"uniqueItems\":true,"
        "\"items\":{\"type\":\"string\"}}}",
    [OPERAND_DEPENDENCIES] =
        "{\"type\":\"object\",\"additionalProperties\":{\"anyOf\":[@,{\"type\":\"array\","
        "\"uniqueItems\":true,\"items\":{\"type\":\"string\"}}]}}",
};

static void add_operand_schema(const char *text, const char *reference, struct str *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '@') {
            str_add_text(out, reference);
        } else {
            str_add_char(out, *text);
        }
    }
}

/* The last segments of the URIs of vocabularies, and of their metaschemas. */
static const struct {
    const char *name;
    enum vocabulary vocabulary;
} vocabularies[] = {
    {"core", VOCABULARY_CORE},
    {"applicator", VOCABULARY_APPLICATOR},
    {"unevaluated", VOCABULARY_UNEVALUATED},
    {"validation", VOCABULARY_VALIDATION},
    {"meta-data", VOCABULARY_ANNOTATION},
    {"format-annotation", VOCABULARY_ANNOTATION},
    {"format-assertion", VOCABULARY_ANNOTATION},
    {"content", VOCABULARY_ANNOTATION},
};

/* The vocabulary whose name follows prefix; 0: none. */
static enum vocabulary vocabulary_behind(struct json_text uri, const char *prefix)
{
    size_t n = strlen(prefix);
    for (size_t i = 0; i < COUNT_OF(vocabularies) && uri.len > n; i++) {
        if (memcmp(uri.data, prefix, n) == 0 && strlen(vocabularies[i].name) == uri.len - n &&
            memcmp(vocabularies[i].name, uri.data + n, uri.len - n) == 0) {
            return vocabularies[i].vocabulary;
        }
    }
    return 0;
}

enum vocabulary keywords_vocabulary(struct json_text uri)
{
    return vocabulary_behind(uri, "https://json-schema.org/draft/2020-12/vocab/");
}

static bool is_uri(struct json_text uri, const char *known)
{
    return strlen(known) == uri.len && memcmp(known, uri.data, uri.len) == 0;
}

bool keywords_write_metaschema(struct json_text uri, struct str *out)
{
    bool old = is_uri(uri, METASCHEMA_7);
    bool whole = old || is_uri(uri, METASCHEMA_2020);
    unsigned wanted = whole ? VOCABULARY_ALL
                            : vocabulary_behind(uri, "https://json-schema.org/draft/2020-12/meta/");
    enum dialect dialect = old ? DIALECT_7 : DIALECT_2020;
    if (wanted == 0) {
        return false;
    }
    str_addf(out, "{\"$schema\":\"%s\",\"$id\":\"%.*s\"%s", old ? METASCHEMA_7 : METASCHEMA_2020,
             (int)uri.len, uri.data, old ? "" : ",\"$dynamicAnchor\":\"meta\"");
    str_add_text(out, ",\"type\":[\"object\",\"boolean\"],\"properties\":{");
    const char *between = "";
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((rows[i].dialects & dialect) != 0 && (rows[i].vocabulary & wanted) != 0) {
            str_addf(out, "%s\"%s\":", between, rows[i].name);
            add_operand_schema(operand_schemas[rows[i].operand],
                               old ? "{\"$ref\":\"#\"}" : "{\"$dynamicRef\":\"#meta\"}", out);
            between = ",";
        }
    }
    str_add_text(out, "}}");
    return true;
}
