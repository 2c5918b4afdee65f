#include <criterion/criterion.h>
#include <string.h>

#include "encode.h"
#include "head.h"
#include "key.h"
#include "leak_check.h"
#include "record.h"

static const uint8_t epoch[EPOCH_SIZE] = {0xca, 0xfe, 3, 4, 5, 6, 7, 8};

static void set(char **member, const char *text)
{
    free(*member);
    *member = mem_string(text);
}

/* A commit with every member set: a create, an import and an erase. */
static struct commit *full_commit(void)
{
    struct commit *commit = commit_new(3);
    commit->revision = 7;
    commit->time_us = 1700000000123456;
    set(&commit->actor, "alice");
    set(&commit->peer, "ipv4:127.0.0.1:1");
    commit->created_by = mem_string("");
    set(&commit->comment, "why \xe2\x82\xac");
    set(&commit->request_id, "r-1");
    commit->fingerprint = hash_bytes("f", 1);
    commit->previous_hash = hash_bytes("p", 1);
    static const enum change_kind kinds[] = {CHANGE_CREATE, CHANGE_IMPORT, CHANGE_ERASE};
    for (size_t i = 0; i < 3; i++) {
        struct change *change = &commit->changes[i];
        change->kind = kinds[i];
        change->environment = mem_string("prod");
        change->service = mem_string("billing");
        change->version = i + 1;
        change->head_version = i == 2 ? 2 : i + 1;
        change->payload = i == 2 ? NULL : buf_copy("{\"a\":1}", 7);
        change->removed = i == 2;
    }
    commit->changes[1].given_time_us = -5;
    commit->changes[1].given_author = mem_string("bob");
    commit_seal(commit, epoch);
    return commit;
}

Test(commit, a_record_reads_back)
{
    AUTO(commit_unref) struct commit *commit = full_commit();
    AUTO(commit_unref) struct commit *copy = NULL;
    struct status st;
    cr_assert(commit_decode(commit->record, &copy, &st));
    cr_assert_eq(copy->revision, 7);
    cr_assert_eq(copy->time_us, commit->time_us);
    cr_assert_str_eq(copy->created_by, "");
    cr_assert_str_eq(copy->comment, commit->comment);
    cr_assert_str_eq(copy->actor, "alice");
    cr_assert_str_eq(copy->request_id, "r-1");
    cr_assert(hash_equal(&copy->fingerprint, &commit->fingerprint));
    cr_assert(hash_equal(&copy->previous_hash, &commit->previous_hash));
    cr_assert(hash_equal(&copy->hash, &commit->hash));
    cr_assert_eq(copy->n_changes, 3);
    cr_assert_eq(copy->changes[1].given_time_us, -5);
    cr_assert_str_eq(copy->changes[1].given_author, "bob");
    cr_assert_eq(copy->changes[0].payload_size, 7);
    cr_assert_null(copy->changes[0].payload);
    cr_assert_eq(copy->changes[2].removed, 1);
    leak_check();
}

Test(commit, no_flipped_bit_passes)
{
    AUTO(commit_unref) struct commit *commit = full_commit();
    struct status st;
    for (size_t bit = 0; bit < commit->record->len * 8; bit++) {
        AUTO(buf_unref) struct buf *damaged = buf_copy(commit->record->data, commit->record->len);
        damaged->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct commit *copy = NULL;
        if (commit_decode(damaged, &copy, &st)) {
            cr_assert_not(hash_equal(&copy->hash, &commit->hash), "bit %zu", bit);
            commit_unref(copy);
        } else {
            cr_assert_str_eq(st.reason, "LOG_DAMAGED");
        }
    }
    leak_check();
}

/* Releases that know only format 1 refuse format 2; commits that they could write stay in format 1.
 */
