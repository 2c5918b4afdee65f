#include "texts.h"

#include <inttypes.h>
#include <stdio.h>

const char *texts_author_named(const char *created_by, protobuf_c_boolean created_by_empty)
{
    return created_by[0] != '\0' || created_by_empty ? created_by : NULL;
}

const char *texts_author(const char *created_by)
{
    return created_by == NULL ? "system" : created_by;
}

const char *texts_version_comment(const char *comment, Confreg__V1__ChangeKind kind,
                                  uint64_t version, uint64_t source_version,
                                  char room[TEXTS_COMMENT_SIZE])
{
    if (comment[0] != '\0') {
        return comment;
    }
    if (kind == CONFREG__V1__CHANGE_KIND__CHANGE_KIND_ROLLBACK) {
        snprintf(room, TEXTS_COMMENT_SIZE, "Rolled back to version %" PRIu64, source_version);
        return room;
    }
    if (kind == CONFREG__V1__CHANGE_KIND__CHANGE_KIND_UNDELETE) {
        snprintf(room, TEXTS_COMMENT_SIZE, "Undeleted with the data of version %" PRIu64,
                 source_version);
        return room;
    }
    if (kind == CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE || version == 1) {
        return "Initial configuration";
    }
    snprintf(room, TEXTS_COMMENT_SIZE, "Updated to version %" PRIu64, version);
    return room;
}

const char *texts_event_comment(const char *comment, bool deletes)
{
    return deletes && comment[0] == '\0' ? "Configuration deleted" : comment;
}
