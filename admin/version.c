/*
 * version - see version.h.
 *
 * Canonical form: members in the order of their names' bytes, without those that are null (which the Admin
 * API does not tell from absent ones); every text behind its length, so that nothing in it looks like
 * structure; numbers with the 17 digits that tell any two of them apart.
 */

#include "admin/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/asking.h"
#include "admin/names.h"
#include "gateway/base/mem.h"
#include "gateway/http/header.h"

/* ---- the digest ---- */

static void add_value(struct buf *buf, const cJSON *value);

static void add_text(struct buf *buf, const char *text)
{
    size_t length = strlen(text);

    buf_printf(buf, "%zu:", length);
    buf_add(buf, text, length);
}

static int compare_members(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* `left_out`: a member; NULL: none. */
static void add_object(struct buf *buf, const cJSON *object, const char *left_out)
{
    size_t count = 0;
    const cJSON **members = mem_alloc(((size_t)cJSON_GetArraySize(object) + 1) * sizeof(cJSON *));
    const cJSON *member;

    cJSON_ArrayForEach(member, object)
    {
        if (!cJSON_IsNull(member) && (left_out == NULL || strcmp(member->string, left_out) != 0))
            members[count++] = member;
    }
    qsort(members, count, sizeof(cJSON *), compare_members);
    buf_add_byte(buf, '{');
    for (size_t i = 0; i < count; i++) {
        add_text(buf, members[i]->string);
        add_value(buf, members[i]);
    }
    buf_add_byte(buf, '}');
    free(members);
}

static void add_value(struct buf *buf, const cJSON *value)
{
    const cJSON *element;

    if (cJSON_IsObject(value)) {
        add_object(buf, value, NULL);
    } else if (cJSON_IsArray(value)) {
        buf_add_byte(buf, '[');
        cJSON_ArrayForEach(element, value) add_value(buf, element);
        buf_add_byte(buf, ']');
    } else if (cJSON_IsString(value)) {
        add_text(buf, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        buf_printf(buf, "%.17g;", value->valuedouble);
    } else if (cJSON_IsBool(value)) {
        buf_add_byte(buf, cJSON_IsTrue(value) ? 't' : 'f');
    } else {
        buf_add_byte(buf, 'n');
    }
}

void version_of(const struct digest_salt *salt, const struct schema *schema, const cJSON *document,
                struct digest *version)
{
    struct buf buf = {0};

    add_text(&buf, schema->name);
    add_object(&buf, document, schema->has_ttl ? "ttl" : NULL);
    digest_make(salt, buf_str(&buf), version);
    buf_fini(&buf);
}

bool version_look(struct asking *asking, const struct digest_salt *salt, const struct schema *schema,
                  const cJSON *document, struct digest *version)
{
    const struct crud_target by_itself = {.kind = CRUD_ENTITY, .schema = schema};
    const char *names = names_member(schema);
    cJSON *whole = NULL;

    if (names != NULL && !cJSON_HasObjectItem(document, names)) {
        whole = cJSON_Duplicate(document, true);
        if (!names_show(asking, &by_itself, whole)) {
            cJSON_Delete(whole);
            return false;
        }
    }
    version_of(salt, schema, whole != NULL ? whole : document, version);
    cJSON_Delete(whole);
    return true;
}

void version_format(const struct digest *version, char text[VERSION_TEXT_SIZE])
{
    *text = '"';
    for (size_t i = 0; i < sizeof(version->bytes); i++)
        (void)snprintf(text + 1 + 2 * i, 3, "%02x", version->bytes[i]);
    memcpy(text + VERSION_TEXT_SIZE - 2, "\"", 2);
}

/* ---- headers ---- */

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* What is between the quotes. false: no version looks like that. */
static bool read_digest(struct str text, struct digest *digest)
{
    if (text.len != 2 * sizeof(digest->bytes))
        return false;
    for (size_t i = 0; i < sizeof(digest->bytes); i++) {
        int high = digit_of(text.at[2 * i]);
        int low = digit_of(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest->bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

enum reading {
    READ_WELL,
    READ_MALFORMED,
    READ_TOO_MANY,
};

/* One tag, RFC 9110, section 8.8.3; true: *at is behind it. */
static bool skip_tag(struct str value, size_t *at, bool *is_weak, struct str *opaque)
{
    *is_weak = str_starts_with(str_part(value, *at, value.len), STR("W/"));
    size_t from = *at + (*is_weak ? 2 : 0);

    if (from >= value.len || value.at[from] != '"')
        return false;
    size_t end = str_find(value, '"', from + 1);
    if (end == SIZE_MAX)
        return false;
    *opaque = str_part(value, from + 1, end);
    for (size_t i = 0; i < opaque->len; i++)
        if ((unsigned char)opaque->at[i] <= ' ' || opaque->at[i] == 0x7f)
            return false;
    *at = end + 1;
    return true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* A list may have empty elements (RFC 9110, section 5.6.1.2), but not two tags without a comma. */
static enum reading read_list(struct str value, size_t *seen, struct version_tags *tags)
{
    bool may_begin = true;
    struct digest digest;
    struct str opaque;
    bool is_weak;

    for (size_t at = 0; at < value.len;) {
        if (is_blank(value.at[at]) || value.at[at] == ',') {
            may_begin = may_begin || value.at[at] == ',';
            at++;
            continue;
        }
        if (!may_begin || !skip_tag(value, &at, &is_weak, &opaque))
            return READ_MALFORMED;
        may_begin = false;
        if (++*seen > VERSION_TAGS_MAX)
            return READ_TOO_MANY;
        if (!read_digest(opaque, &digest))
            continue;
        tags->at[tags->count].digest = digest;
        tags->at[tags->count++].is_weak = is_weak;
    }
    return READ_WELL;
}

/* All lines of that name are one list. */
static enum reading read_tags(const struct headers *headers, struct str name, struct version_tags *tags)
{
    size_t seen = 0;

    *tags = (struct version_tags){0};
    for (const struct header *header = headers_find(headers, name); header != NULL;
         header = headers_find_next(headers, header, name)) {
        bool is_any = str_equal(str_trim(header->value), STR("*"));
        enum reading reading = is_any ? READ_WELL : read_list(header->value, &seen, tags);
        if (reading != READ_WELL)
            return reading;
        if (tags->is_any || (is_any && tags->is_given))
            return READ_MALFORMED;
        tags->is_given = true;
        tags->is_any = is_any;
    }
    return tags->is_given && !tags->is_any && seen == 0 ? READ_MALFORMED : READ_WELL;
}

static bool read_header(const struct headers *headers, const char *name, struct version_tags *tags,
                        char problem[VERSION_PROBLEM_SIZE])
{
    switch (read_tags(headers, str_of(name), tags)) {
    case READ_WELL:
        return true;
    case READ_MALFORMED:
        (void)snprintf(problem, VERSION_PROBLEM_SIZE,
                       "%s: expected * or a list of entity tags in double quotes, as ETag has them", name);
        return false;
    case READ_TOO_MANY:
        break;
    }
    (void)snprintf(problem, VERSION_PROBLEM_SIZE, "%s: at most %d entity tags are looked at", name,
                   (int)VERSION_TAGS_MAX);
    return false;
}

bool version_read(const struct headers *headers, struct version_condition *condition,
                  char problem[VERSION_PROBLEM_SIZE])
{
    return read_header(headers, "If-Match", &condition->match, problem) &&
           read_header(headers, "If-None-Match", &condition->none_match, problem);
}

/* ---- the verdict ---- */

static bool names_version(const struct version_tags *tags, const struct digest *version, bool weak_too)
{
    for (size_t i = 0; i < tags->count; i++)
        if ((weak_too || !tags->at[i].is_weak) && digest_equal(&tags->at[i].digest, version))
            return true;
    return tags->is_any;
}

/* If-Match compares strongly, If-None-Match weakly (RFC 9110, section 13.1). */
enum version_verdict version_judge(const struct version_condition *condition, const struct digest *version)
{
    const struct version_tags *match = &condition->match;
    const struct version_tags *none_match = &condition->none_match;

    if (match->is_given && (version == NULL || !names_version(match, version, /* weak_too= */ false)))
        return VERSION_DIFFERS;
    if (none_match->is_given && version != NULL && names_version(none_match, version, /* weak_too= */ true))
        return VERSION_IS_KNOWN;
    return VERSION_FITS;
}