Test(commit, a_compaction_has_a_format_of_its_own)
{
    AUTO(commit_unref) struct commit *old = full_commit();
    AUTO(commit_unref) struct commit *commit = commit_new(1);
    AUTO(commit_unref) struct commit *copy = NULL;
    struct status st;
    cr_assert_eq(old->record->data[0], 1);
    commit->revision = 8;
    commit->changes[0] = (struct change){.kind = CHANGE_COMPACT,
                                         .environment = mem_string(""),
                                         .service = mem_string(""),
                                         .version = 5,
                                         .previous_version = 3,
                                         .source_version = 2,
                                         .removed = 1};
    commit_seal(commit, epoch);
    cr_assert_eq(commit->record->data[0], 2);
    cr_assert(commit_decode(commit->record, &copy, &st));
    cr_assert_eq(copy->changes[0].kind, CHANGE_COMPACT);
    cr_assert_eq(copy->changes[0].version, 5);
    cr_assert_eq(copy->changes[0].previous_version, 3);
    cr_assert_eq(copy->changes[0].source_version, 2);
    cr_assert_eq(copy->changes[0].removed, 1);
    AUTO(buf_unref) struct buf *as_old = buf_copy(commit->record->data, commit->record->len);
    AUTO(buf_unref) struct buf *as_new = buf_copy(old->record->data, old->record->len);
    struct commit *none = NULL;
    as_old->data[0] = 1;
    as_new->data[0] = 2;
    cr_assert_not(commit_decode(as_old, &none, &st));
    cr_assert_not(commit_decode(as_new, &none, &st), "each commit has one form");
    leak_check();
}

/* Logs of older releases hold records without them. */
Test(commit, credential_and_method_have_a_format_of_their_own)
{
    static const struct {
        const char *credential, *method;
        uint8_t format;
    } cases[] = {{"", "", 1},
                 {"token:0123456789ab", "", 4},
                 {"", "UpdateConfig", 4},
                 {"certificate:cn:a", "DeleteConfig", 4}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(commit_unref) struct commit *commit = commit_new(1);
        AUTO(commit_unref) struct commit *copy = NULL;
        struct status st;
        set(&commit->credential, cases[i].credential);
        set(&commit->method, cases[i].method);
        commit->changes[0].kind = CHANGE_DELETE;
        commit->changes[0].environment = mem_string("prod");
        commit->changes[0].service = mem_string("billing");
        commit_seal(commit, epoch);
        cr_assert_eq(commit->record->data[0], cases[i].format);
        cr_assert(commit_decode(commit->record, &copy, &st));
        cr_assert_str_eq(copy->credential, cases[i].credential);
        cr_assert_str_eq(copy->method, cases[i].method);
        for (uint8_t format = 0; format < 7; format++) {
            AUTO(buf_unref) struct buf *other = buf_copy(commit->record->data, commit->record->len);
            struct commit *none = NULL;
            other->data[0] = format;
            cr_assert(format == cases[i].format || !commit_decode(other, &none, &st),
                      "a commit has one form");
        }
    }
    leak_check();
}

Test(commit, a_copy_has_a_format_of_its_own)
{
    AUTO(commit_unref) struct commit *commit = commit_new(2);
    AUTO(commit_unref) struct commit *copy = NULL;
    struct status st;
    for (size_t i = 0; i < 2; i++) {
        commit->changes[i] = (struct change){.kind = CHANGE_UPDATE,
                                             .environment = mem_string("prod"),
                                             .service = mem_string(i == 0 ? "billing" : "mail"),
                                             .version = 4,
                                             .payload = buf_copy("{}", 2)};
    }
    commit->changes[1].source_environment = mem_string("dev");
    commit->changes[1].source_version = 3;
    commit_seal(commit, epoch);
    cr_assert_eq(commit->record->data[0], 5);
    cr_assert(commit_decode(commit->record, &copy, &st), "%s", st.message);
    cr_assert_null(copy->changes[0].source_environment);
    cr_assert_str_eq(copy->changes[1].source_environment, "dev");
    cr_assert_eq(copy->changes[1].source_version, 3);
    for (enum change_kind kind = CHANGE_CREATE; kind < CHANGE_KINDS; kind++) {
        AUTO(commit_unref) struct commit *other = commit_new(1);
        struct commit *decoded = NULL;
        other->changes[0] = (struct change){.kind = kind,
                                            .environment = mem_string("prod"),
                                            .service = mem_string("billing"),
                                            .source_environment = mem_string("dev")};
        AUTO(buf_unref) struct buf *record = record_encode(other);
        bool ok = (decoded = record_decode(record->data, record->len)) != NULL;
        cr_expect_eq(ok, kind == CHANGE_CREATE || kind == CHANGE_UPDATE, "%d", kind);
        commit_unref(decoded);
    }
    leak_check();
}

