/* The power goes at every write and every sync, in every way that a disk may then be left: what was
 * acknowledged is there, the chain holds, heads are what the log says, and what was erased is gone.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>

#include "deeds.h"
#include "folder.h"
#include "leak_check.h"
#include "log.h"
#include "power.h"
#include "random.h"

/* The commits that were acknowledged before the power cut. */
struct memory {
    struct commit *commits[N_DEEDS];
    size_t n;
    size_t n_in_full; /* of these, when the power was still on afterwards */
};

static void memory_fini(struct memory *memory)
{
    for (size_t i = 0; i < memory->n; i++) {
        commit_unref(memory->commits[i]);
    }
}

/* Writes until a write is refused. */
static void work(const struct folder *folder, struct memory *memory)
{
    struct desk desk;
    struct status st;
    if (!desk_open(&desk, folder->address, &st)) {
        return;
    }
    while (memory->n < N_DEEDS &&
           desk_write(&desk, &deeds[memory->n], &memory->commits[memory->n], &st)) {
        memory->n++;
        memory->n_in_full = power_is_on() ? memory->n : memory->n_in_full;
    }
    desk_close(&desk);
}

/* ---- What must be there ---- */

struct reading {
    const struct memory *memory;
    struct registry *fresh; /* built from the log alone */
    struct store *store;
    uint64_t n;
};

static bool read_stored(void *user, const char *environment, const char *service, uint64_t version,
                        struct version_ref *ret_version, struct status *st)
{
    return store_read_version(user, environment, service, version, ret_version, st);
}

static bool check_commit(void *user, struct commit *commit)
{
    struct reading *r = user;
    struct version_source source = {.read = read_stored, .user = r->store};
    AUTO(staged_free) struct staged *staged = NULL;
    struct status st;
    if (r->n < r->memory->n) {
        cr_assert(hash_equal(&commit->hash, &r->memory->commits[r->n]->hash),
                  "revision %zu is another one", (size_t)commit->revision);
    }
    r->n++;
    cr_assert(registry_stage_logged(r->fresh, commit, &source, &staged, &st), "%s", st.message);
    registry_accept(r->fresh, staged);
    registry_apply(r->fresh);
    return true;
}

static void compare_heads(struct desk *desk, struct registry *fresh)
{
    for (size_t i = 0; i < N_DEEDS; i++) {
        const char *service = deeds[i].services[0];
        AUTO(head_unref) struct head *loaded = registry_get(desk->registry, "prod", service);
        AUTO(head_unref) struct head *told = registry_get(fresh, "prod", service);
        cr_assert_eq(loaded == NULL, told == NULL);
        if (loaded != NULL) {
            cr_assert_eq(loaded->version, told->version);
            cr_assert_eq(loaded->last_version, told->last_version);
            cr_assert_eq(loaded->mod_revision, told->mod_revision);
            cr_assert_eq(loaded->first_live_version, told->first_live_version);
            cr_assert_eq(loaded->first_kept_version, told->first_kept_version);
            cr_assert_eq(loaded->holes.n, told->holes.n);
        }
    }
}

static uint64_t check_log(struct desk *desk, const struct memory *memory, const char *where)
{
    AUTO(registry_free) struct registry *fresh = registry_new(desk->store->identity.epoch);
    struct reading r = {.memory = memory, .fresh = fresh, .store = desk->store};
    struct status st;
    cr_assert(store_read_commits(desk->store, 1, UINT64_MAX, true, check_commit, &r, &st), "%s",
              st.message);
    cr_assert_geq(r.n, memory->n, "%s: %zu were acknowledged, %zu are there", where, memory->n,
                  (size_t)r.n);
    cr_assert_leq(r.n, memory->n + 1, "%s: a commit that nobody made", where);
    compare_heads(desk, fresh);
    return r.n;
}

/* How often the mark of erased payloads stands in the files. */
static size_t count_marks(const struct folder *folder)
{
    static const char *const suffixes[] = {"", "-wal"};
    size_t found = 0;
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[96];
        static char content[1 << 20];
        snprintf(path, sizeof path, "%s%s", folder->database, suffixes[i]);
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, content, sizeof content);
        close(fd);
        char *end = content + (n > 0 ? n : 0);
        for (char *at = content;
             (at = memmem(at, (size_t)(end - at), ERASED_MARK, sizeof ERASED_MARK - 1)) != NULL;
             at++) {
            found++;
        }
    }
    return found;
}

static bool writes_mark(const struct deed *deed)
{
    return deed->json != NULL && strstr(deed->json, ERASED_MARK) != NULL;
}

/* A deletion of one version, or of all with their payloads. */
static bool erases(const struct deed *deed, const char *service)
{
    return deed->kind == MUTATE_DELETE && (deed->erase || deed->version != 0) &&
           strcmp(deed->services[0], service) == 0;
}

