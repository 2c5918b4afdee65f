#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "registry_private.h"

struct staged *staged_new(struct commit *commit)
{
    struct staged *staged = mem_zalloc(sizeof *staged);
    staged->commit = commit;
    staged->before = mem_array(commit->n_changes, sizeof staged->before[0]);
    staged->after = mem_array(commit->n_changes, sizeof staged->after[0]);
    return staged;
}

void staged_free(struct staged *staged)
{
    if (staged == NULL) {
        return;
    }
    for (size_t i = 0; staged->commit != NULL && i < staged->commit->n_changes; i++) {
        head_unref(staged->before[i]);
        head_unref(staged->after[i]);
    }
    commit_unref(staged->commit);
    free(staged->before);
    free(staged->after);
    free(staged);
}

/* The head that a mutation is checked against: after the earlier changes of this command, or after
 * the accepted commands. Borrowed. */
static struct head *current_head(const struct staging *s, const struct mutation *m)
{
    for (size_t i = s->n_made; i-- > 0;) {
        struct head *head = s->staged->after[i];
        if (head_is_named(head, m->environment, m->service)) {
            return head;
        }
    }
    return registry_pending_head(s->registry, m->environment, m->service);
}

static bool find_in_commit(struct commit *commit, size_t n, const struct mutation *m,
                           uint64_t version, struct version_ref *ret_version)
{
    for (size_t i = 0; i < n; i++) {
        const struct change *change = &commit->changes[i];
        if (change_brings_version(change->kind) && change->version == version &&
            strcmp(change->environment, m->environment) == 0 &&
            strcmp(change->service, m->service) == 0) {
            *ret_version = (struct version_ref){.commit = commit_ref(commit), .index = i};
            return true;
        }
    }
    return false;
}

/* Reads a version that exists: of this command, of an accepted commit, or of the store. */
static bool read_version(const struct staging *s, const struct mutation *m, uint64_t version,
                         struct version_ref *ret_version, struct status *st)
{
    if (find_in_commit(s->staged->commit, s->n_made, m, version, ret_version)) {
        return true;
    }
    const struct registry *registry = s->registry;
    for (size_t i = registry->n_accepted; i-- > 0;) {
        struct commit *commit = registry->accepted[i]->commit;
        if (find_in_commit(commit, commit->n_changes, m, version, ret_version)) {
            return true;
        }
    }
    return s->source->read(s->source->user, m->environment, m->service, version, ret_version, st);
}

static struct key_name name_of(const struct mutation *m)
{
    return key_name(m->environment, m->service);
}

static void add_current(const struct staging *s, struct status *st, const struct head *head)
{
    status_add_info(st, "current_epoch", s->registry->epoch_text);
    status_add_number(st, "current_version", head == NULL ? 0 : head->version);
    status_add_number(st, "current_revision", head == NULL ? 0 : head->mod_revision);
}

static bool check_expectations(const struct staging *s, const struct mutation *m,
                               const struct head *head, struct status *st)
{
    uint64_t version = head == NULL ? 0 : head->version;
    bool compares_delete = m->kind == MUTATE_UNDELETE && head != NULL;
    uint64_t revision = version != 0 || compares_delete ? head->mod_revision : 0;
    if (m->expected_epoch[0] != '\0' && strcmp(m->expected_epoch, s->registry->epoch_text) != 0) {
        status_set_outcome(st, OUTCOME_EPOCH_MISMATCH, "expected_epoch is %.32s, the log's is %s",
                           m->expected_epoch, s->registry->epoch_text);
        add_current(s, st, head);
        return false;
    }
    if (m->expected_revision != 0 && m->expected_revision != revision) {
        status_set_outcome(st, OUTCOME_REVISION_MISMATCH,
                           "%s is at mod_revision %llu, not at the expected %llu", name_of(m).text,
                           (unsigned long long)revision, (unsigned long long)m->expected_revision);
        add_current(s, st, head);
        return false;
    }
    if (m->expected_version != 0 && m->expected_version != version) {
        status_set(st, STATUS_ABORTED, "VERSION_MISMATCH",
                   "%s is at version %llu, not at the expected %llu", name_of(m).text,
                   (unsigned long long)version, (unsigned long long)m->expected_version);
        add_current(s, st, head);
        return false;
    }
    return true;
}