/* Releases that do not know schemas refuse the record, instead of showing a config of that name. */
Test(commit, a_change_of_a_schema_is_marked_in_the_record)
{
    static const char *const environments[] = {"", "prod"};
    for (size_t i = 0; i < COUNT_OF(environments); i++) {
        AUTO(commit_unref) struct commit *commit = commit_new(1);
        AUTO(commit_unref) struct commit *copy = NULL;
        struct key_text key = key_of_schema(environments[i]);
        struct status st;
        commit->revision = 8;
        commit->changes[0] = (struct change){.kind = CHANGE_DELETE,
                                             .environment = mem_string(key.text),
                                             .service = mem_string("billing"),
                                             .previous_version = 3};
        commit_seal(commit, epoch);
        cr_assert_eq(commit->record->data[0], 2);
        cr_assert(commit_decode(commit->record, &copy, &st));
        cr_assert_eq(copy->changes[0].kind, CHANGE_DELETE);
        cr_assert_eq(key_kind(copy->changes[0].environment), KEY_SCHEMA);
        cr_assert_str_eq(key_environment(copy->changes[0].environment), environments[i]);
    }
    leak_check();
}

/* A reader of format 1 refuses the record, and only a change with a value can have the mark. */
Test(commit, allowed_secrets_are_marked_in_the_record)
{
    AUTO(commit_unref) struct commit *commit = commit_new(1);
    AUTO(commit_unref) struct commit *copy = NULL;
    AUTO(commit_unref) struct commit *none = NULL;
    struct status st;
    commit->revision = 8;
    commit->changes[0] = (struct change){.kind = CHANGE_CREATE,
                                         .environment = mem_string("prod"),
                                         .service = mem_string("billing"),
                                         .payload = buf_copy("{}", 2),
                                         .secrets_allowed = true};
    commit_seal(commit, epoch);
    cr_assert_eq(commit->record->data[0], 2);
    cr_assert(commit_decode(commit->record, &copy, &st));
    cr_assert_eq(copy->changes[0].kind, CHANGE_CREATE);
    cr_assert(copy->changes[0].secrets_allowed);
    cr_assert_eq(key_kind(copy->changes[0].environment), KEY_CONFIG);
    static const uint8_t marked[] = {0x80 | CHANGE_CREATE, 0, 4, 'p', 'r', 'o', 'd'};
    AUTO(buf_unref) struct buf *bytes = buf_copy(commit->record->data, commit->record->len);
    uint8_t *at = memmem(bytes->data, bytes->len, marked, sizeof marked);
    cr_assert_not_null(at);
    *at = 0x80 | CHANGE_DELETE;
    cr_assert_not(commit_decode(bytes, &none, &st));
    leak_check();
}

/* The mark is no part of a name: a record has one form only. */
Test(commit, a_record_with_the_mark_as_a_name_is_damaged)
{
    AUTO(commit_unref) struct commit *commit = full_commit();
    AUTO(buf_unref) struct buf *bytes = buf_copy(commit->record->data, commit->record->len);
    struct commit *none = NULL;
    struct status st;
    const char *environment = commit->changes[0].environment;
    uint8_t *at = memmem(bytes->data, bytes->len, environment, strlen(environment));
    cr_assert_not_null(at);
    *at = KEY_SCHEMA_MARK;
    cr_assert_not(commit_decode(bytes, &none, &st));
    cr_assert_str_eq(st.reason, "LOG_DAMAGED");
    leak_check();
}

Test(key, is_told_by_its_name)
{
    cr_assert_str_eq(key_name("prod", "billing").text, "prod/billing");
    cr_assert_str_eq(key_name(key_of_schema("").text, "billing").text, "the schema billing");
    cr_assert_str_eq(key_name(key_of_schema("prod").text, "billing").text,
                     "the schema prod/billing");
}