/* The deed that erases the payload that deed `at` writes; N_DEEDS: none. */
static size_t find_eraser(size_t at)
{
    size_t eraser = at + 1;
    while (eraser < N_DEEDS && !erases(&deeds[eraser], deeds[at].services[0])) {
        eraser++;
    }
    return eraser;
}

/* No payload with the mark is allowed to be in the files after this many deeds. The next deed may
 * have been under way, and have left a piece of its payload. */
static bool all_is_erased(uint64_t n_deeds)
{
    for (size_t at = 0; at < N_DEEDS && at <= n_deeds; at++) {
        if (writes_mark(&deeds[at]) && n_deeds <= find_eraser(at)) {
            return false;
        }
    }
    return true;
}

static void check_afterwards(const struct folder *found, const struct memory *memory,
                             const char *where)
{
    struct desk desk;
    struct status st;
    /* An erase that was acknowledged with the power on has been carried out. */
    if (all_is_erased(memory->n_in_full)) {
        cr_assert_eq(count_marks(found), 0, "%s: erased payloads are in the files", where);
    }
    bool opened = desk_open(&desk, found->address, &st);
    cr_assert(opened, "%s: %s", where, st.message);
    uint64_t n = check_log(&desk, memory, where);
    if (all_is_erased(n)) {
        cr_assert_eq(count_marks(found), 0, "%s: erased payloads are left", where);
    }
    struct commit *commit = NULL;
    const struct deed next = {MUTATE_CREATE, {"zeta"}, "{}", 0, false, NULL};
    cr_assert(desk_write(&desk, &next, &commit, &st), "%s: %s", where, st.message);
    cr_assert_eq(commit->revision, n + 1, "%s", where);
    commit_unref(commit);
    desk_close(&desk);
}

/* One run to the cut, and all that may be found behind it. Gives the number of operations that a
 * whole run has. */
static uint64_t cut_at(uint64_t number)
{
    struct folder folder;
    struct memory memory = {.n = 0};
    folder_init(&folder);
    power_on(number);
    work(&folder, &memory);
    uint64_t n = power_operations();
    power_off();
    for (int loss = 0; loss < LOSS_KINDS; loss++) {
        struct folder found;
        char where[64];
        folder_init(&found);
        snprintf(where, sizeof where, "cut at %zu, loss %d", (size_t)number, loss);
        power_image(found.path, (enum power_loss)loss,
                    random_seed() + number * LOSS_KINDS + (uint64_t)loss);
        check_afterwards(&found, &memory, where);
        folder_fini(&found);
    }
    cr_assert(number != UINT64_MAX || memory.n == N_DEEDS, "%zu deeds went well", memory.n);
    memory_fini(&memory);
    folder_fini(&folder);
    return n;
}

Test(power, goes_at_every_operation, .timeout = 280)
{
    log_set_level(LOG_ERROR + 1);
    cr_assert(all_is_erased(N_DEEDS), "a deed with the mark is never erased");
    uint64_t n = cut_at(UINT64_MAX);
    cr_assert_gt(n, N_DEEDS * 4);
    for (uint64_t number = 0; number < n; number++) {
        cut_at(number);
    }
    power_on(0); /* forgets the last run */
    leak_check();
}

static uint64_t revisions_in(const struct folder *folder)
{
    struct desk desk;
    struct status st;
    cr_assert(desk_open(&desk, folder->address, &st), "%s", st.message);
    uint64_t revision = registry_position(desk.registry).revision;
    desk_close(&desk);
    return revision;
}

/* ---- A COMMIT that fails ---- */

struct scene {
    struct folder folder;
    struct folder found; /* what is there when the program dies while the disk refuses */
    struct desk desk;
};

static void scene_open(struct scene *scene)
{
    struct status st;
    log_set_level(LOG_ERROR + 1);
    folder_init(&scene->folder);
    folder_init(&scene->found);
    power_on(UINT64_MAX);
    cr_assert(desk_open(&scene->desk, scene->folder.address, &st), "%s", st.message);
}

static void scene_write(struct scene *scene, const struct deed *deed, uint64_t revision)
{
    struct status st;
    AUTO(commit_unref) struct commit *commit = NULL;
    cr_assert(desk_write(&scene->desk, deed, &commit, &st), "%s", st.message);
    cr_assert_eq(commit->revision, revision);
}

static void scene_refused(struct scene *scene, const struct deed *deed, const char *reason)
{
    struct status st;
    struct commit *commit = NULL;
    cr_assert_not(desk_write(&scene->desk, deed, &commit, &st));
    cr_assert_eq(st.code, STATUS_UNAVAILABLE);
    cr_assert_str_eq(st.reason, reason, "%s", st.message);
}

