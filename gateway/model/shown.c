/*
 * shown - see shown.h.
 */

#include "gateway/model/shown.h"

#include "gateway/model/entities.h"
#include "gateway/model/schema.h"
#include "gateway/model/texts.h"

static void add_id(struct buf *buf, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    json_add_text(buf, str_of(uuid_format(id, text)));
}

static void add_reference(struct buf *buf, const struct uuid *id)
{
    size_t object = json_begin(buf);

    buf_add_str(buf, JSON_NAME("id"));
    add_id(buf, id);
    json_end_object(buf, object);
}

static void add_texts(struct buf *buf, const struct texts *texts)
{
    size_t array = json_begin(buf);

    for (size_t i = 0; i < texts->count; i++) {
        buf_add_byte(buf, ',');
        json_add_text(buf, str_of(texts->at[i]));
    }
    json_end_array(buf, array);
}

static void add_ids(struct buf *buf, const struct uuid *ids, size_t count)
{
    size_t array = json_begin(buf);

    for (size_t i = 0; i < count; i++) {
        buf_add_byte(buf, ',');
        add_id(buf, &ids[i]);
    }
    json_end_array(buf, array);
}

static void add_protocols(struct buf *buf, unsigned protocols)
{
    size_t array = json_begin(buf);

    for (size_t i = 0; protocol_names[i] != NULL; i++) {
        if ((protocol_of(protocol_names[i]) & protocols) == 0)
            continue;
        buf_add_byte(buf, ',');
        json_add_text(buf, str_of(protocol_names[i]));
    }
    json_end_array(buf, array);
}

static void add_headers(struct buf *buf, const struct route_header *headers, size_t count)
{
    size_t object = json_begin(buf);

    for (size_t i = 0; i < count; i++) {
        buf_add_byte(buf, ',');
        json_add_text(buf, str_of(headers[i].name));
        buf_add_byte(buf, ':');
        add_texts(buf, &headers[i].values);
    }
    json_end_object(buf, object);
}

static bool is_set(const struct shown_member *member, const char *object)
{
    const void *value = object + member->at;

    switch (member->kind) {
    case SHOWN_TEXT:
        return *(char *const *)value != NULL;
    case SHOWN_TEXTS:
        return ((const struct texts *)value)->count > 0;
    case SHOWN_BOOLEAN_IF:
        return *(const bool *)(object + member->with);
    case SHOWN_POSITIVE:
        return *(const int *)value >= 0;
    case SHOWN_REFERENCE:
        return !uuid_is_nil(value);
    case SHOWN_IDS:
    case SHOWN_HEADERS:
        return *(const size_t *)(const void *)(object + member->with) > 0;
    case SHOWN_ID:
    case SHOWN_INT:
    case SHOWN_LONG:
    case SHOWN_BOOLEAN:
    case SHOWN_PROTOCOL:
    case SHOWN_PROTOCOLS:
    case SHOWN_WORKSPACE:
        break;
    }
    return true;
}

static void add_value(struct buf *buf, const struct shown_member *member, const char *object)
{
    const void *value = object + member->at;
    const void *with = object + member->with;

    switch (member->kind) {
    case SHOWN_ID:
        add_id(buf, value);
        break;
    case SHOWN_TEXT:
        json_add_text(buf, str_of(*(char *const *)value));
        break;
    case SHOWN_TEXTS:
        add_texts(buf, value);
        break;
    case SHOWN_INT:
    case SHOWN_POSITIVE:
        json_add_number(buf, *(const int *)value);
        break;
    case SHOWN_LONG:
        json_add_number(buf, *(const int64_t *)value);
        break;
    case SHOWN_BOOLEAN:
    case SHOWN_BOOLEAN_IF:
        json_add_boolean(buf, *(const bool *)value);
        break;
    case SHOWN_REFERENCE:
        add_reference(buf, value);
        break;
    case SHOWN_IDS:
        add_ids(buf, *(struct uuid *const *)value, *(const size_t *)with);
        break;
    case SHOWN_PROTOCOL:
        json_add_text(buf, str_of(protocol_name(*(const unsigned *)value)));
        break;
    case SHOWN_PROTOCOLS:
        add_protocols(buf, *(const unsigned *)value);
        break;
    case SHOWN_HEADERS:
        add_headers(buf, *(struct route_header *const *)value, *(const size_t *)with);
        break;
    case SHOWN_WORKSPACE:
        json_add_text(buf, STR(DEFAULT_WORKSPACE));
        break;
    }
}

void shown_print(struct buf *buf, const struct shown_member *members, size_t count, const void *object)
{
    size_t began = json_begin(buf);

    for (size_t i = 0; i < count; i++) {
        if (!is_set(&members[i], object))
            continue;
        buf_add_str(buf, members[i].name);
        add_value(buf, &members[i], object);
    }
    json_end_object(buf, began);
}

cJSON *shown_tree(void (*print)(struct buf *buf, const void *object), const void *object)
{
    struct buf text = {0};

    print(&text, object);
    cJSON *tree = cJSON_ParseWithLength(text.at, text.len);
    buf_fini(&text);
    return tree;
}