/* A comment of up to 65,535 bytes keeps format 1, which older logs hold. */
Test(commit, a_comment_whose_length_takes_more_than_16_bits_has_a_format_of_its_own)
{
    for (size_t n = UINT16_MAX; n <= COMMENT_MAX_BYTES; n++) {
        AUTO(free) char *comment = mem_zalloc(n + 1);
        AUTO(commit_unref) struct commit *commit = commit_new(1);
        AUTO(commit_unref) struct commit *copy = NULL;
        struct status st;
        memset(comment, 'c', n);
        set(&commit->comment, comment);
        commit->revision = 9;
        commit->changes[0].kind = CHANGE_DELETE;
        commit->changes[0].environment = mem_string("prod");
        commit->changes[0].service = mem_string("billing");
        commit_seal(commit, epoch);
        cr_assert_eq(commit->record->data[0], n > UINT16_MAX ? 3 : 1);
        cr_assert(commit_decode(commit->record, &copy, &st));
        cr_assert_str_eq(copy->comment, comment);
        cr_assert_eq(copy->n_changes, 1);
        AUTO(buf_unref) struct buf *other = buf_copy(commit->record->data, commit->record->len);
        struct commit *none = NULL;
        other->data[0] = n > UINT16_MAX ? 1 : 3;
        cr_assert_not(commit_decode(other, &none, &st), "each commit has one form");
    }
    leak_check();
}

Test(commit, no_cut_record_passes)
{
    AUTO(commit_unref) struct commit *commit = full_commit();
    struct status st;
    for (size_t n = 0; n < commit->record->len; n++) {
        AUTO(buf_unref) struct buf *cut = buf_copy(commit->record->data, n);
        struct commit *copy = NULL;
        cr_assert_not(commit_decode(cut, &copy, &st));
        cr_assert_eq(st.code, STATUS_DATA_LOSS);
    }
    AUTO(buf_unref) struct buf *longer = buf_new(commit->record->len + 1);
    memcpy(longer->data, commit->record->data, commit->record->len);
    longer->data[commit->record->len] = 0;
    struct commit *copy = NULL;
    cr_assert_not(commit_decode(longer, &copy, &st), "nothing may follow a record");
    leak_check();
}

Test(commit, a_record_names_its_epoch)
{
    static const uint8_t other[EPOCH_SIZE] = {1};
    AUTO(commit_unref) struct commit *commit = full_commit();
    AUTO(commit_unref) struct commit *copy = NULL;
    struct status st;
    cr_assert_arr_neq(commit->epoch, other, EPOCH_SIZE);
    cr_assert(commit_decode(commit->record, &copy, &st));
    cr_assert_arr_eq(copy->epoch, commit->epoch, EPOCH_SIZE);
    commit_unref(MOVE(copy));
    leak_check();
}

Test(commit, a_payload_must_match_its_hash)
{
    AUTO(commit_unref) struct commit *commit = full_commit();
    AUTO(commit_unref) struct commit *copy = NULL;
    AUTO(buf_unref) struct buf *wrong = buf_copy("{\"a\":2}", 7);
    struct status st;
    cr_assert(commit_decode(commit->record, &copy, &st));
    const struct change *change = &commit->changes[0];
    cr_assert_not(commit_attach_payload(copy, 0, change->salt, wrong, &st));
    cr_assert_str_eq(st.reason, "PAYLOAD_DAMAGED");
    cr_assert_not(commit_attach_payload(copy, 1, change->salt, change->payload, &st), "other salt");
    cr_assert_not(commit_attach_payload(copy, 2, change->salt, change->payload, &st), "no version");
    cr_assert_not(commit_attach_payload(copy, 9, change->salt, change->payload, &st), "no change");
    cr_assert(commit_attach_payload(copy, 0, change->salt, change->payload, &st));
    leak_check();
}

Test(commit, the_same_payload_has_another_hash_each_time)
{
    AUTO(commit_unref) struct commit *a = full_commit();
    AUTO(commit_unref) struct commit *b = full_commit();
    cr_assert_not(hash_equal(&a->changes[0].payload_hash, &b->changes[0].payload_hash));
    cr_assert_not(hash_equal(&a->hash, &b->hash));
    leak_check();
}