static void scene_close(struct scene *scene)
{
    desk_close(&scene->desk);
    power_off();
    folder_fini(&scene->found);
    folder_fini(&scene->folder);
    power_on(UINT64_MAX); /* forgets the files */
    power_off();
    leak_check();
}

static const struct deed another = {MUTATE_CREATE, {"zeta"}, "{}", 0, false, NULL};

/* A write whose fsync failed is in the file and is recovered if the program dies, so it must not be
 * reported as refused. When fsync works again, it is in the log before any other write. */
Test(power, a_commit_that_could_not_be_synced_is_in_doubt, .timeout = 240)
{
    struct scene scene;
    scene_open(&scene);
    scene_write(&scene, &deeds[0], 1);
    power_refuse(REFUSE_SYNCS);
    scene_refused(&scene, &deeds[1], "OUTCOME_UNKNOWN");
    scene_refused(&scene, &another, "STORE_UNAVAILABLE"); /* which was not begun */
    power_image(scene.found.path, LOSS_NONE, 0);
    power_refuse(REFUSE_NOTHING);
    scene_write(&scene, &another, 3);
    power_off();
    cr_assert_eq(revisions_in(&scene.found), 2, "it was not refused");
    scene_close(&scene);
}

/* A mark is not synced: it is lost with the commit behind it. The commit is repeated, but is only
 * there after a cut of power if the mark before it in the write-ahead log is, too. */
Test(power, what_a_failed_sync_lost_is_written_again, .timeout = 240)
{
    struct scene scene;
    struct status st;
    scene_open(&scene);
    scene_write(&scene, &deeds[0], 1);
    cr_assert(store_set_mark(scene.desk.store, STORE_MARK_TURN, 1, &st), "%s", st.message);
    power_refuse(REFUSE_AND_FORGET);
    scene_refused(&scene, &deeds[1], "OUTCOME_UNKNOWN");
    power_refuse(REFUSE_NOTHING);
    scene_write(&scene, &another, 3);
    power_image(scene.found.path, LOSS_UNSYNCED, 0);
    power_off();
    cr_assert_eq(revisions_in(&scene.found), 3, "it was acknowledged");
    scene_close(&scene);
}

static char *long_json(void)
{
    AUTO_STR json = {0};
    str_add_text(&json, "{\"x\":\"");
    memset(str_extend(&json, 900000), 'x', 900000);
    str_add_text(&json, "\"}");
    return mem_text(json.data, json.len);
}

/* As long as it is open, the log does not start over and so grows. */
static sqlite3 *begin_to_read(const struct scene *scene)
{
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(scene->folder.database, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM marks", NULL, NULL, NULL),
                 SQLITE_OK);
    return db;
}

/* The same if the transaction is fsynced, but SQLite has no room to update its index. */
Test(power, a_commit_that_could_not_be_noted_is_in_doubt, .timeout = 240)
{
    struct scene scene;
    struct status st;
    uint64_t n = 1;
    AUTO(free) char *json = long_json();
    const struct deed update = {MUTATE_UPDATE, {"alpha"}, json, 0, false, NULL};
    scene_open(&scene);
    scene_write(&scene, &deeds[0], 1);
    sqlite3 *reader = begin_to_read(&scene);
    power_refuse(REFUSE_SHARED_MEMORY);
    for (struct commit *commit = NULL; desk_write(&scene.desk, &update, &commit, &st); n++) {
        commit_unref(MOVE(commit));
        cr_assert_lt(n, 100, "it needs no more of it");
    }
    cr_assert_eq(st.code, STATUS_UNAVAILABLE, "%s", st.message);
    cr_assert_str_eq(st.reason, "OUTCOME_UNKNOWN", "%s", st.message);
    power_image(scene.found.path, LOSS_UNSYNCED, 0);
    power_refuse(REFUSE_NOTHING);
    scene_write(&scene, &another, n + 2);
    sqlite3_close(reader);
    power_off();
    cr_assert_eq(revisions_in(&scene.found), n + 1, "it was not refused");
    scene_close(&scene);
}

/* A write that never reached the disk is refused at once, and is not recovered. */
Test(power, a_commit_that_could_not_be_written_is_refused, .timeout = 240)
{
    struct scene scene;
    scene_open(&scene);
    scene_write(&scene, &deeds[0], 1);
    power_refuse(REFUSE_WRITES);
    scene_refused(&scene, &deeds[1], "STORE_UNAVAILABLE");
    power_image(scene.found.path, LOSS_NONE, 0);
    power_refuse(REFUSE_NOTHING);
    scene_write(&scene, &another, 2);
    power_off();
    cr_assert_eq(revisions_in(&scene.found), 1, "it was refused");
    scene_close(&scene);
}
