/* The keywords of both drafts, as one table: what each one's operand must be, and where schemas are
 * in it. Private to schema/. */
#ifndef SCHEMA_KEYWORDS_H
#define SCHEMA_KEYWORDS_H

#include "json.h"
#include "str.h"

/* Bits, so that a keyword can belong to both. */
enum dialect { DIALECT_7 = 1, DIALECT_2020 = 2, DIALECT_BOTH = 3 };

/* Bits: the vocabularies of 2020-12. */
enum vocabulary {
    VOCABULARY_CORE = 1,
    VOCABULARY_APPLICATOR = 2,
    VOCABULARY_UNEVALUATED = 4,
    VOCABULARY_VALIDATION = 8,
    VOCABULARY_ANNOTATION = 16, /* of any kind */
    VOCABULARY_ALL = 31,
};

enum keyword {
    KEYWORD_SCHEMA,
    KEYWORD_ID,
    KEYWORD_ANCHOR,
    KEYWORD_DYNAMIC_ANCHOR,
    KEYWORD_VOCABULARY,
    KEYWORD_DEFINITIONS,
    KEYWORD_REF,
    KEYWORD_DYNAMIC_REF,
    KEYWORD_TYPE,
    KEYWORD_ENUM,
    KEYWORD_CONST,
    KEYWORD_MULTIPLE_OF,
    KEYWORD_MAXIMUM,
    KEYWORD_EXCLUSIVE_MAXIMUM,
    KEYWORD_MINIMUM,
    KEYWORD_EXCLUSIVE_MINIMUM,
    KEYWORD_MAX_LENGTH,
    KEYWORD_MIN_LENGTH,
    KEYWORD_PATTERN,
    KEYWORD_FORMAT,
    KEYWORD_MAX_ITEMS,
    KEYWORD_MIN_ITEMS,
    KEYWORD_UNIQUE_ITEMS,
    KEYWORD_PREFIX_ITEMS,
    KEYWORD_ITEMS,
    KEYWORD_ADDITIONAL_ITEMS,
    KEYWORD_CONTAINS,
    KEYWORD_MAX_CONTAINS,
    KEYWORD_MIN_CONTAINS,
    KEYWORD_MAX_PROPERTIES,
    KEYWORD_MIN_PROPERTIES,
    KEYWORD_REQUIRED,
    KEYWORD_DEPENDENT_REQUIRED,
    KEYWORD_DEPENDENT_SCHEMAS,
    KEYWORD_DEPENDENCIES,
    KEYWORD_PROPERTIES,
    KEYWORD_PATTERN_PROPERTIES,
    KEYWORD_ADDITIONAL_PROPERTIES,
    KEYWORD_PROPERTY_NAMES,
    KEYWORD_ALL_OF,
    KEYWORD_ANY_OF,
    KEYWORD_ONE_OF,
    KEYWORD_NOT,
    KEYWORD_IF,
    KEYWORD_THEN,
    KEYWORD_ELSE,
    KEYWORD_UNEVALUATED_ITEMS,
    KEYWORD_UNEVALUATED_PROPERTIES,
    KEYWORD_NOTE, /* all that only annotate */
    KEYWORDS,
};

enum operand {
    OPERAND_ANY,
    OPERAND_STRING,
    OPERAND_URI, /* a reference to a URI */
    OPERAND_ID,  /* the same, without a fragment that is not empty */
    OPERAND_ANCHOR,
    OPERAND_BOOLEAN,
    OPERAND_COUNT,
    OPERAND_NUMBER,
    OPERAND_POSITIVE,
    OPERAND_REGEX,
    OPERAND_TYPES,
    OPERAND_LIST,
    OPERAND_STRINGS,
    OPERAND_BOOLEANS_BY_URI,
    OPERAND_SCHEMA,
    OPERAND_SCHEMAS,
    OPERAND_SCHEMA_OR_SCHEMAS,
    OPERAND_SCHEMAS_BY_NAME,
    OPERAND_SCHEMAS_BY_REGEX,
    OPERAND_STRINGS_BY_NAME,
    OPERAND_DEPENDENCIES, /* a schema or strings, by name */
    OPERANDS,
};

struct keyword_row {
    const char *name;
    enum keyword keyword;
    enum operand operand;
    enum dialect dialects;
    enum vocabulary vocabulary;
};

/* NULL: the dialect does not know the name. */
const struct keyword_row *keyword_find(struct json_text name, enum dialect dialect);

/* A vocabulary by its URI; 0: it is not known. */
enum vocabulary keywords_vocabulary(struct json_text uri);

/* Appends the metaschema of a URI, made of the table, as a text as json_check returns it. There are
 * those of the two drafts, and of each vocabulary of 2020-12. False: the URI is another one. */
bool keywords_write_metaschema(struct json_text uri, struct str *out);

/* The URIs of the metaschemas, without fragment. */
#define METASCHEMA_7 "http://json-schema.org/draft-07/schema"
#define METASCHEMA_2020 "https://json-schema.org/draft/2020-12/schema"

#endif