static bool no_config(const struct mutation *m, struct status *st)
{
    if (key_kind(m->environment) == KEY_SCHEMA) {
        return status_set(st, STATUS_NOT_FOUND, "SCHEMA_NOT_FOUND", "%s does not exist",
                          name_of(m).text);
    }
    return status_set_outcome(st, OUTCOME_CONFIG_NOT_FOUND, "there is no configuration for %s",
                              name_of(m).text);
}

static bool no_version(const struct mutation *m, struct status *st)
{
    status_set_outcome(st, OUTCOME_VERSION_NOT_FOUND, "%s has no version %llu", name_of(m).text,
                       (unsigned long long)m->version);
    status_add_number(st, "version", m->version);
    return false;
}

/* Appends a change to the commit, with the heads before and after it. The payload of change and the
 * reference of newest are moved. newest.commit NULL: the change itself adds the newest version. */
static void add_change(struct staging *s, const struct mutation *m, struct head *before,
                       struct change change, struct version_ref newest)
{
    size_t i = s->n_made++;
    struct commit *commit = s->staged->commit;
    change.environment = mem_string(m->environment);
    change.service = mem_string(m->service);
    change.previous_version = before == NULL ? 0 : before->version;
    commit->changes[i] = change;
    s->bytes += change.payload == NULL ? 0 : change.payload->len;
    struct version_ref own = {.commit = commit, .index = i};
    s->staged->before[i] = head_ref(before);
    s->staged->after[i] = head_after(before, commit, i, newest.commit != NULL ? &newest : &own);
    commit_unref(newest.commit);
}

static void add_version(struct staging *s, const struct mutation *m, struct head *before,
                        enum change_kind kind, struct buf *payload, uint64_t source_version)
{
    uint64_t version = before == NULL ? 1 : before->last_version + 1;
    struct change change = {.kind = kind,
                            .version = version,
                            .head_version = version,
                            .source_version = source_version,
                            .payload = payload};
    add_change(s, m, before, change, (struct version_ref){0});
}

static bool already_exists(const struct staging *s, const struct mutation *m,
                           const struct head *head, struct status *st)
{
    status_set_outcome(st, OUTCOME_CONFIG_EXISTS, "there is a configuration for %s already",
                       name_of(m).text);
    add_current(s, st, head);
    return false;
}

static bool stage_create(struct staging *s, const struct mutation *m, struct status *st)
{
    struct head *head = current_head(s, m);
    if (head != NULL && head->version != 0) {
        return already_exists(s, m, head, st);
    }
    add_version(s, m, head, CHANGE_CREATE, buf_ref(m->payload), 0);
    return true;
}

static bool merge(const struct staging *s, const struct mutation *m, struct json_text base,
                  struct buf **ret_payload, struct status *st)
{
    AUTO_STR merged = {0};
    json_merge(base, json_of_buf(m->payload), &merged);
    return json_check(merged.data, merged.len, &s->command->limits, m->content_field, ret_payload,
                      st);
}

/* The new payload of an update: the one given, or the head's with the patch applied. */
static bool make_payload(const struct staging *s, const struct mutation *m, const struct head *head,
                         struct buf **ret_payload, struct status *st)
{
    struct json_text nothing = {"{}", 2};
    struct json_text base = head == NULL || head->version == 0 ? nothing : head_payload(head);
    switch (m->kind) {
    case MUTATE_MERGE_PATCH:
        return merge(s, m, base, ret_payload, st);
    case MUTATE_JSON_PATCH:
        return json_patch_apply(base, json_of_buf(m->payload), &s->command->limits,
                                m->content_field, ret_payload, st);
    default:
        *ret_payload = buf_ref(m->payload);
        return true;
    }
}

static bool payload_gone(const struct mutation *m, uint64_t version, bool compacted,
                         struct status *st)
{
    status_set(st, STATUS_FAILED_PRECONDITION, "PAYLOAD_ERASED",
               "the payload of version %llu of %s is no longer kept", (unsigned long long)version,
               name_of(m).text);
    if (compacted) {
        status_become(st, OUTCOME_PAYLOAD_COMPACTED);
    }
    return false;
}