Test(encode, a_config_ends_with_its_payload)
{
    AUTO(commit_unref) struct commit *commit = full_commit();
    struct version_ref version = {commit, 0};
    AUTO(buf_unref) struct buf *field = encode_config(&version, 9);
    cr_assert_eq(field->data[0], FIELD_CONFIG << 3 | 2);
    cr_assert_arr_eq(field->data + field->len - 7, "{\"a\":1}", 7);
    Confreg__V1__Config *config =
        confreg__v1__config__unpack(NULL, field->len - 2, field->data + 2);
    cr_assert_not_null(config);
    cr_assert_eq(config->mod_revision, 9);
    cr_assert_eq(config->create_time->seconds, 1700000000);
    cr_assert_eq(config->create_time->nanos, 123456000);
    cr_assert(config->created_by_empty, "empty is not absent");
    confreg__v1__config__free_unpacked(config, NULL);
    leak_check();
}

Test(encode, times_before_1970)
{
    Google__Protobuf__Timestamp time;
    describe_time(&time, -1);
    cr_assert_eq(time.seconds, -1);
    cr_assert_eq(time.nanos, 999999000);
}

Test(head, holes_and_falls)
{
    struct head *head = head_new("prod", "billing");
    head->version = 5;
    head->last_version = 7;
    head->first_live_version = 2;
    uint64_t holes[] = {3, 6, 7};
    head->holes = (struct holes){.versions = mem_array(3, sizeof holes[0]), .n = 3};
    memcpy(head->holes.versions, holes, sizeof holes);
    cr_assert_eq(head_live_versions(head), 3);
    cr_assert_eq(head_version_before(head, 5), 4);
    cr_assert_eq(head_version_before(head, 4), 2);
    cr_assert_eq(head_version_before(head, 2), 0);
    cr_assert_not(head_has_version(head, 1));
    cr_assert_not(head_has_version(head, 3));
    cr_assert_not(head_has_version(head, 6));
    cr_assert_not(head_has_version(NULL, 1));
    cr_assert(head_keeps_version(head, 1), "an earlier life is no hole");
    cr_assert_not(head_keeps_version(head, 0));
    cr_assert_not(head_keeps_version(head, 6));
    cr_assert_not(head_keeps_version(head, 8));
    cr_assert_not(head_keeps_version(NULL, 1));
    cr_assert_eq(head_kept_versions(head), 4);
    cr_assert_eq(head_kept_versions(NULL), 0);
    cr_assert_eq(head_kept_version_before(head, 8), 5);
    cr_assert_eq(head_kept_version_before(head, 2), 1);
    cr_assert_eq(head_kept_version_before(head, 1), 0);
    head->first_kept_version = 2;
    cr_assert_not(head_keeps_version(head, 1));
    head->version = 0;
    cr_assert_eq(head_last_kept_version(head), 5);
    head->first_live_version = 6;
    cr_assert_eq(head_last_kept_version(head), 0, "all of the life were erased");
    head_unref(head);
    leak_check();
}

/* ---- Position tokens ---- */

Test(position, a_token_is_read_as_it_was_written)
{
    static const uint64_t rights[] = {0, 1, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(rights); i++) {
        struct described_position described;
        struct parsed_position parsed;
        describe_position(&described, "0123456789abcdef", UINT64_MAX, 0x1122334455667788);
        describe_rights(&described, rights[i]);
        cr_assert(parse_position_token(described.token, &parsed), "%s", described.token);
        cr_expect_str_eq(parsed.epoch, "0123456789abcdef");
        cr_expect_eq(parsed.revision, UINT64_MAX);
        cr_expect_eq(parsed.chain, 0x1122334455667788);
        cr_expect_eq(parsed.rights, rights[i]);
    }
}

Test(position, what_is_no_token)
{
    static const char *const texts[] = {
        "",
        "0123456789abcdef",
        "0123456789abcdef-1",
        "0123456789abcdef-1-",
        "0123456789abcdef-1-012345678",
        "0123456789abcdef-1-0123456789abcdeF",
        "0123456789abcdef-1-0123456789abcdef0",
        "0123456789abcdef-1-0123456789abcdef-",
        "0123456789abcdef-1-0123456789abcdef-012345678",
        "0123456789abcdef-1-0123456789abcdef-0123456789abcdefg",
        "0123456789abcdef-1-0123456789abcdef-0123456789abcdef-",
        "0123456789abcdef-18446744073709551616-0123456789abcdef",
        "0123456789abcdef--1-0123456789abcdef",
        "0123456789abcdeg-1-0123456789abcdef",
    };
    struct parsed_position parsed;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        cr_expect_not(parse_position_token(texts[i], &parsed), "%s", texts[i]);
    }
}
