#include "place.h"

#include <string.h>

#include "leak_check.h"
#include "place_kind.h"
#include "store_open.h"
#include "trace.h"

static const struct place_kind *const kinds[] = {&place_sqlite, &place_memory, &place_mongodb};

static const struct place_kind *find_kind(void)
{
    const char *wanted = getenv("CONFREG_TEST_STORE");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (wanted == NULL ? i == 0 : kinds[i]->takes(wanted)) {
            return kinds[i];
        }
    }
    cr_assert_fail("CONFREG_TEST_STORE: \"%s\" is no kind of store", wanted);
    return NULL;
}

static bool open_store(struct place *place, struct status *st)
{
    struct store *inner = NULL;
    if (!store_open(place->address, &inner, st)) {
        return false;
    }
    place->store = place->traced ? trace_new(inner, NULL, NULL) : inner;
    return true;
}

void place_open(struct place *place)
{
    struct status st;
    cr_assert(open_store(place, &st), "%s: %s", st.reason, st.message);
}

void place_open_fails(struct place *place, struct status *st)
{
    cr_assert_not(open_store(place, st), "it opened");
}

void place_close(struct place *place)
{
    store_close(MOVE(place->store));
}

void place_reopen(struct place *place)
{
    place_close(place);
    place_open(place);
}

void place_init(struct place *place, bool traced)
{
    *place = (struct place){.kind = find_kind(), .traced = traced};
    place->kind->make(place);
    place_open(place);
}

void place_fini(struct place *place)
{
    place_close(place);
    place->kind->remove(place);
}

bool place_lasts(const struct place *place)
{
    return place->kind->flip != NULL;
}

bool place_flip(const struct place *place, enum stored_field field, uint64_t revision,
                uint32_t index, size_t position)
{
    return place->kind->flip(place, field, revision, index, position);
}

size_t place_next_byte(const struct place *place, size_t position)
{
    return position + place->kind->stride;
}

void place_remove_commit(const struct place *place, uint64_t revision)
{
    place->kind->remove_commit(place, revision);
}

void place_lose_payload(const struct place *place, uint64_t revision, uint32_t index)
{
    place->kind->lose_payload(place, revision, index);
}

void place_copy_commit(const struct place *place, uint64_t from, uint64_t over)
{
    place->kind->copy_commit(place, from, over);
}

void place_set_format(const struct place *place, int format)
{
    place->kind->set_format(place, format);
}

void place_drop_identity(const struct place *place)
{
    place->kind->drop_identity(place);
}

void place_wipe(struct place *place)
{
    place_close(place);
    place->kind->remove(place);
}

void contract_run(contract_body *body, bool traced)
{
    struct place place;
    place_init(&place, traced);
    body(&place);
    place_fini(&place);
    leak_check();
}