/* Reads a version that was not erased. Refused if a compaction has removed, or is about to remove,
 * its payload. */
static bool read_kept_version(struct staging *s, const struct mutation *m, uint64_t version,
                              struct version_ref *ret_version, struct status *st)
{
    bool kept = false;
    if (!read_version(s, m, version, ret_version, st)) {
        return false;
    }
    bool ok = compaction_keeps(s->registry, s->source, ret_version, &kept, st);
    if (!ok || !kept) {
        commit_unref(MOVE(ret_version->commit));
    }
    return ok && (kept || payload_gone(m, version, true, st));
}

static bool stage_update(struct staging *s, const struct mutation *m, struct status *st)
{
    struct head *head = current_head(s, m);
    bool exists = head != NULL && head->version != 0;
    if (!check_expectations(s, m, head, st)) {
        return false;
    }
    if (!exists && !m->allow_missing) {
        return no_config(m, st);
    }
    struct buf *payload;
    if (!make_payload(s, m, head, &payload, st)) {
        return false;
    }
    add_version(s, m, head, exists ? CHANGE_UPDATE : CHANGE_CREATE, payload, 0);
    return true;
}

/* The payload of a copy, and the version that it is of. source: like the mutation, but about the
 * key to copy from. */
static bool copy_payload(struct staging *s, const struct mutation *source, struct buf **ret_payload,
                         uint64_t *ret_version, struct status *st)
{
    const struct head *head = current_head(s, source);
    struct version_ref found = {0};
    if (head == NULL || head->version == 0) {
        return status_set(st, STATUS_NOT_FOUND, "SOURCE_NOT_FOUND",
                          "there is no configuration for %s to copy", name_of(source).text);
    }
    *ret_version = source->version != 0 ? source->version : head->version;
    if (*ret_version == head->version) {
        struct json_text payload = head_payload(head);
        *ret_payload = buf_copy(payload.data, payload.len);
        return true;
    }
    if (!head_has_version(head, *ret_version)) {
        return no_version(source, st);
    }
    if (!read_kept_version(s, source, *ret_version, &found, st)) {
        return false;
    }
    *ret_payload = buf_ref(version_change(&found)->payload);
    commit_unref(found.commit);
    return true;
}

static bool stage_copy(struct staging *s, const struct mutation *m, struct status *st)
{
    struct head *head = current_head(s, m);
    bool exists = head != NULL && head->version != 0;
    struct mutation source = *m;
    struct buf *payload = NULL;
    uint64_t version = 0;
    source.environment = m->source_environment;
    if (!check_expectations(s, m, head, st)) {
        return false;
    }
    if (!exists && !m->allow_missing) {
        return no_config(m, st);
    }
    if (!copy_payload(s, &source, &payload, &version, st)) {
        return false;
    }
    add_version(s, m, head, exists ? CHANGE_UPDATE : CHANGE_CREATE, payload, version);
    s->staged->commit->changes[s->n_made - 1].source_environment =
        mem_string(m->source_environment);
    return true;
}

/* The version to copy: the one that is named, or the one before the head. */
static bool find_source(const struct mutation *m, const struct head *head, uint64_t *ret_version,
                        struct status *st)
{
    *ret_version = m->version != 0 ? m->version : head_version_before(head, head->version);
    if (*ret_version == 0) {
        return status_set_outcome(st, OUTCOME_NOT_ENOUGH_VERSIONS,
                                  "%s has no version before version %llu", name_of(m).text,
                                  (unsigned long long)head->version);
    }
    return head_has_version(head, *ret_version) || no_version(m, st);
}

static bool stage_undelete(struct staging *s, const struct mutation *m, struct status *st);

static bool stage_rollback(struct staging *s, const struct mutation *m, struct status *st)
{
    struct head *head = current_head(s, m);
    uint64_t version;
    if (!check_expectations(s, m, head, st)) {
        return false;
    }
    bool is_schema = key_kind(m->environment) == KEY_SCHEMA;
    if (head != NULL && head->version == 0 && is_schema && m->version != 0) {
        return stage_undelete(s, m, st); /* SetSchema is both */
    }
    if (head == NULL || head->version == 0) {
        return no_config(m, st);
    }
    struct version_ref old = {0};
    if (!find_source(m, head, &version, st) || !read_version(s, m, version, &old, st)) {
        return false;
    }
    struct buf *payload = buf_ref(version_change(&old)->payload);
    bool compacted = version_change(&old)->compacted;
    commit_unref(old.commit);
    if (payload == NULL) {
        return payload_gone(m, version, compacted, st);
    }
    add_version(s, m, head, CHANGE_ROLLBACK, payload, version);
    return true;
}

/* Continues the life that ended, with the payload of one of the config's versions: by default the
 * last one of that life, which is lower than last_version if newer ones were erased. */
static bool stage_undelete(struct staging *s, const struct mutation *m, struct status *st)
{
    struct head *head = current_head(s, m);
    struct version_ref source = {0};
    if (!check_expectations(s, m, head, st)) {
        return false;
    }
    if (head == NULL) {
        return no_config(m, st);
    }
    if (head->version != 0) {
        return already_exists(s, m, head, st);
    }
    uint64_t version = m->version != 0 ? m->version : head_last_kept_version(head);
    if (version > head->last_version) {
        return no_version(m, st);
    }
    if (!head_keeps_version(head, version)) {
        return payload_gone(m, version != 0 ? version : head->last_version, false, st);
    }
    if (!read_kept_version(s, m, version, &source, st)) {
        return false;
    }
    add_version(s, m, head, CHANGE_UNDELETE, buf_ref(version_change(&source)->payload), version);
    commit_unref(source.commit);
    return true;
}

/* Erases one version. If it was the head, the newest remaining version becomes the head. */
static bool stage_delete_version(struct staging *s, const struct mutation *m, struct head *head,
                                 struct status *st)
{
    if (!head_has_version(head, m->version)) {
        return m->allow_missing || no_version(m, st);
    }
    struct change change = {
        .kind = CHANGE_ERASE, .version = m->version, .head_version = head->version, .removed = 1};
    struct version_ref newest = {0};
    if (m->version == head->version) {
        change.head_version = head_version_before(head, m->version);
        if (change.head_version != 0 &&
            !read_kept_version(s, m, change.head_version, &newest, st)) {
            return false;
        }
    }
    add_change(s, m, head, change, newest);
    return true;
}

static bool stage_delete(struct staging *s, const struct mutation *m, struct status *st)
{
    struct head *head = current_head(s, m);
    if (!check_expectations(s, m, head, st)) {
        return false;
    }
    if (m->version != 0) {
        return stage_delete_version(s, m, head, st);
    }
    /* A config that was deleted before can still be erased. */
    if (head == NULL || (head->version == 0 && !m->erase)) {
        return m->allow_missing || no_config(m, st);
    }
    struct change change = {.kind = m->erase ? CHANGE_ERASE : CHANGE_DELETE,
                            .source_version = m->erase ? head->last_version : 0,
                            .removed = head_live_versions(head)};
    add_change(s, m, head, change, (struct version_ref){0});
    return true;
}

/* Adds a version under the number that it had at its origin; the number must be new here. */
static bool stage_import(struct staging *s, const struct mutation *m, struct status *st)
{
    struct head *head = current_head(s, m);
    uint64_t last = head == NULL ? 0 : head->last_version;
    if (m->version <= last) {
        return status_set_outcome(st, OUTCOME_VERSION_EXISTS, "%s has had versions up to %llu",
                                  name_of(m).text, (unsigned long long)last);
    }
    if (m->version - last - 1 > IMPORT_MAX_GAP) {
        return status_set_outcome(
            st, OUTCOME_VERSION_GAP,
            "version %llu of %s comes after version %llu: at most %d may be left out",
            (unsigned long long)m->version, name_of(m).text, (unsigned long long)last,
            IMPORT_MAX_GAP);
    }
    struct change change = {
        .kind = CHANGE_IMPORT,
        .version = m->version,
        .head_version = m->version,
        .payload = buf_ref(m->payload),
        .given_time_us = m->given_time_us,
        .given_author = m->given_author == NULL ? NULL : mem_string(m->given_author),
    };
    add_change(s, m, head, change, (struct version_ref){0});
    return true;
}

static bool stage_mutation(struct staging *s, size_t index, struct status *st)
{
    static bool (*const stages[])(struct staging *, const struct mutation *, struct status *) = {
        [MUTATE_CREATE] = stage_create,      [MUTATE_UPDATE] = stage_update,
        [MUTATE_MERGE_PATCH] = stage_update, [MUTATE_JSON_PATCH] = stage_update,
        [MUTATE_DELETE] = stage_delete,      [MUTATE_ROLLBACK] = stage_rollback,
        [MUTATE_IMPORT] = stage_import,      [MUTATE_COMPACT] = stage_compact,
        [MUTATE_UNDELETE] = stage_undelete,  [MUTATE_COPY] = stage_copy,
    };
    const struct mutation *m = &s->command->mutations[index];
    size_t n_made = s->n_made;
    if (stages[m->kind](s, m, st)) {
        if (s->n_made > n_made) {
            s->made_by[n_made] = index;
        }
        return true;
    }
    if (s->command->n_mutations > 1) {
        if (st->field[0] == '\0') {
            snprintf(st->field, sizeof st->field, "changes[%zu]", index);
        }
        status_add_number(st, "change", index);
    }
    return false;
}

/* Payloads of rollbacks, copies and patches are not in the request: their size is known only now.
 */
static bool check_bytes(const struct staging *s, struct status *st)
{
    if (s->bytes > COMMIT_MAX_BYTES) {
        status_set(st, STATUS_RESOURCE_EXHAUSTED, "COMMIT_TOO_LARGE",
                   "the payloads of a commit may have %u bytes together",
                   (unsigned)COMMIT_MAX_BYTES);
        return status_exceeds(st, COMMIT_MAX_BYTES, s->bytes);
    }
    return true;
}

static void set_text(char **member, const char *text)
{
    free(*member);
    *member = mem_string(text);
}

static struct commit *begin_commit(const struct registry *registry, const struct command *command)
{
    struct commit *commit = commit_new(command->n_mutations);
    commit->revision = registry->pending_position.revision + 1;
    commit->previous_hash = registry->pending_position.hash;
    commit->time_us =
        command->now_us > registry->last_time_us ? command->now_us : registry->last_time_us;
    set_text(&commit->actor, command->actor);
    set_text(&commit->credential, command->credential);
    set_text(&commit->method, command->method);
    set_text(&commit->peer, command->peer);
    set_text(&commit->comment, command->comment);
    set_text(&commit->request_id, command->request_id);
    commit->created_by = command->created_by == NULL ? NULL : mem_string(command->created_by);
    commit->fingerprint = command->fingerprint;
    return commit;
}

bool registry_stage(const struct registry *registry, const struct command *command,
                    const struct version_source *source, struct staged **ret_staged,
                    struct status *st)
{
    assert(command->n_mutations > 0 && command->n_mutations <= COMMIT_MAX_CHANGES);
    AUTO(staged_free) struct staged *staged = staged_new(begin_commit(registry, command));
    struct staging s = {
        .registry = registry, .command = command, .source = source, .staged = staged};
    for (size_t i = 0; i < command->n_mutations; i++) {
        if (!stage_mutation(&s, i, st) || !check_bytes(&s, st)) {
            return false;
        }
    }
    struct value_report own = {0};
    struct suspects own_suspects = {0};
    s.suspects = command->suspects == NULL ? &own_suspects : command->suspects;
    struct value_report *report = command->report == NULL ? &own : command->report;
    value_report_fini(report);
    bool allowed = stage_checks(&s, report, st);
    if (own.n > 0) {
        violations_drop(st);
    }
    value_report_fini(&own);
    suspects_fini(&own_suspects);
    if (!allowed) {
        return false;
    }
    staged->commit->n_changes = s.n_made;
    if (s.n_made == 0) {
        commit_unref(MOVE(staged->commit));
    } else {
        commit_seal(staged->commit, registry->epoch);
    }
    *ret_staged = MOVE(staged);
    return true;
}
